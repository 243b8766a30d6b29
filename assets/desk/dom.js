// Elements from a few words: el("button", { type: "button", class: "x", onclick: act }, "text", child, …).

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

// A select of [value, label] pairs. What is not among them stays chosen and visible, so that nothing written is lost.
export function choice(options, value, props) {
  const shown = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
  const known = options.some(([one]) => one === shown);
  const all = known ? options : [[shown, shown === "" ? "–" : `? ${shown.slice(0, 40)}`], ...options];
  const node = el(
    "select",
    { class: "desk-rule-control", ...props },
    all.map(([one, label]) => el("option", { value: one, selected: one === shown }, label)),
  );
  node.value = shown;
  return node;
}

export function field(value, props) {
  const shown = value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
  return el("input", { type: "text", autocomplete: "off", class: "desk-rule-control", value: shown, ...props });
}

export function button(label, onclick, props = {}) {
  return el("button", { type: "button", class: "desk-rule-button", onclick, ...props }, label);
}

// A small round button that removes the thing beside it.
export function remover(label, onclick, props = {}) {
  return el("button", { type: "button", class: "desk-rule-remove", "aria-label": label, title: label, onclick, ...props }, "×");
}

// A whole number where it is one; otherwise the text as it was typed, for the check to tell of.
export function whole(text) {
  return /^[0-9]{1,15}$/.test(text.trim()) ? Number(text.trim()) : text;
}
