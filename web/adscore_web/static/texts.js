// Every word of the page comes from texts.json, which the server writes into the page.

const texts = JSON.parse(document.getElementById("texts").textContent);
export const settings = JSON.parse(document.getElementById("settings").textContent);

/** The text of a key such as "banners.title", with {names} filled in.
 *
 * A list holds the forms for one and for many, chosen by `count`.
 */
export function t(key, values = {}) {
  let text = lookUp(key);
  if (Array.isArray(text)) text = text[values.count === 1 ? 0 : 1];
  if (typeof text !== "string") return key;
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
}

/** Whether there is a text of this key. */
export const known = (key) => lookUp(key) !== undefined;

function lookUp(key) {
  return key.split(".").reduce((part, name) => (part && Object.hasOwn(part, name) ? part[name] : undefined), texts);
}

/** Why a headline or a banner has no scores, in the page's words where it has some. */
export function refusalText({ reason, kind, message }) {
  const plain = (message ?? "").replace(/^[a-z]+(\[\w*\])?: ./, (start) => start.slice(-1).toUpperCase()); // without the field's name
  for (const key of [`reason.${reason}`, `refused.${kind}`]) if (known(key)) return t(key, { message: plain });
  return plain || t("refused.other");
}
