// A line at the foot of the screen that also reaches screen readers, gone after three seconds.

let box;
let timer;

export function toast(text) {
  if (!box) {
    box = document.createElement("div");
    box.className = "toast";
    box.setAttribute("role", "status");
  }
  // An open dialog covers everything else, so the toast lives inside it.
  (document.querySelector("dialog[open]") || document.body).append(box);
  box.hidden = false;
  box.textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => (box.hidden = true), 3000);
}
