// <show-password data-show="显示密码" data-hide="隐藏密码"><input type="password"></show-password> gains a switch.

class ShowPassword extends HTMLElement {
  connectedCallback() {
    const input = this.querySelector("input");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-quiet";
    const show = (shown) => {
      input.type = shown ? "text" : "password";
      button.textContent = shown ? this.dataset.hide : this.dataset.show;
    };
    button.addEventListener("click", () => show(input.type === "password"));
    show(false);
    this.append(button);
  }
}

customElements.define("show-password", ShowPassword);
