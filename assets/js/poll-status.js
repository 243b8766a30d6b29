// <poll-status data-url="…" data-state="pending">: asks the url for {"state": …, "next": …} until the state is another one,
// then goes to next (or loads this page again). Phones freeze timers while the payment app is in front and Chrome may
// even drop the tab, so it asks at once whenever the page comes back into view.

class PollStatus extends HTMLElement {
  connectedCallback() {
    this.wait = 2000;
    this.back = () => {
      if (document.visibilityState === "visible") this.ask();
    };
    document.addEventListener("visibilitychange", this.back);
    window.addEventListener("pageshow", this.back);
    this.plan();
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.back);
    window.removeEventListener("pageshow", this.back);
  }

  plan() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), this.wait);
    this.wait = Math.min(this.wait * 1.15, 10000);
  }

  async ask() {
    clearTimeout(this.timer);
    try {
      const answer = await fetch(this.dataset.url, {
        headers: { Accept: "application/json" },
        credentials: "same-origin",
        cache: "no-store",
      });
      if (answer.ok) {
        const { state, next } = await answer.json();
        if (state !== this.dataset.state) {
          if (next && next !== location.pathname) location.replace(next);
          else location.reload();
          return;
        }
      }
    } catch {
      // No network for a moment: the next turn asks again.
    }
    this.plan();
  }
}

customElements.define("poll-status", PollStatus);
