// form[data-swap="id id"]: sent in the background; the elements with these ids are replaced by those in the page that
// comes back. The first one must be there, the others are where both pages have them. If anything goes wrong the form is
// sent as usual. Whoever looks at a swapped part keeps the focus in it.

function swap(name, page) {
  const old = document.getElementById(name);
  const part = page.getElementById(name);
  if (!old || !part) return;
  const focused = old.contains(document.activeElement);
  old.replaceWith(document.adoptNode(part));
  if (focused && part.tabIndex === -1) part.focus({ preventScroll: true });
}

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
      const names = form.dataset.swap.split(" ");
      if (!answer.ok || !page.getElementById(names[0])) throw new Error("no such part");
      for (const name of names) swap(name, page);
    } catch {
      form.submit();
    }
  });
}
