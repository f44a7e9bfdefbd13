// What was left out or done last, and the way back.

import { announce, byId, focusSoon, h, iconButton, show } from "./dom.js";
import { onChange } from "./drawing.js";
import { change, startOver, state } from "./state.js";
import { t } from "./texts.js";

export function start() {
  onChange(drawNotice);
  byId("start-over").addEventListener("click", () => offerUndo(t("undo.all"), startOver()));
  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== "z" || !undoable || event.target.closest("input, textarea")) return;
    event.preventDefault();
    undo();
  });
}

let remark = "";
let undoable = null; // {text, back, key}

/** Says, until the next one, what was left out. */
export function notice(text) {
  remark = text;
  if (text) announce(text);
  change();
}

/** Offers to take back what was done last; then the focus goes to what has this data-key. */
export function offerUndo(text, back, key = "") {
  undoable = { text, back, key };
  remark = "";
  announce(`${text} ${t("undo.how")}`);
  change();
}

function undo() {
  if (!undoable) return; // a second click, before the button is gone
  const { back, text, key } = undoable;
  undoable = null;
  if (key) focusSoon(key);
  back();
  announce(t("undo.done", { text }));
}

function drawNotice() {
  byId("start-over").hidden = !state.headlines.length && !state.images.length;
  const dismiss = () => {
    undoable = null;
    notice("");
  };
  const text = undoable?.text ?? remark;
  byId("notice").hidden = !text;
  show(
    byId("notice"),
    text && h("span", {}, text),
    undoable && h("button", { class: "link", key: "undo", on: { click: undo } }, t("undo.button")),
    text && iconButton("close", t("notice.close"), dismiss, { key: "dismiss" }),
  );
}
