// <late-nudge data-url="…" data-seconds="120">: asks the url after so many seconds whether there is something to say here. The
// server knows for how long the goods have been looked at: it answers with the words, or with nothing and, in
// Retry-After, when to ask again.

class LateNudge extends HTMLElement {
  connectedCallback() {
    this.plan(Number(this.dataset.seconds));
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
  }

  plan(seconds) {
    this.timer = setTimeout(() => this.ask(), seconds * 1000);
  }

  async ask() {
    try {
      const answer = await fetch(this.dataset.url, { method: "POST", credentials: "same-origin" });
      const again = Number(answer.headers.get("Retry-After"));
      if (answer.status === 200) this.innerHTML = await answer.text();
      else if (answer.ok && again) this.plan(again);
    } catch {
      // Without a network there is nothing to save.
    }
  }
}

customElements.define("late-nudge", LateNudge);
