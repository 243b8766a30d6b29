// form[data-swap="id id"]: sent in the background; the elements with these ids are replaced by those in the page that
// comes back. The first one must be there, the others are where both pages have them. If anything goes wrong the form is
// sent as usual. Whoever looks at a swapped part keeps the focus in it.

function swap(name, page) {
  const old = document.getElementById(name);
  const part = page.getElementById(name);
  if (!old || !part) return;
  const focused = old.contains(document.activeElement);
  const bars = filled(old);
  old.replaceWith(document.adoptNode(part));
  moveBars(part, bars);
  if (focused && part.tabIndex === -1) part.focus({ preventScroll: true });
}

// How full each bar was, by its name.
function filled(part) {
  return new Map([...part.querySelectorAll("progress")].map((bar) => [bar.getAttribute("aria-label"), bar.value]));
}

// The new bars start where the old ones stood, so that they are seen to move.
function moveBars(part, before) {
  for (const bar of part.querySelectorAll("progress")) {
    const from = before.get(bar.getAttribute("aria-label"));
    const to = bar.value;
    if (from === undefined || from === to) continue;
    bar.value = from;
    bar.getBoundingClientRect();
    bar.value = to;
  }
}

// Replaces a part only where that changes what is seen and takes nothing from under the reader: what was unfolded stays.
export function refresh(name, page) {
  const old = document.getElementById(name);
  const part = page.getElementById(name);
  if (!old || !part || old.querySelector("details[open]") || seen(old) === seen(part)) return;
  swap(name, page);
}

function seen(part) {
  const copy = part.cloneNode(true);
  for (const token of copy.querySelectorAll("[name=csrfmiddlewaretoken]")) token.remove();
  return copy.innerHTML;
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
