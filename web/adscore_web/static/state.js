// What the tab holds. Everything that changes it goes through `change`, so that it is drawn and kept.

import { draw } from "./drawing.js";
import { letters } from "./numbers.js";
import * as storage from "./storage.js";
import { settings } from "./texts.js";

const KEEP_MILLISECONDS = 300;

const empty = () => ({
  model: "", // name and version that scores come from
  version: "",
  target: "",
  context: {}, // value by name
  placement: "",
  headlines: [], // {id, code, text}
  draft: "", // what stands in the last row, which is no headline yet
  images: [], // {id, code, name, size, width, height, digest, refusal}
  next: { headline: 0, image: 1 }, // codes that were not given yet
  cells: {}, // scores, by cellKey
  refusals: {}, // why a headline or a banner has no scores, by partKey
  boxes: {}, // elements that were drawn, by the id of their banner
  live: [], // codes of the combinations that run, in order
  counts: {}, // {trials, successes} as typed, by code
  horizon: "", // impressions still to come, as typed
  aim: "earn",
  predictions: {}, // what decisions start from, by cellKey
  spreads: {}, // of the model's errors, in logits, by target and by name and version of the model
  selected: "", // code of the combination that is looked into
  view: "grid",
});

export const state = empty();

/** What is not kept: files and their pictures by id, models, and what goes on. */
export const memory = {
  blobs: new Map(),
  pictures: new Map(), // object URLs of the thumbnails
  thumbnails: new Map(), // the same as Blobs
  models: [],
  placements: [],
  problem: null, // {kind, ...}: why nothing goes on
  work: { done: 0, total: 0 }, // combinations
};

let keeping = 0;
let pump = () => {};

/** Registers what has work to do after each change, before anything is drawn. */
export const onWork = (work) => (pump = work);

/** Changes the state, draws the page with the next frame, and keeps the state soon.
 *
 * What cannot be made again is kept at once: a page that is left has no time for it.
 */
export function change(work = () => {}, soon = KEEP_MILLISECONDS) {
  work(state);
  stamp = "";
  pump();
  draw();
  clearTimeout(keeping);
  if (soon) keeping = setTimeout(keep, soon);
  else keep();
}

function keep() {
  keeping = 0;
  const wanted = new Set(usedKeys());
  const fresh = (cells) => Object.fromEntries(Object.entries(cells).filter(([key]) => wanted.has(key)));
  storage.keepState(structuredClone({ ...state, cells: fresh(state.cells), predictions: fresh(state.predictions) }));
}

// A page that is left has time for little; scores can be made again.
addEventListener("pagehide", () => storage.keepAtOnce({ ...state, cells: undefined, predictions: undefined }));

/** Fills the state with what the tab held before a reload. */
export async function restore() {
  const kept = await storage.open();
  Object.assign(state, empty(), kept.state);
  stamp = "";
  memory.blobs = kept.files;
  state.images = state.images.filter((image) => memory.blobs.has(image.id));
  const shown = new Set(state.images.map((image) => image.id));
  for (const id of memory.blobs.keys()) {
    if (shown.has(id)) continue;
    memory.blobs.delete(id);
    storage.dropFile(id); // of a banner that was taken out: until now it could come back
  }
}

/** Forgets everything but the model, and returns a way back. */
export function startOver() {
  const before = structuredClone(state);
  const kept = { model: state.model, version: state.version, target: state.target, view: state.view };
  change(() => Object.assign(state, empty(), kept));
  return () => change(() => Object.assign(state, before), 0);
}

// === Headlines and banners ===

const newId = () => crypto.getRandomValues(new Uint32Array(2)).join("-");

/** Adds headlines after a place; returns how many did not fit. */
export function addHeadlines(texts, place = state.headlines.length) {
  const fitting = texts.slice(0, settings.max_headlines - state.headlines.length);
  change(() => {
    const made = fitting.map((text) => ({ id: newId(), code: letters(state.next.headline++), text }));
    state.headlines.splice(place, 0, ...made);
  }, 0);
  return texts.length - fitting.length;
}

/** Adds a banner, once a reload does not lose it. */
export async function addImage(file, fields) {
  const id = newId();
  memory.blobs.set(id, file);
  await storage.keepFile(id, file);
  const image = { id, code: String(state.next.image++), name: file.name, size: file.size, refusal: null, ...fields };
  change(() => state.images.push(image), 0);
  return image;
}

/** Takes an item out of "headlines" or "images", and returns a way back. */
export function remove(list, id) {
  const place = state[list].findIndex((item) => item.id === id);
  const [item] = state[list].slice(place, place + 1);
  change(() => state[list].splice(place, 1), 0);
  return () => change(() => state[list].splice(Math.min(place, state[list].length), 0, item), 0);
}

// === Scores ===

/** The model that is used, as the server describes it; undefined until it has. */
export const model = () => memory.models.find((one) => one.name === state.model && one.version === state.version);

let stamp = ""; // of what all scores of now have in common

function common() {
  stamp ||= JSON.stringify([state.model, state.version, Object.entries(state.context).sort()]);
  return stamp;
}

const modelKey = () => `${state.model} ${state.version}`;

/** How far the model's predictions are off between creatives of one group; undefined if it is not known. */
export const spread = () => state.spreads[modelKey()]?.[state.target];

export const hasSpread = () => modelKey() in state.spreads;

/** Keeps what a prediction of the model says of its errors; null where it says nothing. */
export function keepSpread(prediction) {
  const targets = Object.entries(prediction?.targets ?? {});
  state.spreads = { [modelKey()]: Object.fromEntries(targets.map(([name, one]) => [name, one.spread])) };
}

export const cellKey = (headline, image) => `${common()}\n${headline?.text.trim() ?? ""}\n${image?.digest ?? ""}`;
export const partKey = (part) => `${modelKey()}\n${part.text?.trim() ?? part.digest}`;

export const refusalOf = (part) => part.refusal ?? state.refusals[partKey(part)] ?? null;

/** Headlines that can be scored. */
export const usableHeadlines = () => (readsHeadlines() ? state.headlines.filter((one) => one.text.trim() && !refusalOf(one)) : []);

/** Banners that can be scored. */
export const usableImages = () => (readsImages() ? state.images.filter((one) => one.digest && !refusalOf(one)) : []);

export const readsHeadlines = () => (model()?.limits.max_headline_characters ?? 1) > 0;
export const readsImages = () => (model()?.limits.image_formats.length ?? 1) > 0;

/** Rows and columns of the grid; null stands for a part that creatives come without. */
export function axes() {
  const [headlines, images] = [usableHeadlines(), usableImages()];
  const limits = model()?.limits;
  if (!limits || (!headlines.length && !images.length)) return { headlines: [], images: [] };
  return {
    headlines: headlines.length ? headlines : limits.headline_optional || !readsHeadlines() ? [null] : [],
    images: images.length ? images : limits.image_optional || !readsImages() ? [null] : [],
  };
}

function usedKeys() {
  const { headlines, images } = axes();
  return headlines.flatMap((headline) => images.map((image) => cellKey(headline, image)));
}

export const codeOf = (headline, image) => `${headline?.code ?? ""}${image?.code ?? ""}`;

/** Every combination that has a score, the highest rate first. */
export function ranking() {
  const { headlines, images } = axes();
  const all = headlines.flatMap((headline) =>
    images.map((image) => ({ headline, image, code: codeOf(headline, image), score: state.cells[cellKey(headline, image)] })),
  );
  const scored = all.filter((one) => one.score?.targets?.[state.target]);
  for (const one of scored) one.target = one.score.targets[state.target];
  return scored.sort((first, second) => second.target.mean - first.target.mean);
}
