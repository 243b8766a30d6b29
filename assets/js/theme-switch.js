// <theme-switch><form>…<button name="theme" value="dark"></form></theme-switch>: the same form without its page load.

const YEAR = 31536000;

class ThemeSwitch extends HTMLElement {
  connectedCallback() {
    this.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.choose(this.next());
    });
  }

  next() {
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    return (root.dataset.theme || system) === "dark" ? "light" : "dark";
  }

  choose(theme) {
    document.documentElement.dataset.theme = theme;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${theme}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
  }
}

customElements.define("theme-switch", ThemeSwitch);
