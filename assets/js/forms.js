// Two manners of every form: a filter is sent as soon as it is changed, and nothing is sent twice.

export function startForms() {
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (form && event.target.closest("[data-submit-on-change]")) form.requestSubmit ? form.requestSubmit() : form.submit();
  });

  // The server refuses a second order by its idempotency token; this only spares the buyer the wait.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    for (const button of form.querySelectorAll("button[data-busy]")) {
      button.textContent = button.dataset.busy;
      button.setAttribute("aria-disabled", "true");
    }
  });

  // Back from the next page: the form must work again.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    if (document.querySelector("button[data-busy][aria-disabled]")) location.reload();
  });
}
