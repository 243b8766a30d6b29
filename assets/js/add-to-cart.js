// A button[data-add-to-cart] that would post its form instead sends it in the background and says so.

import { toast } from "./toast.js";

function showCount(count) {
  const link = document.querySelector("[data-cart]");
  let badge = link.querySelector(".count");
  if (!badge) {
    badge = document.createElement("span");
    badge.className = "count";
    link.append(badge);
  }
  badge.textContent = count;
}

export function startAddToCart() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-add-to-cart]");
    if (!button || !button.form.reportValidity()) return;
    event.preventDefault();
    try {
      const answer = await fetch(button.formAction, {
        method: "POST",
        body: new URLSearchParams(new FormData(button.form)),
        headers: { Accept: "application/json" },
        credentials: "same-origin",
      });
      const { count, message } = await answer.json();
      if (answer.ok) showCount(count);
      toast(message);
    } catch {
      button.form.action = button.formAction;
      button.form.method = "post";
      button.form.submit();
    }
  });
}
