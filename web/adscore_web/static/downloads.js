// What people take along: a table, a page that needs no other file, or text to paste.

import { byId, codeTag, download, h, inert, picture } from "./dom.js";
import { bar, leadWords, placed, scale, tag, targetName, verdictKind } from "./grid.js";
import { quality } from "./header.js";
import { interval, percent } from "./numbers.js";
import { memory, model, state } from "./state.js";
import { notice } from "./notice.js";
import { t } from "./texts.js";

const BOM = "\ufeff"; // by which spreadsheets know UTF-8

export function start() {
  byId("download-csv").addEventListener("click", () => download("adscore.csv", "text/csv", table()));
  byId("download-html").addEventListener("click", async () => download("adscore.html", "text/html", await page()));
  byId("copy-text").addEventListener("click", copy);
}

// === Table ===

function table() {
  const { ranked, tied } = placed();
  const targets = model().targets;
  const head = ["place", "tied_for_first", "code", "headline", "banner"];
  for (const name of targets) head.push(...["mean", "lower", "upper", "percentile"].map((part) => `${name}_${part}`));
  head.push("warnings", ...model().limits.context_names, "model", "model_version");
  const rows = ranked.map((one) => [
    one.place,
    one.leads && tied > 1 ? "yes" : "no",
    one.code,
    one.headline?.text ?? "",
    one.image?.name ?? "",
    ...targets.flatMap((name) => ["mean", "lower", "upper", "percentile"].map((part) => one.score.targets[name][part])),
    one.score.warnings.join(" "),
    ...model().limits.context_names.map((name) => state.context[name] ?? ""),
    state.model,
    state.version,
  ]);
  return BOM + [head, ...rows].map((row) => row.map(field).join(",")).join("\r\n") + "\r\n";
}

/** A field that no spreadsheet takes for a formula. */
function field(value) {
  let text = String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// === Text ===

function lines() {
  const { ranked, tied } = placed();
  const rows = ranked.slice(0, 20).map((one) => {
    const parts = [one.headline && `“${one.headline.text}”`, one.image?.name].filter(Boolean).join(" + ");
    return `${one.place}. ${one.code}  ${percent(one.target.mean)} (${interval(one.target)})  ${parts}`;
  });
  return [t("download.heading"), verdict(ranked, tied), ...rows, made()].join("\n");
}

function verdict(ranked, tied) {
  const kind = verdictKind(ranked, tied);
  return `${leadWords(kind)} ${ranked[0].code}. ${t(`answer.${kind}`, { count: tied - 1, total: ranked.length })}`;
}

const made = () => t("download.made", { model: state.model, version: state.version, quality: quality(model()) });

async function copy() {
  try {
    await navigator.clipboard.writeText(lines());
    notice(t("download.copied"));
  } catch {
    notice(t("download.not_copied"));
  }
}

// === Page ===

/** The ranking as one file: its style, its pictures and nothing to run are inside. */
async function page() {
  const { ranked, tied } = placed();
  const style = await (await fetch(document.querySelector("link[rel=stylesheet]").href)).text();
  const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
  const pictures = await dataUrls(ranked);
  const [head, main] = inert(() => [headOf(policy), mainOf(ranked, tied, pictures)]);
  // The style is the only markup that is no element: as one, this page's own policy would refuse it.
  const start = `<!DOCTYPE html>\n<html lang="en"><head>${head.map((one) => one.outerHTML).join("\n")}\n<style>${style}</style></head>`;
  return `${start}<body class="saved">${main.outerHTML}</body></html>\n`;
}

const headOf = (policy) => [
  h("meta", { charset: "utf-8" }),
  h("meta", { "http-equiv": "Content-Security-Policy", content: policy }),
  h("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
  h("title", {}, t("title")),
];

const mainOf = (ranked, tied, pictures) => h(
  "main",
  {},
  h("h1", {}, t("download.heading")),
  h("p", { class: "verdict" }, verdict(ranked, tied)),
  h("p", { class: "hint" }, [contextText(), made()].filter(Boolean).join(" ")),
  h("div", { class: "scroll" }, savedTable(ranked, pictures)),
  h("p", { class: "hint" }, t("model.meaning")),
);

const contextText = () => Object.entries(state.context).map(([name, value]) => `${name}: ${value}.`).join(" ");

function savedTable(ranked, pictures) {
  const range = scale(ranked);
  const columns = ["place", "banner", "what", "rate", "interval", "percentile"].map((name) => t(`download.column.${name}`, { name: targetName(state.target) }));
  return h(
    "table",
    { class: "saved-table" },
    h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ranked.map((one) => savedRow(one, range, pictures))),
  );
}

function savedRow(one, range, pictures) {
  return h(
    "tr",
    { class: one.leads ? "leads" : "" },
    h("td", {}, String(one.place)),
    h("td", {}, one.image && picture(pictures.get(one.image.id), { width: 96 })),
    h("td", {}, codeTag(one.code), " ", one.headline?.text ?? "", one.image && h("span", { class: "file" }, one.image.name), one.score.warnings.map(tag)),
    h("td", {}, h("strong", {}, range.write(one.target.mean))),
    h("td", {}, bar(one.target, range), interval(one.target)),
    h("td", {}, one.target.percentile.toFixed(0)),
  );
}

async function dataUrls(ranked) {
  const ids = [...new Set(ranked.filter((one) => one.image).map((one) => one.image.id))];
  const read = (blob) => new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(blob);
  });
  const pairs = ids.filter((id) => memory.thumbnails.has(id)).map(async (id) => [id, await read(memory.thumbnails.get(id))]);
  return new Map(await Promise.all(pairs));
}
