// form[data-swap="id"]: sent in the background; the element with that id is replaced by the one in the page that comes
// back. If anything goes wrong the form is sent as usual.

export function startSwaps() {
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-swap]");
    if (!form || event.defaultPrevented) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form));
    if (event.submitter && event.submitter.name) body.set(event.submitter.name, event.submitter.value);
    try {
      const answer = await fetch(form.action, { method: "POST", body, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const part = page.getElementById(form.dataset.swap);
      if (!answer.ok || !part) throw new Error("no such part");
      document.getElementById(form.dataset.swap).replaceWith(document.adoptNode(part));
    } catch {
      form.submit();
    }
  });
}
