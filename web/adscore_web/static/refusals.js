// Why a headline or a banner has no scores.

import { known, t } from "./texts.js";

/** The reason in the page's words where it has some. */
export function refusalText({ reason, kind, message }) {
  const plain = (message ?? "").replace(/^[a-z]+(\[\w*\])?: ./, (start) => start.slice(-1).toUpperCase()); // without the field's name
  for (const key of [`reason.${reason}`, `refused.${kind}`]) if (known(key)) return t(key, { message: plain });
  return plain || t("refused.other");
}
