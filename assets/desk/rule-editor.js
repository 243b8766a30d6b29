// The editor of a rule set: the document is drawn as cards and rows and also stands as JSON in a text area, which is what the
// form sends. While somebody edits, the server reads the text and answers with messages and sentences by their paths.

import { fitsCondition } from "./conditions.js";
import { el } from "./dom.js";
import { sections } from "./sections.js";
import { tierCards } from "./tiers.js";

const WAIT_MS = 250;
const KEPT_STEPS = 50;

const isTable = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const flat = (value) => isTable(value) && Object.values(value).every((one) => one === null || typeof one !== "object");

// Whether the document can be drawn. Wrong values can; lists in the place of objects cannot, and are told of beside the JSON.
function fits(doc) {
  if (!isTable(doc) || !Array.isArray(doc.tiers) || !doc.tiers.length || !doc.tiers.every(isTable)) return false;
  const rows = (key, fine) => doc[key] === undefined || (Array.isArray(doc[key]) && doc[key].every(fine));
  const table = (key, fine) => doc[key] === undefined || (isTable(doc[key]) && Object.values(doc[key]).every(fine));
  const sums = (value) => value === undefined || flat(value);
  const rest = ({ needs, grants, ...others }) => sums(needs) && sums(grants) && flat(others);
  const keeps = (keep) => (isTable(keep) && "scale" in keep ? flat(keep) : fitsCondition(keep));
  const tier = ({ enter, keep, gates, ...others }) =>
    (enter === undefined || fitsCondition(enter)) &&
    (keep === undefined || keeps(keep)) &&
    (gates === undefined || (Array.isArray(gates) && gates.every((gate) => fitsCondition(gate)))) &&
    flat(others);
  const jump = ({ when, ...others }) => fitsCondition(when) && flat(others);
  return (
    doc.tiers.every(tier) && rows("exclude", flat) && rows("caps", flat) && rows("multipliers", flat) &&
    rows("bundles", (row) => isTable(row) && rest(row)) && rows("jumps", (row) => isTable(row) && jump(row)) &&
    table("weights", flat) && table("dynamic", flat) &&
    ["schema", "timezone", "counts"].every((key) => doc[key] === null || typeof doc[key] !== "object")
  );
}

class RuleEditor {
  constructor(root) {
    this.root = root;
    this.text = root.querySelector("textarea");
    this.status = root.querySelector("[data-rule-status]");
    this.top = root.querySelector("[data-rule-top]");
    this.form = root.querySelector("[data-rule-form]");
    Object.assign(this, JSON.parse(root.querySelector("script[type='application/json']").textContent));
    this.steps = [];
    this.asked = 0;
    this.tabs = [...root.querySelectorAll("[role=tab]")];
    this.undo = root.querySelector("[data-rule-undo]");
    this.listen();
    root.classList.add("desk-rules-live");
    if (!this.read()) this.show("json");
    else this.show("form");
    this.check(0);
  }

  listen() {
    this.text.addEventListener("input", () => this.check());
    this.undo.addEventListener("click", () => this.back());
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.choose(tab.dataset.tab));
      tab.addEventListener("keydown", (event) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        const other = this.tabs[1 - this.tabs.indexOf(tab)];
        event.preventDefault();
        this.choose(other.dataset.tab);
        other.focus();
      });
    }
  }

  // Tabs

  choose(name) {
    if (name === "form" && !this.read()) {
      this.status.textContent = this.words.notDrawn;
      this.status.dataset.tone = "danger";
      return;
    }
    this.show(name);
    this.check(0);
  }

  show(name) {
    for (const tab of this.tabs) {
      const chosen = tab.dataset.tab === name;
      tab.setAttribute("aria-selected", chosen);
      tab.tabIndex = chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !chosen;
    }
    this.undo.hidden = name !== "form";
    if (name === "form") this.draw();
  }

  // The document

  read() {
    try {
      const doc = JSON.parse(this.text.value || "null");
      if (!fits(doc)) return false;
      this.doc = doc;
      return true;
    } catch {
      return false;
    }
  }

  changed() {
    this.text.value = JSON.stringify(this.doc, null, 2);
    this.text.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // Something comes or goes: draw again, with the focus where the work goes on.
  act(change, focus) {
    this.steps = [...this.steps.slice(-KEPT_STEPS), JSON.stringify(this.doc)];
    change();
    this.tidy();
    this.changed();
    this.draw();
    this.focus(focus);
  }

  back() {
    const before = this.steps.pop();
    if (before === undefined) return;
    this.doc = JSON.parse(before);
    this.changed();
    this.draw();
    this.undo.focus();
  }

  // A group that lost its last condition is gone too.
  tidy() {
    const swept = (node) => {
      const kind = ["all", "any"].find((one) => Array.isArray(node && node[one]));
      if (!kind) return node;
      node[kind] = node[kind].map(swept).filter((child) => child !== undefined);
      return node[kind].length ? node : undefined;
    };
    for (const tier of this.doc.tiers) {
      for (const key of ["enter", "keep"]) {
        if (key in tier && swept(tier[key]) === undefined) delete tier[key];
      }
      if (tier.gates) tier.gates = tier.gates.map(swept).filter((gate) => gate !== undefined);
      if (tier.gates && !tier.gates.length) delete tier.gates;
    }
    for (const jump of this.doc.jumps || []) {
      if (swept(jump.when) === undefined) jump.when = { m: "invitee_active", win: "life", op: ">=", v: 10 };
    }
  }

  drop(key, rows, index) {
    rows.splice(index, 1);
    if (!rows.length) delete this.doc[key];
    else this.doc[key] = rows;
  }

  dropName(key, name) {
    delete this.doc[key][name];
    if (!Object.keys(this.doc[key]).length) delete this.doc[key];
  }

  tables(key) {
    return Object.keys(this.doc[key] || {});
  }

  // Another key for a value, in its place among the others.
  replaceKey(table, from, to) {
    const entries = Object.entries(table).map(([key, value]) => [key === from ? to : key, value]);
    for (const key of Object.keys(table)) delete table[key];
    Object.assign(table, Object.fromEntries(entries));
  }

  rename(key, from, to) {
    if (to === from) return;
    if (!to || to in this.doc[key]) {
      this.draw();
      this.say(`${key}.${from}`, "error", this.words.nameTaken);
      this.focus(`${key}.${from}#first`);
      return;
    }
    this.act(() => {
      this.replaceKey(this.doc[key], from, to);
      const short = key === "weights" ? "w" : "dyn";
      const visit = (node) => {
        if (!node || typeof node !== "object") return;
        if (node[short] === from && "m" in node) node[short] = to;
        Object.values(node).forEach(visit);
      };
      visit([this.doc.tiers, this.doc.jumps]);
    }, `${key}.${to}#first`);
  }

  // Drawing

  draw() {
    if (!this.doc) return;
    this.form.replaceChildren(
      el("h4", { class: "desk-rule-title" }, this.words.tiers), ...tierCards(this),
      el("h4", { class: "desk-rule-title" }, this.words.general), ...sections(this),
    );
    this.undo.disabled = !this.steps.length;
    if (this.answer) this.tell(this.answer);
  }

  focus(key) {
    const stem = key.split("#")[0];
    const wanted = [key, `${stem}#first`, `${stem}#kind`, `${stem}#add`, `${stem.replace(/\[\d+\]$/, "")}#add`];
    const found = wanted.map((one) => this.form.querySelector(`[data-key="${CSS.escape(one)}"]`)).find(Boolean);
    const near = found || this.nearest(stem);
    if (near) near.focus();
  }

  // The first control of the innermost thing that is still there.
  nearest(path) {
    for (let part = path; part; part = parentOf(part)) {
      const slot = this.form.querySelector(`[data-slot="${CSS.escape(part)}"]`);
      const control = slot && slot.querySelector("input, select, button");
      if (control) return control;
    }
    return this.form.querySelector("button");
  }

  // The check

  check(wait = WAIT_MS) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), wait);
  }

  async ask() {
    const number = (this.asked += 1);
    const token = this.root.closest("form").querySelector("[name=csrfmiddlewaretoken]").value;
    this.root.setAttribute("aria-busy", "true");
    try {
      const body = new URLSearchParams({ rules: this.text.value, version: this.version || "" });
      const answer = await fetch(this.address, { method: "POST", body, headers: { "X-CSRFToken": token }, credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      const told = await answer.json();
      if (number === this.asked) this.tell((this.answer = told));
    } catch {
      if (number === this.asked) {
        this.status.textContent = this.words.unchecked;
        this.status.dataset.tone = "warning";
      }
    } finally {
      if (number === this.asked) this.root.removeAttribute("aria-busy");
    }
  }

  tell({ notes, texts, summary, tone }) {
    this.status.textContent = summary;
    this.status.dataset.tone = tone;
    this.top.replaceChildren();
    for (const list of this.form.querySelectorAll("[data-say]")) list.replaceChildren();
    for (const control of this.form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
    for (const line of this.form.querySelectorAll("[data-text]")) line.textContent = texts[line.dataset.text] || "";
    const drawn = !document.getElementById(this.tabs[0].getAttribute("aria-controls")).hidden;
    for (const note of notes) {
      if (!drawn || !this.say(note.path, note.level, note.message)) this.top.append(this.line(note.level, note.path, note.message));
    }
  }

  // Puts a message beside what it is about; false where nothing on the page is.
  say(path, level, message) {
    const control = this.form.querySelector(`[data-path="${CSS.escape(path)}"]`);
    for (let part = path; part; part = parentOf(part)) {
      const list = this.form.querySelector(`[data-say="${CSS.escape(part)}"]`);
      if (!list) continue;
      const line = this.line(level, "", message);
      list.append(line);
      if (control && level === "error") {
        list.id = list.id || `say-${part.replace(/[^a-z0-9]+/gi, "-")}`;
        control.setAttribute("aria-invalid", "true");
        control.setAttribute("aria-describedby", list.id);
      }
      return true;
    }
    return false;
  }

  line(level, path, message) {
    return el("li", { "data-level": level }, path ? el("code", {}, path) : null, path ? " " : null, message);
  }
}

// "tiers[1].enter.all[0].v" → "tiers[1].enter.all[0]" → "tiers[1].enter.all" → … → "tiers" → "".
function parentOf(path) {
  return path.replace(/(\[\d+\]|\.[^.[\]]+|^[^.[\]]+)$/, "");
}

export function startRuleEditors() {
  for (const root of document.querySelectorAll("[data-rule-editor]")) new RuleEditor(root);
}
