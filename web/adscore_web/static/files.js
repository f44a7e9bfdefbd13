// Files that people drop, choose or paste: found, measured and made small, without the server.

const HEAD_BYTES = 65_536;
const THUMBNAIL = 360; // pixels, the longer side
const HIDDEN = /(^|\/)(\.[^/]*|Thumbs\.db|desktop\.ini|__MACOSX)(\/|$)/i;
const TEXT = /\.(txt|csv|tsv)$/i;

/** Every file of a drop, folders opened, with its path as its name. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const files = [];
  for (const entry of entries) await walk(entry, files);
  return files;
}

async function walk(entry, files) {
  if (files.length > 5000) return;
  if (entry.isFile) {
    files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)).catch(() => null));
    if (files.at(-1) === null) files.pop();
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)).catch(() => []);
    if (!some.length) return;
    for (const one of some) await walk(one, files);
  }
}

/** Parts files into pictures, texts, and those of the system, which are left out. */
export function sorted(files) {
  const visible = files.filter((file) => !HIDDEN.test(file.webkitRelativePath || file.name));
  const isText = (file) => TEXT.test(file.name) || file.type.startsWith("text/plain");
  return {
    pictures: visible.filter((file) => !isText(file)),
    texts: visible.filter(isText),
    hidden: files.length - visible.length,
  };
}

/** A name for the contents of a file, to know it again. */
export async function digest(file) {
  if (!crypto.subtle) return crypto.getRandomValues(new Uint32Array(4)).join("-"); // plain HTTP on a network
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return [...hash.slice(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A small copy of a picture as a Blob; null where the browser cannot show it. */
export async function thumbnail(file, size) {
  const longer = Math.max(size.width, size.height);
  const scale = Math.min(1, THUMBNAIL / longer);
  const width = Math.max(1, Math.round(size.width * scale));
  try {
    const bitmap = await createImageBitmap(file, { resizeWidth: width, resizeQuality: "medium" });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff"; // as the model sees transparency
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
  } catch {
    return null;
  }
}

/** Width and height by the file's header; null where it has none that is known. */
export async function measured(file) {
  const bytes = new DataView(await file.slice(0, HEAD_BYTES).arrayBuffer());
  try {
    return png(bytes) ?? gif(bytes) ?? webp(bytes) ?? jpeg(bytes);
  } catch {
    return null; // it is cut short
  }
}

const reads = (bytes, offset, text) => [...text].every((letter, at) => bytes.getUint8(offset + at) === letter.charCodeAt(0));

function png(bytes) {
  if (!reads(bytes, 1, "PNG")) return null;
  return { width: bytes.getUint32(16), height: bytes.getUint32(20) };
}

function gif(bytes) {
  if (!reads(bytes, 0, "GIF8")) return null;
  return { width: bytes.getUint16(6, true), height: bytes.getUint16(8, true) };
}

function webp(bytes) {
  if (!reads(bytes, 0, "RIFF") || !reads(bytes, 8, "WEBP")) return null;
  const kind = String.fromCharCode(...[12, 13, 14, 15].map((at) => bytes.getUint8(at)));
  if (kind === "VP8X") {
    const side = (at) => 1 + bytes.getUint16(at, true) + (bytes.getUint8(at + 2) << 16);
    return { width: side(24), height: side(27) };
  }
  if (kind === "VP8L") {
    const bits = bytes.getUint32(21, true);
    return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
  }
  return { width: bytes.getUint16(26, true) & 0x3fff, height: bytes.getUint16(28, true) & 0x3fff };
}

function jpeg(bytes) {
  if (bytes.getUint16(0) !== 0xffd8) return null;
  for (let at = 2; ; ) {
    const marker = bytes.getUint16(at);
    const isFrame = marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker);
    if (isFrame) return { width: bytes.getUint16(at + 7), height: bytes.getUint16(at + 5) };
    if (marker < 0xff01) return null;
    at += 2 + bytes.getUint16(at + 2);
  }
}
