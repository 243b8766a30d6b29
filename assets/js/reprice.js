// input[data-reprice]: choosing another coupon brings the form back with the new price; what was typed stays. Without
// scripts a button of the same form does it.

export function startReprice() {
  document.addEventListener("change", async (event) => {
    const input = event.target.closest("[data-reprice]");
    if (!input) return;
    const form = input.form;
    const body = new URLSearchParams(new FormData(form));
    body.set("reprice", "1");
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { Sheet: "1" }, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(form.id);
      if (!answer.ok || !fresh) throw new Error("no such form");
      form.replaceWith(document.adoptNode(fresh));
      const same = document.getElementById(input.id);
      if (same) same.focus();
    } catch {
      form.removeAttribute("aria-busy");
      form.querySelector("[name=reprice]").click();
    }
  });
}
