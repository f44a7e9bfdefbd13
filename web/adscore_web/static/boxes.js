// The banner with its elements in boxes. A box is drawn by dragging, or added and moved by keys.

import { focusSoon, h, iconButton } from "./dom.js";
import { effect } from "./numbers.js";
import { change, memory, state } from "./state.js";
import { t } from "./texts.js";

const MIN_PIXELS = 4;
const MAX_BOXES = 8;
const STEP = 0.02; // of a side, for each press of an arrow key
const NOTABLE = 0.005; // of the logit: less is said to be next to nothing
const SETTLE_MILLISECONDS = 700;

let settling = 0;
const photos = new Map(); // kept from drawing to drawing: a new one has no size until it is loaded

function photoOf(image) {
  if (!photos.has(image.id)) {
    const src = URL.createObjectURL(memory.blobs.get(image.id));
    photos.set(image.id, h("img", { src, alt: t("boxes.alt", { name: image.name }), draggable: "false" }));
  }
  return photos.get(image.id);
}

/** Elements that get a box and a number. */
export const shown = (elements) => elements.filter((one) => one.kind === "BOX" || Math.abs(one.effect) >= NOTABLE);

/** The picture of a banner with boxes over it, and a list of what each element does. */
export function picker(image, explanation) {
  const size = { width: image.width ?? 0, height: image.height ?? 0 };
  const own = state.boxes[image.id] ?? [];
  const all = explanation?.elements ?? own.map((box) => ({ kind: "BOX", box, effect: null }));
  const elements = shown(all);
  const photo = photoOf(image);
  const area = h("div", { class: "canvas", on: { pointerdown: (event) => drag(event, image) } }, photo);
  const place = () => {
    // Only a browser that shows a photo knows whether it lies on its side.
    if (photo.naturalWidth) Object.assign(size, { width: photo.naturalWidth, height: photo.naturalHeight });
    area.querySelectorAll(".box").forEach((box) => box.remove());
    if (size.width) elements.forEach((element, number) => area.append(boxOver(image, element, number, size)));
  };
  photo.onload = place;
  place();
  const add = h("button", { class: "quiet", key: "box-add", on: { click: () => addBox(image, size) } }, t("boxes.add"));
  return [
    area,
    h("div", { class: "box-tools" }, add, h("span", { class: "hint", id: "box-help" }, t("boxes.help"))),
    elements.length > 0 && h("ol", { class: "elements" }, elements.map((element, number) => elementLine(image, element, number))),
    elements.length < all.length && h("p", { class: "hint" }, t("boxes.rest", { count: all.length - elements.length })),
    explanation && !explanation.found_text && h("p", { class: "hint" }, t("boxes.no_text")),
  ];
}

function boxOver(image, element, number, size) {
  const isOwn = element.kind === "BOX";
  const kind = `box ${element.effect === null ? "" : element.effect < 0 ? "down" : "up"}`;
  const label = h("b", {}, String(number + 1));
  if (!isOwn) return lay(h("span", { class: kind, "aria-hidden": "true" }, label), element.box, size);
  const button = h(
    "button",
    { class: `${kind} own`, "aria-label": t("boxes.label", { number: number + 1 }), "aria-describedby": "box-help", key: `box-${number}`, on: { keydown: (event) => nudge(event, image, number, size) } },
    label,
  );
  return lay(button, element.box, size);
}

/** Puts an element over a box of the picture. */
function lay(element, [left, top, right, bottom], { width, height }) {
  const shares = { left: left / width, top: top / height, width: (right - left) / width, height: (bottom - top) / height };
  for (const [name, share] of Object.entries(shares)) element.style.setProperty(`--${name}`, `${100 * share}%`);
  return element;
}

function elementLine(image, element, number) {
  const what = t(element.kind === "BOX" ? "boxes.own" : "boxes.text");
  return h(
    "li",
    {},
    h("span", {}, `${number + 1}. ${what}`),
    h("strong", {}, element.effect === null ? "…" : effect(element.effect)),
    element.kind === "BOX" && iconButton("close", t("boxes.remove", { number: number + 1 }), () => removeBox(image, number), { key: `box-remove-${number}` }),
  );
}

const boxesOf = (image) => (state.boxes[image.id] ??= []);

function addBox(image, size) {
  if (boxesOf(image).length >= MAX_BOXES || !size.width) return;
  const { width, height } = size;
  focusSoon(`box-${boxesOf(image).length}`);
  change(() => boxesOf(image).push([0.3 * width, 0.35 * height, 0.7 * width, 0.65 * height].map(Math.round)));
}

function removeBox(image, number) {
  focusSoon("box-add");
  change(() => boxesOf(image).splice(number, 1));
}

/** Moves a box by the arrow keys, and its right lower corner with Shift. */
function nudge(event, image, number, size) {
  const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
  if (event.key === "Delete" || event.key === "Backspace") removeBox(image, number);
  if (!x && !y) return;
  event.preventDefault();
  const [dx, dy] = [Math.round(x * STEP * size.width) || x, Math.round(y * STEP * size.height) || y];
  const box = [...boxesOf(image)[number]];
  if (!event.shiftKey) [box[0], box[1]] = [box[0] + dx, box[1] + dy];
  [box[2], box[3]] = [box[2] + dx, box[3] + dy];
  const fits = box[0] >= 0 && box[1] >= 0 && box[2] <= size.width && box[3] <= size.height;
  if (!fits || box[2] - box[0] < MIN_PIXELS || box[3] - box[1] < MIN_PIXELS) return;
  boxesOf(image)[number] = box;
  lay(event.currentTarget, box, size);
  clearTimeout(settling);
  settling = setTimeout(() => change(), SETTLE_MILLISECONDS); // then its effect is asked for
}

function drag(event, image) {
  const area = event.currentTarget;
  const photo = area.querySelector("img");
  if (event.button !== 0 || event.target.closest(".own") || boxesOf(image).length >= MAX_BOXES) return;
  event.preventDefault();
  area.setPointerCapture(event.pointerId);
  const frame = photo.getBoundingClientRect();
  const at = ({ clientX, clientY }) => [
    Math.min(Math.max(((clientX - frame.left) / frame.width) * photo.naturalWidth, 0), photo.naturalWidth),
    Math.min(Math.max(((clientY - frame.top) / frame.height) * photo.naturalHeight, 0), photo.naturalHeight),
  ];
  const from = at(event);
  const shape = area.appendChild(h("span", { class: "box drawn" }));
  let box = null;
  const move = (moved) => {
    const to = at(moved);
    box = [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])].map(Math.round);
    lay(shape, box, { width: photo.naturalWidth, height: photo.naturalHeight });
  };
  const end = () => {
    area.removeEventListener("pointermove", move);
    shape.remove();
    if (box && box[2] - box[0] >= MIN_PIXELS && box[3] - box[1] >= MIN_PIXELS) change(() => boxesOf(image).push(box));
  };
  area.addEventListener("pointermove", move);
  area.addEventListener("pointerup", end, { once: true });
  area.addEventListener("pointercancel", end, { once: true });
}
