// Conditions as a tree of groups and rows. Every control edits the document itself; `desk` (see rule-editor.js) hears of it.

import { button, choice, el, field, remover, whole } from "./dom.js";

const FIRST = { money: "100.00", count: 1, ratio: "0.02", score: 60, flag: true };
const DAYS = /^([1-9][0-9]{0,3})d$/;

export const newLeaf = () => ({ m: "spend", win: "30d", op: ">=", v: "100.00" });

export const kindOf = (node) => (node && typeof node === "object" ? ["all", "any"].find((kind) => Array.isArray(node[kind])) : undefined);

// Whether the tree can be drawn: groups hold lists of conditions, everything else is an object of plain values.
export function fitsCondition(node, depth = 1) {
  if (!node || typeof node !== "object" || Array.isArray(node) || depth > 8) return false;
  const kind = kindOf(node);
  if (kind) return node[kind].every((child) => fitsCondition(child, depth + 1));
  return !("all" in node || "any" in node) && Object.values(node).every((value) => value === null || typeof value !== "object");
}

// One condition with its sentence. `replace(node)` puts another in its place; without a node the condition goes.
export function conditionView(desk, node, path, replace) {
  return el(
    "div",
    { class: "desk-rule-condition" },
    nodeView(desk, node, path, replace, 1),
    el("p", { class: "desk-rule-text", "data-text": path, "aria-live": "polite" }),
  );
}

function nodeView(desk, node, path, replace, depth) {
  return kindOf(node) ? groupView(desk, node, path, replace, depth) : leafView(desk, node, path, replace, depth);
}

function groupView(desk, node, path, replace, depth) {
  const { words } = desk;
  const kind = kindOf(node);
  const children = node[kind];
  const inside = `${path}.${kind}`;
  const change = (to) => desk.act(() => { node[to] = children; delete node[kind]; }, `${path}#kind`);
  const add = (child) => desk.act(() => children.push(child), `${inside}[${children.length}]#first`);
  return el(
    "div",
    { class: "desk-rule-group", role: "group", "aria-label": words.group, "data-slot": path },
    el(
      "div",
      { class: "desk-rule-row" },
      choice([["all", words.all], ["any", words.any]], kind, {
        "aria-label": words.group, "data-key": `${path}#kind`, onchange: (event) => change(event.target.value),
      }),
      children.length === 1 ? button(words.ungroup, () => desk.act(() => replace(children[0]), `${path}#first`)) : null,
      remover(words.removeGroup, () => desk.act(() => replace(undefined), `${path}#gone`)),
    ),
    say(path),
    el(
      "ul",
      { class: "desk-rule-children" },
      children.map((child, index) => {
        const put = (other) => (other === undefined ? children.splice(index, 1) : children.splice(index, 1, other));
        return el("li", {}, nodeView(desk, child, `${inside}[${index}]`, put, depth + 1));
      }),
    ),
    el(
      "div",
      { class: "desk-rule-row" },
      button(words.addCondition, () => add(newLeaf()), { "data-key": `${inside}#add`, disabled: children.length >= desk.limits.children }),
      depth < desk.limits.depth - 1
        ? button(words.addGroup, () => add({ [kind === "all" ? "any" : "all"]: [newLeaf(), newLeaf()] }), { disabled: children.length >= desk.limits.children })
        : null,
    ),
  );
}

function leafView(desk, leaf, path, replace, depth) {
  const { words } = desk;
  const metric = desk.metrics.find((one) => one.name === (desk.aliases[leaf.m] || leaf.m));
  const set = (key, value) => { leaf[key] = value; desk.changed(); };
  // Tables that are not there are not offered: most rules need neither.
  const tables = { w: desk.tables("weights"), dyn: desk.tables("dynamic") };
  const offers = (key, fits) => leaf[key] !== undefined || (fits && tables[key].length > 0);
  const controls = el(
    "div",
    { class: "desk-rule-row" },
    el("span", { class: "desk-rule-window" }, windowView(desk, leaf, metric, path)),
    choice(desk.metrics.map((one) => [one.name, one.label]), metric ? metric.name : leaf.m, {
      "aria-label": words.metric, "data-path": `${path}.m`, "data-key": `${path}#first`,
      onchange: (event) => desk.act(() => turn(desk, leaf, event.target.value), `${path}#first`),
    }),
    ...valueView(desk, leaf, metric, path, set),
    metric && offers("w", metric.weighted)
      ? choice([["", words.unweighted], ...tables.w.map((name) => [name, `${words.weightedBy} ${name}`])], leaf.w || "", {
          "aria-label": words.weights, "data-path": `${path}.w`, onchange: (event) => put(desk, leaf, "w", event.target.value),
        })
      : null,
    metric && offers("dyn", leaf.op === ">=" && ["money", "count"].includes(metric.kind))
      ? choice([["", words.fixed], ...tables.dyn.map((name) => [name, `${words.dynamicBy} ${name}`])], leaf.dyn || "", {
          "aria-label": words.dynamic, "data-path": `${path}.dyn`, onchange: (event) => put(desk, leaf, "dyn", event.target.value),
        })
      : null,
  );
  const acts = el(
    "div",
    { class: "desk-rule-acts" },
    depth < desk.limits.depth
      ? button(words.wrap, () => desk.act(() => replace({ all: [leaf, newLeaf()] }), `${path}.all[1]#first`), { title: words.wrapHint, "aria-label": words.wrapHint })
      : null,
    remover(words.removeCondition, () => desk.act(() => replace(undefined), `${path}#gone`)),
  );
  return el("div", { class: "desk-rule-leaf", role: "group", "aria-label": words.condition, "data-slot": path }, controls, acts, say(path));
}

function windowView(desk, leaf, metric, path) {
  const { words } = desk;
  const spans = metric ? metric.spans : ["days", "week", "life", "now"];
  const days = typeof leaf.win === "string" ? DAYS.exec(leaf.win) : null;
  if (spans.length === 1 && spans[0] === "now" && (leaf.win === undefined || leaf.win === "now")) return null;
  const win = leaf.win === undefined && spans.includes("now") ? "now" : days ? "days" : leaf.win;
  const change = (span) => desk.act(() => { leaf.win = span === "days" ? "30d" : span; }, `${path}#win`);
  const select = choice(spans.map((span) => [span, words.spans[span]]), win, {
    "aria-label": words.window, "data-path": `${path}.win`, "data-key": `${path}#win`, onchange: (event) => change(event.target.value),
  });
  if (!days) return select;
  const number = field(days[1], {
    inputmode: "numeric", "aria-label": words.days, "data-path": `${path}.win`, class: "desk-rule-control desk-rule-short",
    oninput: (event) => { leaf.win = `${event.target.value.trim()}d`; desk.changed(); },
  });
  return [select, el("span", { class: "desk-rule-unit" }, number, words.dayUnit)];
}

function valueView(desk, leaf, metric, path, set) {
  const { words } = desk;
  if (metric && metric.kind === "flag") {
    const wanted = typeof leaf.v !== "boolean" ? leaf.v : (leaf.op === "!=" ? !leaf.v : leaf.v) ? "yes" : "no";
    return [choice([["yes", words.yes], ["no", words.no]], wanted, {
      "aria-label": words.value, "data-path": `${path}.v`,
      onchange: (event) => desk.act(() => { leaf.op = "=="; leaf.v = event.target.value === "yes"; }, `${path}#value`),
      "data-key": `${path}#value`,
    })];
  }
  const isText = !metric || metric.kind === "money" || metric.kind === "ratio";
  return [
    choice(desk.operators, leaf.op, {
      "aria-label": words.operator, "data-path": `${path}.op`, "data-key": `${path}#op`,
      onchange: (event) => desk.act(() => { leaf.op = event.target.value; if (leaf.op !== ">=") delete leaf.dyn; }, `${path}#op`),
    }),
    el(
      "span",
      { class: "desk-rule-unit" },
      metric && metric.kind === "money" ? "¥" : "",
      field(leaf.v, {
        inputmode: isText ? "decimal" : "numeric", "aria-label": words.value, "data-path": `${path}.v`,
        oninput: (event) => set("v", isText ? event.target.value.trim() : whole(event.target.value)),
      }),
      metric ? metric.unit : "",
    ),
  ];
}

// Another metric for the row: what fits stays, the rest becomes the metric's own beginning.
function turn(desk, leaf, name) {
  const before = desk.metrics.find((one) => one.name === (desk.aliases[leaf.m] || leaf.m));
  const metric = desk.metrics.find((one) => one.name === name);
  leaf.m = name;
  const span = typeof leaf.win === "string" && DAYS.test(leaf.win) ? "days" : leaf.win;
  if (!metric.spans.includes(span)) leaf.win = metric.spans[0] === "days" ? "30d" : metric.spans[0];
  if (metric.kind === "flag") leaf.op = "==";
  else if (!leaf.op) leaf.op = ">=";
  if (!before || before.kind !== metric.kind) leaf.v = FIRST[metric.kind];
  if (!metric.weighted) delete leaf.w;
  if (!["money", "count"].includes(metric.kind)) delete leaf.dyn;
}

function put(desk, leaf, key, value) {
  if (value) leaf[key] = value;
  else delete leaf[key];
  desk.changed();
}

export const say = (path) => el("ul", { class: "desk-rule-say", "data-say": path });
