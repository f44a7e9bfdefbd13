// The top: which model, how good it was on groups that it had not seen, and what it learned from.

import { byId, h, show } from "./dom.js";
import { onChange } from "./drawing.js";
import { targetName } from "./grid.js";
import { count, percent } from "./numbers.js";
import { forget, useModel } from "./scoring.js";
import { change, memory, model, state } from "./state.js";
import { t } from "./texts.js";

// As they are listed; the order says what counts.
const METRICS = ["pairwise_accuracy_significant", "pairwise_accuracy", "pairwise_noise_ceiling", "pairs", "auc", "calibration_error", "interval_coverage", "deviance_explained"];
// The first that a model has is its quality in one number.
const QUALITIES = ["pairwise_accuracy_significant", "pairwise_accuracy", "auc"];

export function start() {
  onChange(drawHeader);
  const sheet = byId("model"); // covers what lies below, so that it goes by itself
  addEventListener("pointerdown", ({ target }) => sheet.contains(target) || (sheet.open = false));
  addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !sheet.open) return;
    sheet.open = false;
    sheet.querySelector("summary").focus();
  });
}

function drawHeader() {
  const chosen = model();
  const models = memory.models;
  byId("model").hidden = !chosen;
  if (!chosen) return;
  const several = models.length > 1;
  const key = (one) => JSON.stringify([one.name, one.version]);
  const pick = ({ target }) => {
    forget();
    change(() => useModel(...JSON.parse(target.value)));
  };
  show(
    byId("model-name"),
    several
      ? h("select", { "aria-label": t("model.choose"), key: "model", on: { change: pick } }, models.map((one) => h("option", { value: key(one), selected: one === chosen }, t("model.name", one))))
      : h("span", {}, t("model.name", chosen)),
  );
  show(byId("target"), chosen.targets.length > 1 && targetMenu(chosen));
  byId("quality").textContent = quality(chosen);
  show(byId("model-facts"), facts(chosen));
}

function targetMenu(chosen) {
  const pick = ({ target }) => change(() => (state.target = target.value));
  return [
    h("label", { for: "target-menu", class: "unseen" }, t("model.target")),
    h("select", { id: "target-menu", key: "target", on: { change: pick } }, chosen.targets.map((name) => h("option", { value: name, selected: name === state.target }, name))),
  ];
}

/** The quality of a model in one sentence. */
export function quality(chosen) {
  const metrics = chosen.metrics[state.target] ?? {};
  const name = QUALITIES.find((one) => one in metrics);
  return name ? t(`quality.${name}`, { value: percent(metrics[name], 2) }) : t("quality.none");
}

function facts(chosen) {
  const { training, metrics } = chosen;
  const date = training.create_time.slice(0, 10);
  const own = metrics[state.target] ?? {};
  const rows = METRICS.filter((name) => name in own).map((name) => [t(`metric.${name}`), metricText(name, own)]);
  return [
    h("p", {}, t(training.groups ? "model.trained" : "model.trained_without", { date, creatives: count(training.creatives), groups: count(training.groups), preset: training.preset, version: training.adscore_version })),
    rows.length > 0 && h("h3", {}, t("model.held_out", { target: targetName(state.target) })),
    rows.length > 0 && h("dl", {}, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    h("p", { class: "hint" }, t("model.meaning")),
  ];
}

function metricText(name, metrics) {
  if (name === "pairs") return count(metrics[name]);
  const write = (value) => (name === "deviance_explained" ? value.toFixed(3) : percent(value, 3));
  const [lower, upper] = [metrics[`${name}_lower`], metrics[`${name}_upper`]];
  const isKnown = Number.isFinite(lower) && Number.isFinite(upper);
  return isKnown ? t("model.within", { value: write(metrics[name]), lower: write(lower), upper: write(upper) }) : write(metrics[name]);
}
