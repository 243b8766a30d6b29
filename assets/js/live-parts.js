// <live-parts data-url="…" data-mark="…" data-parts="id id">: asks the url for {"mark": …} while the page is looked at; when
// the mark is another one, this page is fetched in the background and the elements with these ids are replaced. Soon after
// the page was opened it asks often, because something may just be on its way; later now and then, and at once whenever
// the page comes back into view.

import { refresh } from "./swap.js";

const FIRST = 1000;
const LONGEST = 20000;

class LiveParts extends HTMLElement {
  connectedCallback() {
    this.wait = FIRST;
    this.back = () => {
      this.wait = FIRST;
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
    this.wait = Math.min(this.wait * 1.4, LONGEST);
  }

  async ask() {
    clearTimeout(this.timer);
    if (document.visibilityState !== "visible") return;
    try {
      const answer = await fetch(this.dataset.url, { credentials: "same-origin", cache: "no-store" });
      // Signed out meanwhile: nothing more to hear.
      if (answer.redirected || !answer.ok) return;
      const { mark } = await answer.json();
      if (mark !== this.dataset.mark) await this.take();
    } catch {
      // No network for a moment: the next turn asks again.
    }
    if (this.isConnected) this.plan();
  }

  async take() {
    const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("live-parts");
    if (!fresh) return;
    this.dataset.mark = fresh.dataset.mark;
    this.wait = FIRST;
    for (const name of this.dataset.parts.split(" ")) refresh(name, page);
  }
}

customElements.define("live-parts", LiveParts);
