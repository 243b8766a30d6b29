// <copy-button data-from="id id" data-done="已复制" data-failed="…"><button type="button">复制</button></copy-button>
// copies the text of the named elements, one a line.

import { toast } from "./toast.js";

async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Plain http and old in-app browsers: select a hidden field and let the browser copy it.
  const field = document.createElement("textarea");
  field.value = text;
  field.readOnly = true;
  field.style.position = "fixed";
  field.style.opacity = "0";
  (document.querySelector("dialog[open]") || document.body).append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (!copied) throw new Error("the browser refused to copy");
}

class CopyButton extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", async () => {
      const text = this.dataset.from
        .split(" ")
        .map((id) => document.getElementById(id).textContent.trim())
        .join("\n");
      try {
        await copy(text);
        toast(this.dataset.done);
      } catch {
        toast(this.dataset.failed);
      }
    });
  }
}

customElements.define("copy-button", CopyButton);
