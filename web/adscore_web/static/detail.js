// One combination looked into: what the model reacts to, and whether it may run.

import { isPassing, placements, post } from "./api.js";
import { picker, shown } from "./boxes.js";
import { announce, byId, h, icon, iconButton, show } from "./dom.js";
import { draw, onChange } from "./drawing.js";
import { tag, targetName } from "./grid.js";
import { effect, interval, percent } from "./numbers.js";
import { cellKey, change, memory, ranking, state, usableHeadlines } from "./state.js";
import { known, t } from "./texts.js";

const MAX_KEPT = 100;
const OTHER_HEADLINES = 20; // that an explanation compares with

const kept = new Map(); // answers and errors, by what was asked
let opened = "";

export function start() {
  onChange(drawDetail);
}

/** The answer to a question; undefined while it is asked. It is asked once. */
function answer(key, ask) {
  if (!kept.has(key)) {
    kept.set(key, undefined);
    if (kept.size > MAX_KEPT) kept.delete(kept.keys().next().value);
    ask()
      .then((value) => kept.set(key, { value }))
      .catch((error) => (isPassing(error) ? kept.delete(key) : kept.set(key, { error })))
      .finally(draw);
  }
  return kept.get(key);
}

function drawDetail() {
  const one = ranking().find((each) => each.code === state.selected);
  const area = byId("detail");
  area.hidden = !one;
  if (!one) {
    opened = "";
    return;
  }
  const explained = explanation(one);
  show(
    area,
    h(
      "div",
      { class: "detail-head" },
      h("h2", { id: "detail-title", tabindex: -1, key: "detail-title" }, t("detail.title", { code: one.code })),
      iconButton("close", t("detail.close"), close, { key: "detail-close" }),
    ),
    h("p", { class: "detail-rate" }, h("strong", {}, percent(one.target.mean)), " ", t("answer.interval", { name: targetName(state.target), interval: interval(one.target) }), " ", t("detail.percentile", { value: one.target.percentile.toFixed(0) })),
    one.score.warnings.length > 0 && h("ul", { class: "warnings" }, one.score.warnings.map((warning) => h("li", {}, tag(warning), known(`warning.${warning}`) && t(`warning.${warning}.long`)))),
    h("div", { class: "detail-columns" }, one.image && h("div", {}, picker(one.image, explained?.value)), h("div", { class: "reasons" }, reasons(one, explained))),
    checks(one),
  );
  if (opened !== one.code) {
    opened = one.code;
    if (document.activeElement?.matches("input, textarea")) return; // somebody types
    byId("detail-title").focus({ preventScroll: true });
    area.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }
}

function close() {
  const code = state.selected;
  change(() => (state.selected = ""));
  requestAnimationFrame(() => document.querySelector(`[data-key="cell-${CSS.escape(code)}"], [data-key="why-${CSS.escape(code)}"]`)?.focus());
}

// === Reasons ===

function explanation(one) {
  const boxes = (one.image && state.boxes[one.image.id]) ?? [];
  const others = usableHeadlines().filter((each) => each !== one.headline).slice(0, OTHER_HEADLINES);
  const values = {
    model: state.model,
    model_version: state.version,
    target: state.target,
    context: state.context,
    headline: one.headline?.text.trim() ?? "",
    headlines: one.headline ? others.map((each) => each.text.trim()) : [],
    boxes,
    find_text: true,
  };
  const key = JSON.stringify(["explain", cellKey(one.headline, one.image), values]);
  return answer(key, async () => {
    const value = await post("explain", values, one.image && memory.blobs.get(one.image.id));
    announce(t("detail.ready", { code: one.code }));
    return value;
  });
}

function reasons(one, explained) {
  if (!explained) return h("p", { class: "waiting", role: "status" }, t("detail.waiting"));
  if (explained.error) return h("p", { class: "why" }, failure(explained.error));
  const { words, parts, remainder, ideas, elements } = explained.value;
  return [
    words.length > 0 && [h("h3", {}, t("detail.words")), wordLine(one.headline.text.trim(), words)],
    h("h3", {}, t("detail.parts")),
    partBars(parts, remainder),
    h("h3", {}, t("detail.ideas")),
    ideas.length ? h("ol", { class: "ideas" }, ideas.slice(0, 6).map((idea) => ideaLine(idea, elements))) : h("p", { class: "hint" }, t("detail.no_ideas")),
    h("p", { class: "hint" }, t("detail.caution")),
  ];
}

const failure = (error) => (known(`problem.${error.kind}`) ? `${t(`problem.${error.kind}.title`)}. ${t(`problem.${error.kind}.text`, error)}` : error.message);

/** The headline as it is, with what each word does below it. */
function wordLine(text, words) {
  const letters = [...text]; // positions count characters, not units of UTF-16
  const most = Math.max(...words.map((word) => Math.abs(word.effect)), 0.05);
  const parts = [];
  let at = 0;
  for (const word of words) {
    if (word.start > at) parts.push(letters.slice(at, word.start).join(""));
    parts.push(
      h(
        "span",
        { class: `word ${word.effect < 0 ? "down" : "up"}`, vars: { "--strength": (Math.abs(word.effect) / most).toFixed(2) } },
        letters.slice(word.start, word.end).join(""),
        h("small", {}, effect(word.effect)),
      ),
    );
    at = word.end;
  }
  parts.push(letters.slice(at).join(""));
  return h("p", { class: "words" }, parts);
}

function partBars(parts, remainder) {
  const rows = [
    ["headline", t("detail.headline"), parts.headline],
    ["image", t("detail.banner"), parts.image],
    ...Object.entries(parts.context).map(([name, value]) => [name, name, value]),
  ].filter(([, , value]) => value !== null);
  if (Math.abs(remainder) >= 0.02) rows.push(["rest", t("detail.rest"), remainder]);
  const most = Math.max(...rows.map(([, , value]) => Math.abs(value)), 0.1);
  return h(
    "ul",
    { class: "parts" },
    rows.map(([, name, value]) =>
      h("li", {}, h("span", { class: "part-name" }, name), h("span", { class: `part ${value < 0 ? "down" : "up"}`, "aria-hidden": "true", vars: { "--size": `${((50 * Math.abs(value)) / most).toFixed(1)}%` } }), h("strong", {}, effect(value))),
    ),
  );
}

function ideaLine(idea, elements) {
  const number = idea.kind === "DROP_ELEMENT" && shown(elements).indexOf(elements[idea.position]) + 1;
  const what = number ? t("detail.without", { number }) : idea.what;
  return h("li", {}, h("strong", { class: "up-text" }, effect(idea.effect)), " ", what, " ", h("span", { class: "hint" }, t("detail.within", { lower: effect(idea.lower), upper: effect(idea.upper) })));
}

// === Checks ===

function checks(one) {
  const listed = answer("placements", () => placements());
  if (listed?.error) return listed.error.kind === "unsupported" ? null : h("p", { class: "why" }, failure(listed.error));
  const all = listed?.value.placements ?? [];
  const pick = ({ target }) => change(() => (state.placement = target.value));
  const chosen = all.some((each) => each.name === state.placement);
  return h(
    "div",
    { class: "checks" },
    h("h3", { id: "checks-title" }, t("checks.title")),
    h("label", { for: "placement", class: "unseen" }, t("checks.placement")),
    h(
      "select",
      { id: "placement", key: "placement", on: { change: pick } },
      h("option", { value: "" }, t("checks.choose")),
      [...new Set(all.map((each) => each.platform))].map((platform) => h("optgroup", { label: platform }, all.filter((each) => each.platform === platform).map((each) => h("option", { value: each.name, selected: each.name === state.placement }, each.title)))),
    ),
    chosen && findings(one),
  );
}

function findings(one) {
  const values = { placement: state.placement, headline: one.headline?.text.trim() ?? "" };
  const key = JSON.stringify(["check", values, one.image?.digest]);
  const checked = answer(key, async () => {
    const value = await post("check", values, one.image && memory.blobs.get(one.image.id));
    announce(t("checks.found", { count: value.findings.length }));
    return value;
  });
  if (!checked) return h("p", { class: "waiting", role: "status" }, t("checks.waiting"));
  if (checked.error) return h("p", { class: "why" }, failure(checked.error));
  const { findings: found, not_checked: left } = checked.value;
  return [
    found.length ? h("ul", { class: "findings" }, found.map(finding)) : h("p", { class: "good" }, icon("check"), " ", t("checks.none")),
    left.map((text) => h("p", { class: "hint" }, text)),
  ];
}

function finding(one) {
  const isError = one.severity === "ERROR";
  return h(
    "li",
    { class: isError ? "finding error" : "finding" },
    h("span", { class: "tag" }, t(isError ? "checks.error" : "checks.warning")),
    h("div", {}, h("p", {}, one.message), h("p", {}, t("checks.numbers", one)), h("p", { class: "hint" }, one.source)),
  );
}
