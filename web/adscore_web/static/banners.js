// Banners as tiles: looked at before they are sent anywhere, and shown small.

import { byId, codeTag, focusSoon, h, iconButton, picture, show } from "./dom.js";
import { onChange } from "./drawing.js";
import { digest, measured, thumbnail } from "./files.js";
import { offerUndo } from "./notice.js";
import { bytes } from "./numbers.js";
import { addImage, change, memory, model, readsImages, refusalOf, remove, state } from "./state.js";
import { refusalText, t } from "./texts.js";

const UNKNOWN = { width: 360, height: 1 }; // of a thumbnail, where the size of the picture is not known

export function start() {
  onChange(drawBanners);
}

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
    h("div", { class: "frame" }, picture(memory.pictures.get(image.id)), codeTag(image.code)),
    h(
      "div",
      { class: "facts" },
      h("span", { class: "file", title: image.name }, image.name),
      refusal ? h("p", { class: "why" }, refusalText(refusal)) : h("span", { class: "size" }, [size, bytes(image.size)].filter(Boolean).join(", ")),
    ),
    iconButton("close", t("banners.remove", { code: image.code, name: image.name }), () => removeBanner(image), { key: `remove-${image.id}` }),
  );
}

function removeBanner(image) {
  const place = state.images.indexOf(image);
  const next = state.images[place + 1] ?? state.images[place - 1];
  if (next) focusSoon(`remove-${next.id}`);
  else byId("choose-files").focus();
  offerUndo(t("undo.removed", { what: image.name }), remove("images", image.id), `remove-${image.id}`);
}

/** Size, digest and, where it is plain before anything is decoded or sent, why a file is refused. */
export async function look(file) {
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

/** Adds a file; null where it is there already. */
export function addBanner(file, looked) {
  const isThere = looked.digest && state.images.some((image) => image.digest === looked.digest);
  return isThere ? null : addImage(file, looked);
}

/** Shows a banner small. */
export async function addThumbnail(image) {
  const small = await thumbnail(memory.blobs.get(image.id), image.width ? image : UNKNOWN);
  if (!small) return;
  memory.thumbnails.set(image.id, small);
  memory.pictures.set(image.id, URL.createObjectURL(small));
  change();
}
