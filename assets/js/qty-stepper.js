// <qty-stepper data-less="减少" data-more="增加"><input type="number" min max></qty-stepper> gains − and + buttons.

class QtyStepper extends HTMLElement {
  connectedCallback() {
    if (this.input) return;
    this.input = this.querySelector("input");
    this.less = this.button("−", this.dataset.less, -1);
    this.more = this.button("+", this.dataset.more, 1);
    this.prepend(this.less);
    this.append(this.more);
    this.input.addEventListener("input", () => this.limits());
    this.limits();
  }

  button(sign, label, step) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = sign;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => {
      this.input.value = this.clamp(Number(this.input.value) + step);
      this.limits();
      this.input.dispatchEvent(new Event("change", { bubbles: true }));
    });
    return button;
  }

  clamp(value) {
    const least = Number(this.input.min || 1);
    const most = Number(this.input.max || Infinity);
    return Math.min(most, Math.max(least, value || least));
  }

  limits() {
    const value = Number(this.input.value);
    this.less.disabled = value <= Number(this.input.min || 1);
    this.more.disabled = value >= Number(this.input.max || Infinity);
  }
}

customElements.define("qty-stepper", QtyStepper);
