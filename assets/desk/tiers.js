// One card a tier: its name, what leads into it, what keeps it, and how a member leaves it.

import { conditionView, newLeaf, say } from "./conditions.js";
import { button, choice, el, field, remover, whole } from "./dom.js";

export function tierCards(desk) {
  const { words, doc } = desk;
  const lowest = doc.tiers.reduce((low, tier) => (Number(tier.rank) < Number(low.rank) ? tier : low), doc.tiers[0]);
  const ranks = doc.tiers.map((tier) => Number(tier.rank)).filter(Number.isFinite);
  const add = () => desk.act(() => {
    const rank = ranks.length ? Math.max(...ranks) + 1 : 0;
    doc.tiers.push(rank === 0 ? { rank, name: words.newTier } : { rank, name: `${words.newTier} ${rank}`, enter: newLeaf(), keep: { scale: "0.9" }, min_stay_days: 14, grace_days: 14 });
  }, `tiers[${doc.tiers.length}]#name`);
  return [
    ...doc.tiers.map((tier, index) => card(desk, tier, `tiers[${index}]`, tier === lowest, () => doc.tiers.splice(index, 1))),
    button(words.addTier, add, { class: "desk-rule-button desk-rule-wide", "data-key": "tiers#add", disabled: doc.tiers.length >= desk.limits.tiers }),
  ];
}

function card(desk, tier, path, isLowest, drop) {
  const { words } = desk;
  const set = (key, value) => { tier[key] = value; desk.changed(); };
  const called = () => String((desk.english && tier.name_en) || tier.name || "–");
  const title = el("span", { class: "desk-chip desk-chip-vip" }, called());
  const retitle = () => { title.textContent = called(); };
  const names = el(
    "div",
    { class: "desk-rule-row" },
    labelled(words.rank, field(tier.rank, { inputmode: "numeric", "data-path": `${path}.rank`, class: "desk-rule-control desk-rule-short", oninput: (event) => set("rank", whole(event.target.value)) })),
    labelled(words.tierName, field(tier.name, { "data-path": `${path}.name`, "data-key": `${path}#name`, oninput: (event) => { set("name", event.target.value); retitle(); } })),
    labelled(words.tierNameEn, field(tier.name_en, { "data-path": `${path}.name_en`, lang: "en", oninput: (event) => { if (event.target.value) tier.name_en = event.target.value; else delete tier.name_en; desk.changed(); retitle(); } })),
  );
  const bare = isLowest && !("enter" in tier) && !("keep" in tier) && !(tier.gates || []).length;
  return el(
    "article",
    { class: "desk-rule-card", "data-slot": path, "aria-label": `${words.tier} ${called()}` },
    el("header", { class: "desk-rule-head" }, title, isLowest ? el("span", { class: "desk-rule-hint" }, words.lowest) : null, remover(words.removeTier, () => desk.act(drop, "tiers#add"))),
    names,
    say(path),
    bare ? null : [enterView(desk, tier, path), gatesView(desk, tier, path), keepView(desk, tier, path), leavingView(desk, tier, path, set)],
  );
}

const labelled = (label, control) => el("label", { class: "desk-rule-label" }, el("span", {}, label), control);

const part = (title, ...body) => el("section", { class: "desk-rule-part" }, el("h5", {}, title), ...body);

function enterView(desk, tier, path) {
  const { words } = desk;
  if (!("enter" in tier)) {
    return part(words.enter, el("p", { class: "desk-rule-hint" }, words.granted), button(words.addCondition, () => desk.act(() => { tier.enter = newLeaf(); }, `${path}.enter#first`), { "data-key": `${path}.enter#add` }));
  }
  const replace = (other) => { if (other === undefined) delete tier.enter; else tier.enter = other; };
  return part(words.enter, conditionView(desk, tier.enter, `${path}.enter`, replace));
}

function gatesView(desk, tier, path) {
  const { words } = desk;
  const gates = tier.gates || [];
  const add = () => desk.act(() => {
    tier.gates = [...gates, { m: "disputes_upheld", win: "90d", op: "==", v: 0 }];
  }, `${path}.gates[${gates.length}]#first`);
  return part(
    words.gates,
    gates.map((gate, index) => conditionView(desk, gate, `${path}.gates[${index}]`, (other) => {
      if (other === undefined) gates.splice(index, 1);
      else gates.splice(index, 1, other);
      if (!gates.length) delete tier.gates;
    })),
    gates.length ? null : el("p", { class: "desk-rule-hint" }, words.gatesHint),
    button(words.addGate, add, { "data-key": `${path}.gates#add` }),
  );
}

function keepView(desk, tier, path) {
  const { words } = desk;
  const keep = tier.keep;
  const way = keep === undefined ? "default" : keep && typeof keep === "object" && "scale" in keep ? "scale" : "own";
  const turn = (to) => desk.act(() => {
    if (to === "default") delete tier.keep;
    else tier.keep = to === "scale" ? { scale: "0.9" } : newLeaf();
  }, `${path}.keep#way`);
  const select = choice([["default", words.keepDefault], ["scale", words.keepScale], ["own", words.keepOwn]], way, {
    "aria-label": words.keep, "data-key": `${path}.keep#way`, onchange: (event) => turn(event.target.value),
  });
  const scale = way === "scale"
    ? el("span", { class: "desk-rule-unit" }, "×", field(keep.scale, { inputmode: "decimal", "aria-label": words.scale, "data-path": `${path}.keep.scale`, class: "desk-rule-control desk-rule-short", oninput: (event) => { keep.scale = event.target.value.trim(); desk.changed(); } }))
    : null;
  return part(
    words.keep,
    el("div", { class: "desk-rule-row", "data-slot": `${path}.keep` }, select, scale),
    way === "own"
      ? conditionView(desk, keep, `${path}.keep`, (other) => { if (other === undefined) delete tier.keep; else tier.keep = other; })
      : [say(`${path}.keep`), el("p", { class: "desk-rule-text", "data-text": `${path}.keep`, "aria-live": "polite" })],
  );
}

function leavingView(desk, tier, path, set) {
  const { words } = desk;
  const days = (key, label, value) => labelled(label, el("span", { class: "desk-rule-unit" }, field(value, {
    inputmode: "numeric", "data-path": `${path}.${key}`, class: "desk-rule-control desk-rule-short", oninput: (event) => set(key, whole(event.target.value)),
  }), words.dayUnit));
  return part(
    words.leaving,
    el(
      "div",
      { class: "desk-rule-row" },
      days("min_stay_days", words.minStay, tier.min_stay_days === undefined ? 14 : tier.min_stay_days),
      days("grace_days", words.grace, tier.grace_days === undefined ? 14 : tier.grace_days),
      labelled(words.down, choice([["one", words.downOne]], tier.down === undefined ? "one" : tier.down, { "data-path": `${path}.down`, onchange: (event) => set("down", event.target.value) })),
    ),
  );
}
