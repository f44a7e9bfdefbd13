// Keeps the grid complete: asks for the scores that are missing, one banner at a time, and goes on
// by itself after whatever passes.

import { CallError, isPassing, models, post } from "./api.js";
import { announce } from "./dom.js";
import { draw } from "./drawing.js";
import { axes, cellKey, change, hasSpread, keepSpread, memory, model, partKey, ranking, state } from "./state.js";
import { t } from "./texts.js";

const AT_ONCE = 4; // browsers open six connections; the page's other calls need some
const FIRST_WAIT_SECONDS = 1;
const MAX_WAIT_SECONDS = 15;

let running = 0;
let asked = new Set(); // keys of the cells that are on their way
let controller = new AbortController();
let waits = 0;
let timer = 0;
let learning = false;

/** Learns what models the server has, and goes on with the one that was used. */
export async function loadModels(asked = models()) {
  try {
    const { models: found, default: usual } = await asked;
    if (!found.length) throw new CallError({ kind: "not_ready" });
    memory.models = found;
    memory.problem = null;
    change(() => chooseKnown(found, usual));
  } catch (error) {
    fail(error);
  }
}

function chooseKnown(found, usual) {
  const isThere = (name, version) => found.some((one) => one.name === name && one.version === version);
  if (isThere(state.model, state.version)) return chooseTarget();
  const newest = found.find((one) => one.name === state.model);
  const next = newest ?? found.find((one) => one.name === usual.name) ?? found[0];
  if (state.model) announce(t("model.changed", { name: next.name, version: next.version }));
  useModel(next.name, next.version);
}

/** Scores with another model from now on. */
export function useModel(name, version) {
  [state.model, state.version] = [name, version];
  chooseTarget();
  const names = new Set(model().limits.context_names);
  state.context = Object.fromEntries(Object.entries(state.context).filter(([one]) => names.has(one)));
}

function chooseTarget() {
  const targets = model()?.targets ?? [];
  if (!targets.includes(state.target)) state.target = targets[0] ?? "";
}

/** Asks for what is missing, after each change. */
export function pump() {
  count();
  if (memory.problem || !model()) return;
  for (const job of jobs()) {
    if (running >= AT_ONCE) break;
    ask(job);
  }
  if (!isWorking()) learnSpread();
}

/** Stops what is on its way, as after a change of context. */
export function forget() {
  controller.abort();
  controller = new AbortController();
  asked = new Set();
}

function jobs() {
  const { headlines, images } = axes();
  return images.flatMap((image) => {
    const missing = headlines.filter((headline) => {
      const key = cellKey(headline, image);
      return !(key in state.cells) && !asked.has(key);
    });
    return missing.length ? [{ image, headlines: missing }] : [];
  });
}

async function ask({ image, headlines }) {
  const keys = headlines.map((headline) => cellKey(headline, image));
  const parts = image ? partKey(image) : "";
  const mine = asked;
  keys.forEach((key) => mine.add(key));
  running++;
  try {
    const values = {
      model: state.model,
      model_version: state.version,
      context: state.context,
      headlines: headlines.filter(Boolean).map((headline) => headline.text.trim()),
    };
    const { scores } = await post("scores", values, image && memory.blobs.get(image.id), controller.signal);
    waits = 0;
    change(() => scores.forEach((score, place) => take(score, keys[place], headlines[place], image)));
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.kind === "invalid" && image) change(() => (state.refusals[parts] = plain(error)));
    else fail(error);
  } finally {
    keys.forEach((key) => mine.delete(key));
    running--;
    pump();
    draw();
  }
}

/** Puts a score into its cell, or why its headline or banner has none. */
function take(score, key, headline, image) {
  if (!score.error) {
    state.cells[key] = score;
    return;
  }
  const part = score.error.field.startsWith("headline") || !image ? headline : image;
  state.refusals[partKey(part ?? image)] = plain(score.error);
}

const plain = ({ kind, reason, field, message }) => ({ kind, reason, field, message });

/** Says why nothing goes on, and tries again where time may mend it. */
function fail(error) {
  const problem = { kind: error.kind ?? "page_failed", message: error.message };
  // The same problem stays the same object, and what people do about it is not disturbed.
  if (memory.problem?.kind !== problem.kind || problem.kind === "token") memory.problem = problem;
  if (error.kind === "model_gone") {
    memory.problem = null;
    loadModels();
    return;
  }
  if (isPassing(error)) {
    const wait = error.retry_after_seconds ?? Math.min(FIRST_WAIT_SECONDS * 2 ** waits++, MAX_WAIT_SECONDS);
    clearTimeout(timer);
    timer = setTimeout(retry, 1000 * wait);
  }
  draw();
}

/** Tries again now. */
export async function retry() {
  clearTimeout(timer);
  const before = memory.problem;
  await loadModels();
  if (before && !memory.problem) announce(t("problem.over"));
}

/** What a decision would start from, of one combination. It is asked for once. */
export async function predict({ headline, image }) {
  const key = cellKey(headline, image);
  if (!state.predictions[key]) {
    const values = { model: state.model, model_version: state.version, context: state.context, headline: headline?.text.trim() ?? "" };
    const { prediction } = await post("predict", values, image && memory.blobs.get(image.id));
    state.predictions[key] = prediction;
  }
  return state.predictions[key];
}

/** Learns from one prediction how far the model is off, which says what ties. */
async function learnSpread() {
  const [best] = ranking();
  if (!best || hasSpread() || learning) return;
  learning = true;
  try {
    const prediction = await predict(best);
    change(() => keepSpread(prediction));
  } catch (error) {
    if (!isPassing(error)) change(() => keepSpread(null)); // an older server
  } finally {
    learning = false;
    draw();
  }
}

/** How far the grid is, for the bar of progress. */
function count() {
  const { headlines, images } = axes();
  const total = headlines.length * images.length;
  const missing = headlines.flatMap((h) => images.filter((image) => !(cellKey(h, image) in state.cells))).length;
  const wasWorking = memory.work.done < memory.work.total;
  Object.assign(memory.work, { done: total - missing, total });
  if (wasWorking && total && !missing) announce(t("progress.done", { count: total }));
}

export const isWorking = () => memory.work.done < memory.work.total;
