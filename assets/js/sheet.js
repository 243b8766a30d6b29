// a[data-sheet] and form[data-sheet] (method GET) open what they lead to in a <dialog> instead of a page. The server
// answers the header "Sheet: 1" with the inner part only. Whatever goes wrong, the browser goes to the page itself.

const SLOW = 300;

function spinner(text) {
  const body = document.createElement("div");
  body.className = "sheet-body spinner-row";
  body.setAttribute("role", "status");
  body.innerHTML = '<span class="spinner"></span>';
  body.append(text);
  return body;
}

async function open(address) {
  const sheet = document.getElementById("sheet");
  const waiting = setTimeout(() => {
    sheet.replaceChildren(spinner(sheet.dataset.wait));
    if (!sheet.open) sheet.showModal();
  }, SLOW);
  try {
    const answer = await fetch(address, { headers: { Sheet: "1" }, credentials: "same-origin", cache: "no-store" });
    if (!answer.ok || answer.redirected || !answer.headers.get("Sheet")) throw new Error("not a sheet");
    const html = await answer.text();
    clearTimeout(waiting);
    sheet.innerHTML = html;
    if (!sheet.open) sheet.showModal();
    const first = sheet.querySelector("[autofocus]");
    if (first) first.focus();
  } catch {
    clearTimeout(waiting);
    location.assign(address);
  }
}

export function startSheets() {
  if (!window.HTMLDialogElement) return;

  const sheet = document.getElementById("sheet");
  sheet.addEventListener("click", (event) => {
    if (event.target === sheet || event.target.closest("[data-close]")) sheet.close();
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-sheet]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(link.href);
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-sheet]") || event.defaultPrevented) return;
    event.preventDefault();
    const address = new URL(form.action);
    address.search = new URLSearchParams(new FormData(form)).toString();
    open(address.href);
  });
}
