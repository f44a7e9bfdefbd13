// The left side: headlines as a list to type into, banners as tiles, context as menus.

import { announce, byId, h, icon, iconButton, picture, show } from "./dom.js";
import { digest, dropped, measured, sorted, thumbnail } from "./files.js";
import { bytes } from "./numbers.js";
import { addHeadlines, addImage, change, memory, model, onChange, readsHeadlines, readsImages, refusalOf, remove, startOver, state } from "./state.js";
import { forget } from "./scoring.js";
import { known, settings, t } from "./texts.js";

const UNKNOWN = { width: 360, height: 1 }; // the size of a picture whose header is not known
const TYPING_MILLISECONDS = 500;

export function start() {
  onChange(drawHeadlines);
  onChange(drawBanners);
  onChange(drawContext);
  onChange(drawNotice);
  listen();
}

// === Headlines ===

let typing = 0;
let draft = ""; // what stands in the last row, which is no headline yet

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
    "data-key": `headline-${headline.id}`,
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
    iconButton("close", t("headlines.remove", { code: headline.code }), () => removeHeadline(headline), { "data-key": `remove-${headline.id}` }),
    refusal && h("p", { class: "why", id: `why-${headline.id}` }, refusalText(refusal)),
  );
}

function newHeadlineRow() {
  if (state.headlines.length >= settings.max_headlines) return h("li", { class: "hint" }, t("headlines.full", { limit: settings.max_headlines }));
  const field = h("textarea", {
    rows: 1,
    value: draft,
    placeholder: t(state.headlines.length ? "headlines.another" : "headlines.first"),
    "aria-label": t("headlines.new"),
    "data-key": "headline-new",
    on: {
      input: () => {
        draft = field.value;
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
  field.value = draft = "";
  if (lines.length) addMany(lines);
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
  addMany(lines, place + (event.target.value ? 1 : 0));
}

const split = (text) => text.split(/\r?\n|\r/).map((line) => line.trim()).filter(Boolean);

function addMany(lines, place = undefined) {
  const have = new Set(state.headlines.map((headline) => headline.text.trim()));
  const fresh = [...new Set(lines)].filter((line) => !have.has(line));
  const over = addHeadlines(fresh, place);
  const remarks = [];
  if (fresh.length < lines.length) remarks.push(t("headlines.again", { count: lines.length - fresh.length }));
  if (over) remarks.push(t("headlines.over", { count: over, limit: settings.max_headlines }));
  notice(remarks.join(" "));
  if (fresh.length - over > 0) announce(t("headlines.added", { count: fresh.length - over }));
}

function removeHeadline(headline) {
  if (!headline) return;
  const back = remove("headlines", headline.id);
  if (headline.text.trim()) offerUndo(t("undo.removed", { what: headline.text.trim() || headline.code }), back);
}

// === Banners ===

function drawBanners() {
  byId("banners").hidden = !readsImages();
  byId("banner-count").textContent = state.images.length ? String(state.images.length) : "";
  show(byId("banner-list"), state.images.map(bannerTile));
}

function bannerTile(image) {
  const refusal = refusalOf(image);
  const size = image.width ? `${image.width} × ${image.height}` : "";
  return h(
    "li",
    { class: refusal ? "banner refused" : "banner" },
    h("div", { class: "frame" }, picture(memory.pictures.get(image.id)), h("span", { class: "code" }, image.code)),
    h(
      "div",
      { class: "facts" },
      h("span", { class: "file", title: image.name }, image.name),
      refusal ? h("p", { class: "why" }, refusalText(refusal)) : h("span", { class: "size" }, [size, bytes(image.size)].filter(Boolean).join(", ")),
    ),
    iconButton("close", t("banners.remove", { code: image.code, name: image.name }), () => removeBanner(image), { "data-key": `remove-${image.id}` }),
  );
}

function removeBanner(image) {
  offerUndo(t("undo.removed", { what: image.name }), remove("images", image.id));
}

/** Why a part has no scores, in the page's words where it has some. */
export function refusalText({ reason, kind, message }) {
  const plain = (message ?? "").replace(/^[a-z]+(\[\w*\])?: ./, (start) => start.slice(-1).toUpperCase()); // without the field's name
  for (const key of [`reason.${reason}`, `refused.${kind}`]) if (known(key)) return t(key, { message: plain });
  return plain || t("refused.other");
}

/** Takes files of any kind: pictures become banners, texts headlines; the rest is said. */
export async function addFiles(files) {
  const { pictures, texts, hidden } = sorted(files);
  const fitting = pictures.slice(0, Math.max(0, settings.max_images - state.images.length));
  const remarks = [];
  if (hidden) remarks.push(t("banners.hidden", { count: hidden }));
  if (fitting.length < pictures.length) remarks.push(t("banners.over", { count: pictures.length - fitting.length, limit: settings.max_images }));
  for (const text of texts) if (text.size < 1_000_000) addMany(split(await text.text()));
  let again = 0;
  let turn = Promise.resolve(); // files are looked at side by side, and added in their order
  await inTurns(fitting, async (file) => {
    const looked = look(file);
    turn = turn.then(async () => addLooked(file, await looked));
    const image = await turn;
    if (!image) again++;
    else if (!image.refusal) await addThumbnail(image, image.width ? image : UNKNOWN);
  });
  if (again) remarks.push(t("banners.again", { count: again }));
  notice(remarks.join(" "));
  if (fitting.length > again) announce(t("banners.added", { count: fitting.length - again }));
}

/** Works on a few at a time, the first first. */
async function inTurns(items, work) {
  const left = [...items];
  const worker = async () => {
    while (left.length) await work(left.shift());
  };
  await Promise.all(Array.from({ length: 3 }, worker));
}

/** Size, digest and, where it is plain before anything is decoded or sent, why a file is refused. */
async function look(file) {
  const limits = model()?.limits;
  const size = await measured(file);
  let refusal = null;
  if (file.size === 0) refusal = { kind: "empty" };
  else if (limits && file.size > limits.max_image_bytes) refusal = { reason: "IMAGE_TOO_MANY_BYTES" };
  else if (limits && size && size.width * size.height > limits.max_image_pixels) refusal = { reason: "IMAGE_TOO_MANY_PIXELS" };
  const name = refusal ? "" : await digest(file).catch(() => "");
  if (!name && !refusal) refusal = { kind: "unreadable" };
  return { ...size, digest: name, refusal };
}

/** Adds one file; null where it is there already. */
function addLooked(file, looked) {
  const isThere = looked.digest && state.images.some((image) => image.digest === looked.digest);
  return isThere ? null : addImage(file, looked);
}

export async function addThumbnail(image, size) {
  const small = await thumbnail(memory.blobs.get(image.id), size);
  if (!small) return;
  memory.thumbnails.set(image.id, small);
  memory.pictures.set(image.id, URL.createObjectURL(small));
  change();
}

function listen() {
  const pick = (id) => byId(id).addEventListener("change", ({ target }) => {
    addFiles([...target.files]);
    target.value = "";
  });
  pick("files");
  pick("folder");
  byId("choose-files").addEventListener("click", () => byId("files").click());
  byId("choose-folder").addEventListener("click", () => byId("folder").click());
  let depth = 0;
  const over = (by) => {
    depth = Math.max(0, depth + by);
    document.body.classList.toggle("dragging", depth > 0);
  };
  addEventListener("dragenter", (event) => { event.preventDefault(); over(1); });
  addEventListener("dragleave", () => over(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    over(-depth);
    const text = event.dataTransfer.getData("text/plain");
    const files = await dropped(event.dataTransfer);
    if (files.length) await addFiles(files);
    else if (text) addMany(split(text));
  });
  addEventListener("paste", async (event) => {
    const files = [...event.clipboardData.files];
    if (files.length) {
      event.preventDefault();
      await addFiles(files);
    } else if (!event.target.closest?.("input, textarea, select")) addMany(split(event.clipboardData.getData("text/plain")));
  });
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && memory.undo && !event.target.closest("input, textarea")) {
      event.preventDefault();
      undo();
    }
  });
  byId("start-over").addEventListener("click", () => offerUndo(t("undo.all"), startOver()));
}

// === Context ===

function drawContext() {
  const limits = model()?.limits;
  const names = limits?.context_names ?? [];
  byId("context").hidden = !names.length;
  show(byId("context-fields"), names.map((name) => contextField(name, limits.context_values?.[name] ?? [])));
}

function contextField(name, values) {
  const id = `context-${name}`;
  const chosen = state.context[name] ?? "";
  const set = ({ target }) => {
    forget();
    change(() => {
      if (target.value) state.context[name] = target.value;
      else delete state.context[name];
    });
  };
  const options = [["", t("context.any")], ...values.map((value) => [value, value])];
  const field = values.length
    ? h("select", { id, "data-key": id, on: { change: set } }, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)))
    : h("input", { id, "data-key": id, value: chosen, placeholder: t("context.any"), on: { change: set } });
  return h("div", { class: "field" }, h("label", { for: id }, name), field);
}

// === Notices and undo ===

let remark = "";

/** Says, until the next one, what was left out. */
export function notice(text) {
  remark = text;
  if (text) announce(text);
  change();
}

/** Offers to take back what was done last. */
export function offerUndo(text, back) {
  memory.undo = { text, back };
  remark = "";
  announce(`${text} ${t("undo.how")}`);
  change();
}

function undo() {
  const { back, text } = memory.undo;
  memory.undo = null;
  back();
  announce(t("undo.done", { text }));
}

function drawNotice() {
  const dismiss = () => {
    memory.undo = null;
    notice("");
  };
  const text = memory.undo?.text ?? remark;
  byId("notice").hidden = !text;
  show(
    byId("notice"),
    text && h("span", {}, text),
    memory.undo && h("button", { type: "button", class: "link", "data-key": "undo", on: { click: undo } }, t("undo.button")),
    text && iconButton("close", t("notice.close"), dismiss, { "data-key": "dismiss" }),
  );
}
