// Live numbers: impressions and clicks so far -> how sure each is the best, and how to split the rest.

import { post } from "./api.js";
import { announce, byId, codeTag, h, icon, iconButton, picture, show } from "./dom.js";
import { draw, onChange } from "./drawing.js";
import { bar, targetName } from "./grid.js";
import { percent, share } from "./numbers.js";
import { cellKey, change, memory, ranking, state } from "./state.js";
import { notice } from "./notice.js";
import { predict } from "./scoring.js";
import { known, t } from "./texts.js";

const SUGGESTED = 3;
const MAX_ARMS = 50;
const TYPING_MILLISECONDS = 400;
const OFF = { share: 0.02, chance: 0.02 }; // below both, more traffic is wasted

let decision = null; // {key, value, error}
let asking = "";
let typing = 0;
let shown = []; // codes of the rows on the page; the ranking may be newer

export function start() {
  onChange(drawLive);
}

/** The combinations that run; until somebody says, the best few of the ranking. */
function arms() {
  const ranked = ranking();
  const byCode = new Map(ranked.map((one) => [one.code, one]));
  const codes = state.live.length ? state.live : ranked.slice(0, SUGGESTED).map((one) => one.code);
  return codes.map((code) => byCode.get(code)).filter(Boolean);
}

const number = (text) => Number(String(text).replace(/[\s,’'](?=\d{3}\b)/g, "") || 0);

/** Counts of a combination as numbers, or why they are none. */
function counted(code) {
  const typed = state.counts[code] ?? {};
  const [trials, successes] = [number(typed.trials ?? ""), number(typed.successes ?? "")];
  if (![trials, successes].every((one) => Number.isFinite(one) && one >= 0)) return { fault: t("live.not_number") };
  if (trials > 0 && String(typed.successes ?? "").trim() === "") return { trials, waits: true }; // it is being typed
  if (successes > trials) return { fault: t("live.too_many") };
  return { trials, successes };
}

function drawLive() {
  const running = arms();
  shown = running.map((one) => one.code);
  byId("live-numbers").hidden = running.length === 0;
  if (!running.length) return;
  ask(running);
  const current = decision?.value;
  const byId_ = new Map((current?.arms ?? []).map((arm) => [arm.id, arm]));
  show(byId("live-status"), status(running));
  show(byId("live-rows"), h("ul", { class: "live-list" }, running.map((one) => liveRow(one, byId_.get(one.code), range(current)))), addRow(running), pasteArea());
  show(byId("live-options"), options());
}

function range(current) {
  const all = current?.arms ?? [];
  return { low: Math.min(...all.map((arm) => arm.lower)), high: Math.max(...all.map((arm) => arm.upper)) };
}

// === Asking ===

async function ask(running) {
  const counts = running.map((one) => counted(one.code));
  const isReady = running.length > 1 && counts.some((one) => one.trials > 0) && counts.every((one) => !one.fault && !one.waits);
  if (!isReady) {
    decision = null;
    return;
  }
  const horizon = number(state.horizon);
  const wanted = running.map((one, place) => [one.code, cellKey(one.headline, one.image), counts[place]]);
  const key = JSON.stringify([wanted, state.target, horizon, state.aim]);
  if (key === asking || decision?.key === key) return;
  asking = key;
  try {
    for (const one of running) await predict(one);
    const value = await post("decide", {
      model: state.model,
      model_version: state.version,
      aim: state.aim,
      horizon: horizon > 0 ? horizon : null,
      arms: running.map((one, place) => ({ id: one.code, prediction: onlyTarget(state.predictions[cellKey(one.headline, one.image)]), counts: { [state.target]: [counts[place].trials, counts[place].successes] } })),
    });
    if (asking !== key) return;
    decision = { key, value };
    announce(statusText(value));
  } catch (error) {
    if (asking === key) decision = { key, error };
  }
  draw();
}

/** A decision about one target needs the prediction of that target. */
const onlyTarget = (prediction) => ({ ...prediction, targets: { [state.target]: prediction.targets[state.target] } });

// === Drawing ===

function statusText({ status, leader, relative_loss, arms: decided }) {
  const best = decided.find((arm) => arm.id === leader);
  return t(`live.status.${known(`live.status.${status}`) ? status : "OPEN"}`, { code: leader, chance: share(best.chance_best), loss: percent(relative_loss, 2) });
}

function status(running) {
  if (decision?.error) {
    const { kind, message } = decision.error;
    return h("p", { class: "why" }, kind === "unsupported" ? t("live.unsupported") : message);
  }
  const value = decision?.value;
  if (!value) return h("p", { class: "hint" }, t(`live.${running.length < 2 ? "one" : running.some((one) => counted(one.code).waits) ? "half" : "none"}`));
  const off = value.arms.filter(isOff).map((arm) => arm.id);
  const remarks = value.warnings.filter((one) => known(`live.warning.${one}`));
  return [
    h("p", { class: `live-verdict ${value.status.toLowerCase()}` }, statusText(value)),
    off.length > 0 && h("p", {}, t("live.off", { codes: off.join(", ") })),
    remarks.length > 0 && h("ul", { class: "hint remarks" }, remarks.map((one) => h("li", {}, t(`live.warning.${one}`, { horizon: Math.round(value.horizon).toLocaleString("en-US") })))),
  ];
}

const isOff = (arm) => arm.share < OFF.share && arm.chance_best < OFF.chance && decision.value.status !== "TIE";

function liveRow(one, arm, ends) {
  const { code } = one;
  const { fault } = counted(code);
  const name = [one.headline?.text, one.image?.name].filter(Boolean).join(" + ");
  return h(
    "li",
    { class: "live-row" },
    one.image && picture(memory.pictures.get(one.image.id)),
    h("p", { class: "live-name" }, codeTag(code), " ", name),
    countField(code, "trials", t("live.trials")),
    countField(code, "successes", t(state.target === "ctr" ? "live.clicks" : "live.successes", { target: targetName(state.target) })),
    iconButton("close", t("live.remove", { code }), () => setLive((codes) => codes.filter((other) => other !== code)), { key: `live-remove-${code}` }),
    fault && h("p", { class: "why", id: `fault-${code}` }, fault),
    !fault && arm && outcome(arm, ends),
  );
}

function outcome(arm, ends) {
  const observed = arm.targets[state.target];
  const seen = observed?.trials ? percent(observed.successes / observed.trials) : t("live.unseen");
  const words = isOff(arm) ? "off" : arm.id === decision.value.leader ? "lead" : "";
  return h(
    "div",
    { class: "outcome" },
    h("div", {}, h("span", { class: "hint" }, t("live.best")), h("strong", {}, share(arm.chance_best)), h("span", { class: "share", "aria-hidden": "true", vars: { "--share": `${100 * arm.chance_best}%` } })),
    h("div", {}, h("span", { class: "hint" }, t("live.share")), h("strong", {}, share(arm.share)), h("span", { class: "share split", "aria-hidden": "true", vars: { "--share": `${100 * arm.share}%` } })),
    h("div", {}, h("span", { class: "hint" }, t("live.rate", { predicted: percent(arm.predicted), observed: seen })), h("strong", {}, percent(arm.mean)), bar(arm, ends)),
    words && h("span", { class: `tag ${words}` }, words === "lead" && icon("star"), t(`live.tag.${words}`)),
  );
}

function countField(code, part, label) {
  const id = `${part}-${code}`;
  const { fault } = counted(code);
  const typed = ({ target }) => {
    state.live = live(); // what has counts stays, wherever it ranks
    (state.counts[code] ??= {})[part] = target.value;
    changeSoon();
  };
  return h(
    "label",
    { class: "count-field" },
    h("span", {}, label, h("span", { class: "unseen" }, ` ${code}`)),
    h("input", { id, inputmode: "numeric", autocomplete: "off", value: state.counts[code]?.[part] ?? "", key: id, "aria-invalid": fault ? "true" : null, "aria-describedby": fault ? `fault-${code}` : null, on: { input: typed, change: () => change(), paste: (event) => pastedInto(event, code) } }),
  );
}

function changeSoon() {
  clearTimeout(typing);
  typing = setTimeout(change, TYPING_MILLISECONDS);
}

function addRow(running) {
  const here = new Set(running.map((one) => one.code));
  const others = ranking().filter((one) => !here.has(one.code));
  if (!others.length || running.length >= MAX_ARMS) return null;
  const add = ({ target }) => target.value && setLive((codes) => [...codes, target.value]);
  return h(
    "div",
    { class: "field" },
    h("label", { for: "live-add" }, t("live.add")),
    h("select", { id: "live-add", key: "live-add", on: { change: add } }, h("option", { value: "" }, t("live.choose")), others.slice(0, 200).map((one) => h("option", { value: one.code }, `${one.code}  ${percent(one.target.mean)}`))),
  );
}

/** Codes of what runs, once somebody says so. */
const live = () => (state.live.length ? state.live : shown);

function setLive(edit) {
  change(() => (state.live = edit(live())));
}

function options() {
  const typed = ({ target }) => {
    state.horizon = target.value;
    changeSoon();
  };
  const pick = ({ target }) => change(() => (state.aim = target.value));
  return [
    h("label", { class: "count-field" }, h("span", {}, t("live.horizon")), h("input", { id: "horizon", inputmode: "numeric", value: state.horizon, placeholder: t("live.horizon_usual"), key: "horizon", on: { input: typed, change: () => change() } })),
    h("label", { class: "count-field" }, h("span", {}, t("live.aim")), h("select", { id: "aim", key: "aim", on: { change: pick } }, ["earn", "learn"].map((aim) => h("option", { value: aim, selected: aim === state.aim }, t(`live.aims.${aim}`))))),
  ];
}

// === Pasting ===

let pasted = ""; // what stands in the area, and whether it is open
let isOpen = false;

function pasteArea() {
  const field = h("textarea", { id: "live-paste", rows: 3, value: pasted, on: { input: () => (pasted = field.value) }, placeholder: t("live.paste_example"), key: "live-paste" });
  const take = () => takeTable(field.value) && (field.value = pasted = "");
  return h(
    "details",
    { class: "paste", open: isOpen, on: { toggle: ({ target }) => (isOpen = target.open) } },
    h("summary", { key: "live-paste-open" }, t("live.paste")),
    h("label", { for: "live-paste", class: "hint" }, t("live.paste_hint")),
    field,
    h("button", { class: "quiet", key: "live-paste-take", on: { click: take } }, t("live.paste_take")),
  );
}

function pastedInto(event, code) {
  const text = event.clipboardData.getData("text/plain");
  if (!/[\t\n]/.test(text.trim())) return;
  event.preventDefault();
  takeTable(text, code);
}

/** Takes lines "code impressions clicks", or two numbers a line for the rows from one on. */
function takeTable(text, from = shown[0]) {
  const between = /\t|;|\s{2,}|,(?!\d{3}\b)|\s+(?=[\d.,’']+(?:\s|$))/; // a comma inside a number parts nothing
  const lines = text.split(/\r?\n/).map((line) => line.trim().split(between).map((cell) => cell.trim()).filter(Boolean)).filter((cells) => cells.length);
  const byCode = new Map(ranking().map((one) => [one.code.toUpperCase(), one.code]));
  let place = Math.max(shown.indexOf(from), 0);
  const taken = new Map();
  let left = 0;
  for (const cells of lines) {
    const code = byCode.get(cells[0].toUpperCase());
    const numbers = cells.slice(-2);
    if (numbers.length < 2 || !numbers.every((cell) => /^[\d\s.,’']+$/.test(cell))) left++;
    else if (code) taken.set(code, numbers);
    else if (cells.length === 2 && place < shown.length) taken.set(shown[place++], numbers);
    else left++;
  }
  change(() => {
    if (taken.size) state.live = [...new Set([...live(), ...taken.keys()])].slice(0, MAX_ARMS);
    for (const [code, [trials, successes]] of taken) state.counts[code] = { trials, successes };
  });
  notice([taken.size && t("live.taken", { count: taken.size }), left && t("live.left", { count: left })].filter(Boolean).join(" "));
  return taken.size > 0;
}
