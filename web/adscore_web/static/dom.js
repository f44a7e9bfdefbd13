// Elements without markup strings: whatever a headline or file name holds is shown as text.

import { t } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";

let owner = document;

/** Makes elements that are not for this page, so that nothing of them is loaded. */
export function inert(make) {
  owner = document.implementation.createHTMLDocument();
  try {
    return make();
  } finally {
    owner = document;
  }
}

/** Makes an element: h("button", { class: "x", on: { click } }, "Text", child, null). */
export function h(tag, properties = {}, ...children) {
  return fill(owner.createElement(tag), tag === "button" ? { type: "button", ...properties } : properties, children);
}

function svg(tag, properties = {}, ...children) {
  return fill(owner.createElementNS(SVG, tag), properties, children);
}

let replacing = false; // a field that is taken out says that it was left, which nobody did

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, (event) => replacing || listener(event));
    } else if (name === "vars") {
      for (const [key, number] of Object.entries(value)) element.style.setProperty(key, number);
    } else if (name === "key") {
      element.dataset.key = value;
    } else if (name === "value" || name === "checked" || name === "selected") {
      element[name] = value;
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The letter or number by which people know a headline, a banner or both. */
export const codeTag = (code) => h("span", { class: "code" }, code);

export const byId = (id) => document.getElementById(id);

let wanted = null;

/** Gives the focus to what has this data-key, once it is drawn. */
export const focusSoon = (key) => (wanted = key);

/** Puts new children into a container; the focus stays on what has the same data-key. */
export function show(container, ...children) {
  const focused = container.contains(document.activeElement) ? document.activeElement : null;
  const key = focused?.closest("[data-key]")?.dataset.key;
  const selection = focused && "selectionStart" in focused ? [focused.selectionStart, focused.selectionEnd] : null;
  replacing = true;
  container.replaceChildren(...children.flat(3).filter(Boolean));
  replacing = false;
  const sought = wanted ?? key;
  const again = sought === undefined ? null : container.querySelector(`[data-key="${CSS.escape(sought)}"]`);
  if (!again) return;
  wanted = null;
  again.focus({ preventScroll: true });
  if (selection && selection[0] !== null && "setSelectionRange" in again) again.setSelectionRange(...selection);
}

const SAID = 4; // what was said last, so that nothing drowns what came a moment before

/** Says something to who does not see the page; the same words are not said twice in a row. */
export function announce(text) {
  const live = byId("live");
  if (live.lastChild?.textContent === text) return;
  live.append(h("span", {}, text));
  while (live.childNodes.length > SAID) live.firstChild.remove();
}

/** A small picture of 24 x 24 units, drawn in lines, from the path data of its name. */
export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: ICONS[name] }),
  );
}

const ICONS = {
  add: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
  warning: "M12 4l9 16H3zM12 10v4m0 3h.01",
  check: "M5 12l5 5 9-10",
  star: "M12 3.5l2.6 5.4 5.9.8-4.3 4.1 1 5.9-5.2-2.8-5.2 2.8 1-5.9L3.5 9.7l5.9-.8z",
};

/** A button with a picture; its words are its name, shown or not. */
export function iconButton(name, label, click, properties = {}) {
  const kind = properties.class ?? "quiet";
  return h("button", { ...properties, class: `icon-button ${kind}`, "aria-label": label, title: label, on: { click } }, icon(name));
}

/** A banner's picture, or a box that stands for it. */
export function picture(url, properties = {}) {
  if (!url) return h("span", { class: "no-picture", "aria-hidden": "true" }, icon("picture"));
  return h("img", { src: url, alt: "", decoding: "async", ...properties });
}

/** Gives a file to keep. */
export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  announce(t("download.done", { name }));
}
