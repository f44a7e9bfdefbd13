// Headlines as a list to type into; several lines at once become several rows.

import { announce, byId, h, focusSoon, icon, iconButton, show } from "./dom.js";
import { onChange } from "./drawing.js";
import { notice, offerUndo } from "./notice.js";
import { addHeadlines, change, readsHeadlines, refusalOf, remove, state } from "./state.js";
import { refusalText, settings, t } from "./texts.js";

const TYPING_MILLISECONDS = 500;

export function start() {
  onChange(drawHeadlines);
}

let typing = 0;

function drawHeadlines() {
  byId("headlines").hidden = !readsHeadlines();
  const filled = state.headlines.filter((headline) => headline.text.trim()).length;
  byId("headline-count").textContent = filled ? String(filled) : "";
  show(byId("headline-list"), state.headlines.map(headlineRow), newHeadlineRow());
  for (const field of byId("headline-list").querySelectorAll("textarea")) grow(field);
}

function headlineRow(headline, place) {
  const refusal = refusalOf(headline);
  const label = t("headlines.label", { code: headline.code });
  const field = h("textarea", {
    rows: 1,
    value: headline.text,
    "aria-label": label,
    "aria-invalid": refusal ? "true" : null,
    "aria-describedby": refusal ? `why-${headline.id}` : null,
    key: `headline-${headline.id}`,
    on: {
      input: () => typed(headline, field),
      change: () => change(),
      keydown: (event) => moved(event, place),
      paste: (event) => pasted(event, place),
    },
  });
  return h(
    "li",
    { class: refusal ? "item refused" : "item" },
    h("span", { class: "code", "aria-hidden": "true" }, headline.code),
    field,
    iconButton("close", t("headlines.remove", { code: headline.code }), () => removeByButton(headline, place), { key: `remove-${headline.id}` }),
    refusal && h("p", { class: "why", id: `why-${headline.id}` }, refusalText(refusal)),
  );
}

function newHeadlineRow() {
  if (state.headlines.length >= settings.max_headlines) return h("li", { class: "hint" }, t("headlines.full", { limit: settings.max_headlines }));
  const field = h("textarea", {
    rows: 1,
    value: state.draft,
    placeholder: t(state.headlines.length ? "headlines.another" : "headlines.first"),
    "aria-label": t("headlines.new"),
    key: "headline-new",
    on: {
      input: () => {
        state.draft = field.value;
        grow(field);
      },
      blur: () => entered(field),
      keydown: (event) => {
        if (event.key === "Enter" && !event.isComposing) {
          event.preventDefault();
          entered(field);
        } else if (event.key === "ArrowUp" && !field.value) focusRow(state.headlines.length - 1);
      },
      paste: (event) => pasted(event, state.headlines.length),
    },
  });
  return h("li", { class: "item new" }, h("span", { class: "code", "aria-hidden": "true" }, icon("add")), field);
}

function entered(field) {
  const lines = split(field.value);
  field.value = state.draft = "";
  if (lines.length) notice(addLines(lines));
}

/** A browser that grows fields by itself needs none of this. */
function grow(field) {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

function typed(headline, field) {
  grow(field);
  clearTimeout(typing);
  headline.text = field.value.replace(/[\r\n]+/g, " ");
  typing = setTimeout(() => change(), TYPING_MILLISECONDS);
}

function moved(event, place) {
  const field = event.target;
  if (event.isComposing) return;
  if (event.key === "Enter") {
    event.preventDefault();
    focusRow(place + 1);
  } else if (event.key === "Backspace" && !field.value) {
    event.preventDefault();
    removeHeadline(state.headlines[place]);
    focusRow(Math.max(place - 1, 0));
  } else if (event.key === "ArrowDown" && field.selectionEnd === field.value.length) focusRow(place + 1);
  else if (event.key === "ArrowUp" && field.selectionStart === 0) focusRow(place - 1);
}

function focusRow(place) {
  const key = place >= state.headlines.length ? "new" : state.headlines[place]?.id;
  document.querySelector(`[data-key="headline-${CSS.escape(key ?? "")}"]`)?.focus();
}

function pasted(event, place) {
  const lines = split(event.clipboardData.getData("text/plain"));
  if (lines.length < 2) return; // into the field, as usual
  event.preventDefault();
  notice(addLines(lines, place + (event.target.value ? 1 : 0)));
}

export const split = (text) => text.split(/\r?\n|\r/).map((line) => line.trim()).filter(Boolean);

/** Adds lines as headlines after a place; returns what there is to remark. */
export function addLines(lines, place = undefined) {
  const have = new Set(state.headlines.map((headline) => headline.text.trim()));
  const fresh = [...new Set(lines)].filter((line) => !have.has(line));
  const over = addHeadlines(fresh, place);
  const remarks = [];
  if (fresh.length < lines.length) remarks.push(t("headlines.again", { count: lines.length - fresh.length }));
  if (over) remarks.push(t("headlines.over", { count: over, limit: settings.max_headlines }));
  if (fresh.length - over > 0) announce(t("headlines.added", { count: fresh.length - over }));
  return remarks.join(" ");
}

function removeByButton(headline, place) {
  const next = state.headlines[place + 1] ?? state.headlines[place - 1];
  focusSoon(next ? `remove-${next.id}` : "headline-new");
  removeHeadline(headline);
}

function removeHeadline(headline) {
  if (!headline) return;
  const back = remove("headlines", headline.id);
  if (headline.text.trim()) offerUndo(t("undo.removed", { what: headline.text.trim() }), back, `headline-${headline.id}`);
}
