// What holds for all tiers: weights, exclusions, bundles, caps, multipliers, dynamic thresholds, jumps.

import { conditionView, newLeaf, say } from "./conditions.js";
import { button, choice, el, field, remover, whole } from "./dom.js";

export function sections(desk) {
  const { words } = desk;
  return [
    countsView(desk),
    tableSection(desk, "weights", words.weightTables, words.addTable, () => ({ default: "1" }), weightsView),
    rowSection(desk, "exclude", words.exclusions, words.addExclusion, () => ({ reason: "points_paid", part: "points_paid" }), exclusionView),
    rowSection(desk, "bundles", words.bundles, words.addBundle, newBundle, bundleView),
    rowSection(desk, "caps", words.caps, words.addCap, () => ({ m: desk.points[0][0], per: "day", max: 100 }), capView),
    rowSection(desk, "multipliers", words.multipliers, words.addMultiplier, () => newMultiplier(desk), multiplierView),
    tableSection(desk, "dynamic", words.dynamics, words.addDynamic, () => ({ factor: "0.8", rising_days: 14 }), dynamicView),
    rowSection(desk, "jumps", words.jumps, words.addJump, newJump, jumpView),
  ];
}

const newBundle = (rows) => ({ id: fresh("bundle", rows.map((row) => row.id)), window: "week", needs: { checkin: 5 }, grants: { activity: 50 } });
const newJump = (rows) => ({ id: fresh("jump", rows.map((row) => row.id)), up: 2, when: newLeaf() });
const newMultiplier = (desk) => ({ m: desk.points[0][0], factor: "2", from: desk.today, to: desk.today });

function fresh(stem, taken) {
  let number = 1;
  while (taken.includes(`${stem}_${number}`)) number += 1;
  return `${stem}_${number}`;
}

function frame(title, path, add, body, hint) {
  return el(
    "section",
    { class: "desk-rule-section", "data-slot": path },
    el("header", { class: "desk-rule-head" }, el("h4", {}, title), add),
    hint ? el("p", { class: "desk-rule-hint" }, hint) : null,
    say(path),
    body,
  );
}

function countsView(desk) {
  const { words, doc } = desk;
  const select = choice([["delivered", words.delivered], ["settled", words.settled]], doc.counts === undefined ? "delivered" : doc.counts, {
    "aria-label": words.counts, "data-path": "counts",
    onchange: (event) => { doc.counts = event.target.value; desk.changed(); },
  });
  return frame(words.counts, "counts", null, el("div", { class: "desk-rule-row" }, select));
}

function rowSection(desk, key, title, addLabel, make, view) {
  const rows = desk.doc[key] || [];
  const add = button(addLabel, () => desk.act(() => { desk.doc[key] = [...rows, make(rows)]; }, `${key}[${rows.length}]#first`), { "data-key": `${key}#add` });
  const body = rows.map((row, index) => {
    const path = `${key}[${index}]`;
    const drop = remover(desk.words.remove, () => desk.act(() => desk.drop(key, rows, index), `${key}#add`));
    return el("div", { class: "desk-rule-item", "data-slot": path }, view(desk, row, path, drop), say(path), key === "jumps" ? null : text(path));
  });
  return frame(title, key, add, body, desk.words.hints[key]);
}

// Rows by name. A name is changed where it is used, too.
function tableSection(desk, key, title, addLabel, make, view) {
  const table = desk.doc[key] || {};
  const names = Object.keys(table);
  const stem = key === "weights" ? "weights" : "dynamic";
  const name = fresh(stem, names);
  const add = button(addLabel, () => desk.act(() => { desk.doc[key] = { ...table, [name]: make() }; }, `${key}.${name}#first`), { "data-key": `${key}#add` });
  const body = names.map((one) => {
    const path = `${key}.${one}`;
    const label = field(one, {
      "aria-label": desk.words.name, "data-key": `${path}#first`, class: "desk-rule-control desk-rule-name",
      onchange: (event) => desk.rename(key, one, event.target.value.trim()),
    });
    const drop = remover(desk.words.remove, () => desk.act(() => desk.dropName(key, one), `${key}#add`));
    return el("div", { class: "desk-rule-item", "data-slot": path }, view(desk, table[one], path, label, drop), say(path), text(path));
  });
  return frame(title, key, add, body, desk.words.hints[key]);
}

const text = (path) => el("p", { class: "desk-rule-text", "data-text": path, "aria-live": "polite" });

const labelled = (label, control) => el("label", { class: "desk-rule-label" }, el("span", {}, label), control);

function weightsView(desk, table, path, label, drop) {
  const { words } = desk;
  const used = Object.keys(table);
  const free = desk.categories.filter(([code]) => !used.includes(code));
  const names = [["default", words.otherCategories], ...desk.categories];
  const rename = (from, to) => desk.act(() => desk.replaceKey(table, from, to), `${path}.${to}#factor`);
  return [
    el("div", { class: "desk-rule-row" }, labelled(words.tableName, label), drop),
    used.map((code) =>
      el(
        "div",
        { class: "desk-rule-row desk-rule-inner" },
        choice(names.filter(([one]) => one === code || !used.includes(one)), code, { "aria-label": words.category, onchange: (event) => rename(code, event.target.value) }),
        el("span", { class: "desk-rule-unit" }, "×", field(table[code], {
          inputmode: "decimal", "aria-label": words.factor, "data-path": `${path}.${code}`, "data-key": `${path}.${code}#factor`,
          class: "desk-rule-control desk-rule-short", oninput: (event) => { table[code] = event.target.value.trim(); desk.changed(); },
        })),
        remover(words.remove, () => desk.act(() => delete table[code], `${path}#first`)),
      ),
    ),
    free.length ? button(words.addCategory, () => desk.act(() => { table[free[0][0]] = "1.2"; }, `${path}.${free[0][0]}#factor`)) : null,
  ];
}

function exclusionView(desk, row, path, drop) {
  const { words } = desk;
  const chosen = row.part !== undefined ? `part:${row.part}` : row.category === undefined ? undefined : `category:${row.category}`;
  const options = [["part:points_paid", words.pointsPaid], ...desk.categories.map(([code, name]) => [`category:${code}`, name])];
  const change = (value) => desk.act(() => {
    const [kind, what] = [value.slice(0, value.indexOf(":")), value.slice(value.indexOf(":") + 1)];
    delete row.part;
    delete row.category;
    row[kind] = what;
    row.reason = what.toLowerCase().replace(/[^a-z0-9_]/g, "_").replace(/^[^a-z]+/, "") || "excluded";
  }, `${path}#first`);
  return el(
    "div",
    { class: "desk-rule-row" },
    choice(options, chosen, { "aria-label": words.excluded, "data-key": `${path}#first`, "data-path": path, onchange: (event) => change(event.target.value) }),
    labelled(words.reason, field(row.reason, { "data-path": `${path}.reason`, class: "desk-rule-control desk-rule-name", oninput: (event) => { row.reason = event.target.value.trim(); desk.changed(); } })),
    drop,
  );
}

function bundleView(desk, row, path, drop) {
  const { words } = desk;
  return [
    el(
      "div",
      { class: "desk-rule-row" },
      labelled(words.name, field(row.id, { "data-path": `${path}.id`, "data-key": `${path}#first`, class: "desk-rule-control desk-rule-name", oninput: (event) => { row.id = event.target.value.trim(); desk.changed(); } })),
      choice(desk.periods, row.window, { "aria-label": words.period, "data-path": `${path}.window`, onchange: (event) => { row.window = event.target.value; desk.changed(); } }),
      drop,
    ),
    amounts(desk, row, "needs", path, words.needs, desk.actions),
    amounts(desk, row, "grants", path, words.grants, desk.points),
  ];
}

function amounts(desk, row, key, path, title, options) {
  const { words } = desk;
  const table = row[key] || {};
  const used = Object.keys(table);
  const free = options.filter(([name]) => !used.includes(name));
  return el(
    "div",
    { class: "desk-rule-inner", role: "group", "aria-label": title },
    el("span", { class: "desk-rule-lead" }, title),
    used.map((name) =>
      el(
        "div",
        { class: "desk-rule-row" },
        choice(options.filter(([one]) => one === name || !used.includes(one)), name, {
          "aria-label": words.metric, "data-path": `${path}.${key}.${name}`,
          onchange: (event) => desk.act(() => desk.replaceKey(table, name, event.target.value), `${path}.${key}.${event.target.value}#count`),
        }),
        field(table[name], {
          inputmode: "numeric", "aria-label": words.count, "data-path": `${path}.${key}.${name}`, "data-key": `${path}.${key}.${name}#count`,
          class: "desk-rule-control desk-rule-short", oninput: (event) => { table[name] = whole(event.target.value); desk.changed(); },
        }),
        used.length > 1 ? remover(words.remove, () => desk.act(() => delete table[name], `${path}#first`)) : null,
      ),
    ),
    free.length ? button(words.add, () => desk.act(() => { row[key] = { ...table, [free[0][0]]: 1 }; }, `${path}.${key}.${free[0][0]}#count`)) : null,
  );
}

function capView(desk, row, path, drop) {
  const { words } = desk;
  return el(
    "div",
    { class: "desk-rule-row" },
    choice(desk.periods, row.per, { "aria-label": words.period, "data-path": `${path}.per`, "data-key": `${path}#first`, onchange: (event) => { row.per = event.target.value; desk.changed(); } }),
    choice([...desk.points, ...desk.actions], row.m, { "aria-label": words.metric, "data-path": `${path}.m`, onchange: (event) => { row.m = event.target.value; desk.changed(); } }),
    labelled(words.atMost, field(row.max, { inputmode: "numeric", "data-path": `${path}.max`, class: "desk-rule-control desk-rule-short", oninput: (event) => { row.max = whole(event.target.value); desk.changed(); } })),
    drop,
  );
}

function multiplierView(desk, row, path, drop) {
  const { words } = desk;
  const day = (key, label) => labelled(label, el("input", { type: "date", class: "desk-rule-control", "data-path": `${path}.${key}`, value: row[key], oninput: (event) => { row[key] = event.target.value; desk.changed(); } }));
  return el(
    "div",
    { class: "desk-rule-row" },
    choice(desk.points, row.m, { "aria-label": words.metric, "data-path": `${path}.m`, "data-key": `${path}#first`, onchange: (event) => { row.m = event.target.value; desk.changed(); } }),
    el("span", { class: "desk-rule-unit" }, "×", field(row.factor, { inputmode: "decimal", "aria-label": words.factor, "data-path": `${path}.factor`, class: "desk-rule-control desk-rule-short", oninput: (event) => { row.factor = event.target.value.trim(); desk.changed(); } })),
    day("from", words.from),
    day("to", words.to),
    drop,
  );
}

function dynamicView(desk, row, path, label, drop) {
  const { words } = desk;
  return el(
    "div",
    { class: "desk-rule-row" },
    labelled(words.name, label),
    labelled(words.lowered, field(row.factor, { inputmode: "decimal", "data-path": `${path}.factor`, class: "desk-rule-control desk-rule-short", oninput: (event) => { row.factor = event.target.value.trim(); desk.changed(); } })),
    labelled(words.risingDays, field(row.rising_days === undefined ? 14 : row.rising_days, { inputmode: "numeric", "data-path": `${path}.rising_days`, class: "desk-rule-control desk-rule-short", oninput: (event) => { row.rising_days = whole(event.target.value); desk.changed(); } })),
    drop,
  );
}

function jumpView(desk, row, path, drop) {
  const { words } = desk;
  const replace = (other) => { row.when = other === undefined ? newLeaf() : other; };
  return [
    el(
      "div",
      { class: "desk-rule-row" },
      labelled(words.name, field(row.id, { "data-path": `${path}.id`, "data-key": `${path}#first`, class: "desk-rule-control desk-rule-name", oninput: (event) => { row.id = event.target.value.trim(); desk.changed(); } })),
      labelled(words.up, field(row.up, { inputmode: "numeric", "data-path": `${path}.up`, class: "desk-rule-control desk-rule-short", oninput: (event) => { row.up = whole(event.target.value); desk.changed(); } })),
      drop,
    ),
    conditionView(desk, row.when, `${path}.when`, replace),
  ];
}
