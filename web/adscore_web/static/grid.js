// The right side: what is best, the grid of all combinations, and the same as a ranking.

import { byId, codeTag, h, icon, picture, show } from "./dom.js";
import { draw, onChange } from "./drawing.js";
import { interval, leading, logit, percent, percentLike } from "./numbers.js";
import { axes, cellKey, change, codeOf, memory, ranking, spread, state } from "./state.js";
import { isWorking } from "./scoring.js";
import { known, t } from "./texts.js";

const SHOWN = 12;

let showsAll = false;
let current = ""; // the cell of the grid that the arrow keys have reached

let resultsBelow = false;

export function start() {
  onChange(drawResults);
  new IntersectionObserver(([entry]) => {
    resultsBelow = !entry.isIntersecting && entry.boundingClientRect.top > 0;
    draw();
  }).observe(byId("results"));
}

/** Ranked combinations with place, tie and the warnings of their own.
 *
 * `tied` is how many cannot be told apart from the first; `shared` are the warnings that all have.
 */
export function placed() {
  const ranked = ranking();
  const tied = leading(ranked.map((one) => one.target), spread());
  const shared = (ranked[0]?.score.warnings ?? []).filter((each) => ranked.every((one) => one.score.warnings.includes(each)));
  ranked.forEach((one, place) => {
    const warnings = one.score.warnings.filter((each) => !shared.includes(each));
    Object.assign(one, { place: place + 1, leads: place < tied, warnings });
  });
  return { ranked, tied, shared };
}

function drawResults() {
  const { ranked, tied, shared } = placed();
  const { done, total } = memory.work;
  byId("welcome").hidden = total > 0 || ranked.length > 0;
  byId("results").hidden = total === 0;
  byId("progress").hidden = !isWorking();
  byId("progress-bar").max = Math.max(total, 1);
  byId("progress-bar").value = done;
  byId("progress-text").textContent = t("progress.text", { done, total });
  drawNeeded();
  drawJump(ranked);
  if (byId("results").hidden) return;
  show(byId("answer"), answer(ranked, tied, shared));
  for (const name of ["grid", "ranking"]) byId(`view-${name}`).setAttribute("aria-pressed", String(state.view === name));
  for (const name of ["grid", "ranking"]) byId(name).classList.toggle("some-lead", tied < ranked.length);
  byId("grid").hidden = state.view !== "grid";
  byId("ranking").hidden = state.view !== "ranking";
  if (state.view === "grid") drawGrid(ranked, tied);
  else drawRanking(ranked, tied);
}

/** On a phone, where the results lie below the inputs: the first of them, and the way there. */
function drawJump([best]) {
  byId("jump").hidden = !best || !resultsBelow;
  show(byId("jump"), best && [h("span", {}, codeTag(best.code), " ", percent(best.target.mean)), h("span", {}, t("jump"))]);
}

/** Says what is still missing where one part alone was given. */
function drawNeeded() {
  const hasHeadlines = state.headlines.some((one) => one.text.trim());
  const key = hasHeadlines === state.images.length > 0 ? "" : hasHeadlines ? "needed.banners" : "needed.headlines";
  const { headlines, images } = axes();
  byId("needed").textContent = key && headlines.length * images.length === 0 ? t(key) : "";
}

// === The answer ===

function answer(ranked, tied, shared) {
  if (!ranked.length) return null;
  const [best] = ranked;
  const url = best.image && memory.pictures.get(best.image.id);
  const kind = verdictKind(ranked, tied);
  return [
    best.image && h("div", { class: "best-picture" }, picture(url)),
    h(
      "div",
      { class: "best-words" },
      h("p", { class: "eyebrow" }, leadWords(kind), " ", codeTag(best.code)),
      best.headline && h("p", { class: "best-headline" }, best.headline.text),
      h("p", { class: "best-rate" }, h("strong", {}, percent(best.target.mean)), " ", t("answer.interval", { name: targetName(state.target), interval: interval(best.target) })),
      h("p", { class: "verdict" }, t(`answer.${kind}`, { count: tied - 1, total: ranked.length })),
      bestParts(ranked),
      shared.map((one) => h("p", { class: "hint" }, tag(one), known(`warning.${one}`) && t(`warning.${one}.long`))),
    ),
  ];
}

/** How far the first is ahead, as the texts know it. */
export const verdictKind = (ranked, tied) => (ranked.length === 1 ? "only" : tied === 1 ? "clear" : tied === ranked.length ? "all" : "some");

export const leadWords = (kind) => t(kind === "clear" || kind === "only" ? "answer.best" : "answer.first");

/** The best headline over all banners, and the best banner over all headlines. */
function bestParts(ranked) {
  if (["headline", "image"].some((part) => averages(ranked, part).length < 2)) return null;
  const parts = [["headline", "text"], ["image", "name"]].map(([part, text]) => {
    const means = averages(ranked, part);
    const [{ item }] = means;
    const words = item === ranked[0][part] ? "" : item[text]; // which stand above
    return h("li", {}, h("span", {}, t(`answer.${part}`)), " ", codeTag(item.code), " ", words);
  });
  return h("ul", { class: "best-parts" }, parts);
}

/** Mean logit of each headline or banner over its row or column, the highest first. */
function averages(ranked, part) {
  const sums = new Map();
  for (const one of ranked) {
    if (!one[part]) continue;
    const sum = sums.get(one[part].id) ?? { item: one[part], total: 0, count: 0 };
    sum.total += logit(one.target.mean);
    sum.count++;
    sums.set(one[part].id, sum);
  }
  return [...sums.values()].sort((first, second) => second.total / second.count - first.total / first.count);
}

// === The grid ===

function drawGrid(ranked, tied) {
  const { headlines, images } = axes();
  const byCode = new Map(ranked.map((one) => [one.code, one]));
  const best = { headline: averages(ranked, "headline")[0]?.item, image: averages(ranked, "image")[0]?.item };
  const range = scale(ranked);
  const codes = headlines.flatMap((headline) => images.map((image) => codeOf(headline, image)));
  if (!codes.includes(current)) current = byCode.has(state.selected) ? state.selected : (ranked[0]?.code ?? codes[0]);
  const table = h(
    "table",
    { role: "grid", "aria-label": t("grid.label"), on: { keydown: (event) => walk(event, headlines.length, images.length) } },
    h("thead", {}, h("tr", {}, h("td", { class: "corner" }), images.map((image) => h("th", { scope: "col" }, columnHead(image, images.length > 1 && image === best.image))))),
    h(
      "tbody",
      {},
      headlines.map((headline) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, rowHead(headline, headlines.length > 1 && headline === best.headline)),
          images.map((image) => h("td", {}, cell(headline, image, byCode.get(codeOf(headline, image)), range, tied))),
        ),
      ),
    ),
  );
  show(byId("grid"), table);
}

function columnHead(image, isBest) {
  if (!image) return t("grid.no_banner");
  return [
    picture(memory.pictures.get(image.id)),
    h("span", { class: "head-code" }, codeTag(image.code), isBest && bestMark("image")),
    h("span", { class: "file", title: image.name }, image.name),
  ];
}

function rowHead(headline, isBest) {
  if (!headline) return t("grid.no_headline");
  return [h("span", { class: "head-code" }, codeTag(headline.code), isBest && bestMark("headline")), h("span", { class: "head-text" }, headline.text)];
}

const bestMark = (part) => h("span", { class: "mark", title: t(`answer.${part}`) }, icon("star"), h("span", { class: "unseen" }, t(`answer.${part}`)));

function cell(headline, image, one, range, tied) {
  const code = codeOf(headline, image);
  if (!one) return h("span", { class: "pending", "aria-label": t("grid.pending", { code }) });
  const name = t(one.leads && tied > 1 ? "grid.tied" : "grid.cell", {
    code, rate: percent(one.target.mean), interval: interval(one.target), place: one.place, count: tied,
  });
  return h(
    "button",
    {
      type: "button",
      class: `cell${one.leads ? " leads" : ""}`,
      "aria-label": name,
      "aria-pressed": String(code === state.selected),
      key: `cell-${code}`,
      "data-code": code,
      tabindex: code === current ? 0 : -1,
      vars: { "--heat": heat(one.target, range) },
      on: { click: () => select(code), focus: () => (current = code) },
    },
    h("span", { class: "place" }, one.place === 1 && tied === 1 && icon("star"), String(one.place)),
    h("strong", {}, range.write(one.target.mean)),
    bar(one.target, range),
    h("span", { class: "ends" }, interval(one.target)),
    one.warnings.length > 0 && h("span", { class: "flag" }, icon("warning")),
  );
}

/** The ends of all intervals, and of all means. */
export function scale(ranked) {
  const targets = ranked.map((one) => one.target);
  return {
    low: Math.min(...targets.map((target) => target.lower)),
    high: Math.max(...targets.map((target) => target.upper)),
    write: percentLike(Math.max(...targets.map((target) => target.mean))),
    worst: Math.min(...targets.map((target) => target.mean)),
    best: Math.max(...targets.map((target) => target.mean)),
  };
}

const heat = (target, range) => (range.best > range.worst ? (target.mean - range.worst) / (range.best - range.worst) : 0.5).toFixed(3);

/** An interval with its mean, on the scale of the whole grid. */
export function bar(target, range) {
  const at = (rate) => `${((100 * (rate - range.low)) / Math.max(range.high - range.low, 1e-12)).toFixed(2)}%`;
  return h("span", { class: "interval", "aria-hidden": "true", vars: { "--from": at(target.lower), "--to": at(target.upper), "--mean": at(target.mean) } });
}

function walk(event, rows, columns) {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  const cells = [...byId("grid").querySelectorAll("tbody td")];
  const at = cells.findIndex((one) => one.contains(document.activeElement));
  if (at < 0) return;
  const row = Math.floor(at / columns);
  let to = step === undefined ? at : at + step;
  if (Math.abs(step) === 1 && columns > 1 && Math.floor(to / columns) !== row) return;
  if (event.key === "Home") to = event.ctrlKey ? 0 : row * columns;
  else if (event.key === "End") to = event.ctrlKey ? rows * columns - 1 : (row + 1) * columns - 1;
  else if (step === undefined) return;
  const next = cells[to]?.querySelector("button");
  if (!next) return;
  event.preventDefault();
  document.activeElement.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

/** Looks into a combination. */
export function select(code) {
  change(() => (state.selected = state.selected === code ? "" : code));
}

// === The ranking ===

function drawRanking(ranked, tied) {
  const range = scale(ranked);
  const shown = showsAll ? ranked : ranked.slice(0, SHOWN);
  const more = () => {
    showsAll = true;
    change();
  };
  show(
    byId("ranking"),
    h("ol", {}, shown.map((one) => rankRow(one, range, tied))),
    shown.length < ranked.length && h("button", { class: "quiet wide", on: { click: more } }, t("ranking.all", { count: ranked.length })),
  );
}

function rankRow(one, range, tied) {
  const ends = one.leads && one.place === tied && tied > 1 && h("li", { class: "tie-line" }, t("ranking.tie", { count: tied }));
  const row = h(
    "li",
    { class: one.leads ? "rank leads" : "rank" },
    h("span", { class: "place" }, String(one.place)),
    one.image && picture(memory.pictures.get(one.image.id)),
    h(
      "div",
      { class: "rank-words" },
      h("p", {}, codeTag(one.code), " ", one.headline?.text ?? one.image?.name),
      one.warnings.length > 0 && h("p", { class: "tags" }, one.warnings.map(tag)),
    ),
    h("div", { class: "rank-rate" }, h("strong", {}, range.write(one.target.mean)), h("span", { class: "ends" }, interval(one.target)), bar(one.target, range)),
    h("button", { class: "quiet", key: `why-${one.code}`, "aria-pressed": String(one.code === state.selected), "aria-label": t("ranking.why_of", { code: one.code }), on: { click: () => select(one.code) } }, t("ranking.why")),
  );
  return [row, ends];
}

/** A target as people write it: short names are abbreviations. */
export const targetName = (name) => (/^[a-z]{2,4}$/.test(name) ? name.toUpperCase() : name);

/** A warning of a score, in the page's words. */
export function tag(warning) {
  const has = known(`warning.${warning}`);
  return h("span", { class: "tag", title: has ? t(`warning.${warning}.long`) : "" }, has ? t(`warning.${warning}.short`) : warning);
}
