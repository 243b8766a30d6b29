// <count-down data-seconds="840">… <span class="count-down-live"></span></count-down>
// counts from what the server said was left, so a wrong clock on the phone does not matter; at zero the page is asked again.

class CountDown extends HTMLElement {
  connectedCallback() {
    this.end = Date.now() + Number(this.dataset.seconds) * 1000;
    this.live = this.querySelector(".count-down-live");
    this.timer = setInterval(() => this.show(), 1000);
    this.show();
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }

  show() {
    const left = Math.max(0, Math.round((this.end - Date.now()) / 1000));
    const minutes = Math.floor(left / 60);
    this.live.textContent = `${String(minutes).padStart(2, "0")}:${String(left % 60).padStart(2, "0")}`;
    if (left === 0) {
      clearInterval(this.timer);
      // The server closes the order in its own time: give it a moment.
      setTimeout(() => location.reload(), 2000);
    }
  }
}

customElements.define("count-down", CountDown);
