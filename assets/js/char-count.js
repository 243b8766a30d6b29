// <char-count data-for="id" data-most="500"></char-count> shows how much of a text field is used: "12 / 500".

class CharCount extends HTMLElement {
  connectedCallback() {
    const field = document.getElementById(this.dataset.for);
    const show = () => {
      // Characters, not UTF-16 units: the server counts the same way.
      this.textContent = `${[...field.value].length} / ${this.dataset.most}`;
    };
    field.addEventListener("input", show);
    show();
  }
}

customElements.define("char-count", CharCount);
