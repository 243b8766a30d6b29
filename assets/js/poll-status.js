// <poll-status data-url="…" data-state="pending">: asks the url for {"state": …, "next": …} until the state is another one,
// then goes to next (or loads this page again). Phones freeze timers while the payment app is in front and Chrome may
// even drop the tab, so it asks at once whenever the page comes back into view.
// A button[data-recheck] inside asks at once too.

import { toast } from "./toast.js";

class PollStatus extends HTMLElement {
  connectedCallback() {
    this.wait = 2000;
    this.back = () => {
      if (document.visibilityState === "visible") this.ask();
    };
    document.addEventListener("visibilitychange", this.back);
    window.addEventListener("pageshow", this.back);
    this.addEventListener("click", (event) => {
      const button = event.target.closest("[data-recheck]");
      if (!button) return;
      event.preventDefault();
      this.ask().then((moved) => moved || toast(button.dataset.recheck));
    });
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
          return true;
        }
      }
    } catch {
      // No network for a moment: the next turn asks again.
    }
    this.plan();
    return false;
  }
}

customElements.define("poll-status", PollStatus);
