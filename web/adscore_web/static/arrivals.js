// What people choose, drop or paste: files and text of any kind, each to where it belongs.

import { addBanner, addThumbnail, look } from "./banners.js";
import { announce, byId } from "./dom.js";
import { dropped, sorted } from "./files.js";
import { addLines, split } from "./headlines.js";
import { notice } from "./notice.js";
import { state } from "./state.js";
import { settings, t } from "./texts.js";

const AT_ONCE = 3; // files that are looked at
const MAX_TEXT_BYTES = 1_000_000; // what is beyond holds more headlines than fit

export function start() {
  listenToPickers();
  listenToDrops();
  addEventListener("paste", takePasted);
}

/** Takes files of any kind: pictures become banners, texts headlines; the rest is said. */
async function addFiles(files) {
  const { pictures, texts, hidden } = sorted(files);
  const fitting = pictures.slice(0, Math.max(0, settings.max_images - state.images.length));
  const remarks = [];
  for (const text of texts) remarks.push(addLines(split(await text.slice(0, MAX_TEXT_BYTES).text())));
  if (hidden) remarks.push(t("banners.hidden", { count: hidden }));
  if (fitting.length < pictures.length) remarks.push(t("banners.over", { count: pictures.length - fitting.length, limit: settings.max_images }));
  let again = 0;
  let turn = Promise.resolve(); // files are looked at side by side, and added in their order
  await inTurns(fitting, async (file) => {
    const looked = look(file);
    turn = turn.then(async () => addBanner(file, await looked));
    const image = await turn;
    if (!image) again++;
    else if (!image.refusal) await addThumbnail(image);
  });
  if (again) remarks.push(t("banners.again", { count: again }));
  notice(remarks.filter(Boolean).join(" "));
  if (fitting.length > again) announce(t("banners.added", { count: fitting.length - again }));
}

/** Works on a few at a time, the first first. */
async function inTurns(items, work) {
  const left = [...items];
  const worker = async () => {
    while (left.length) await work(left.shift());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function listenToPickers() {
  const pick = (id) => byId(id).addEventListener("change", ({ target }) => {
    addFiles([...target.files]);
    target.value = "";
  });
  pick("files");
  pick("folder");
  byId("choose-files").addEventListener("click", () => byId("files").click());
  byId("choose-folder").addEventListener("click", () => byId("folder").click());
}

function listenToDrops() {
  let depth = 0;
  const over = (by) => {
    depth = Math.max(0, depth + by);
    document.body.classList.toggle("dragging", depth > 0);
  };
  addEventListener("dragenter", (event) => { event.preventDefault(); over(1); });
  addEventListener("dragleave", () => over(-1));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    over(-depth);
    const text = event.dataTransfer.getData("text/plain");
    const files = await dropped(event.dataTransfer);
    if (files.length) await addFiles(files);
    else if (text) notice(addLines(split(text)));
  });
}

async function takePasted(event) {
  const files = [...event.clipboardData.files];
  if (files.length) {
    event.preventDefault();
    await addFiles(files);
  } else if (!event.target.closest?.("input, textarea, select")) notice(addLines(split(event.clipboardData.getData("text/plain"))));
}
