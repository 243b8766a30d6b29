// a[data-sheet] and form[data-sheet] (method GET) open what they lead to in a <dialog> instead of a page. The server
// answers the header "Sheet: 1" with the inner part only. Whatever goes wrong, the browser goes to the page itself.

const SLOW = 300;

function dialog() {
  let sheet = document.getElementById("sheet");
  if (!sheet) {
    sheet = document.createElement("dialog");
    sheet.id = "sheet";
    sheet.className = "sheet";
    document.body.append(sheet);
    sheet.addEventListener("click", (event) => {
      if (event.target === sheet || event.target.closest("[data-close]")) sheet.close();
    });
  }
  return sheet;
}

async function open(address) {
  const sheet = dialog();
  const waiting = setTimeout(() => {
    sheet.innerHTML = '<div class="sheet-body"><div class="spinner" role="status"></div></div>';
    if (!sheet.open) sheet.showModal();
  }, SLOW);
  try {
    const answer = await fetch(address, { headers: { Sheet: "1" }, credentials: "same-origin", cache: "no-store" });
    if (!answer.ok || answer.redirected || !answer.headers.get("Sheet")) throw new Error("not a sheet");
    const html = await answer.text();
    clearTimeout(waiting);
    sheet.innerHTML = html;
    sheet.setAttribute("aria-labelledby", "sheet-title");
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

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-sheet]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(link.href);
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const button = event.submitter;
    if (!form.matches("form[data-sheet]") || (button && button.hasAttribute("formaction"))) return;
    event.preventDefault();
    const address = new URL(form.action);
    address.search = new URLSearchParams(new FormData(form)).toString();
    open(address.href);
  });
}
