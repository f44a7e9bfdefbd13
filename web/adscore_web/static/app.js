// Puts the page together.

import { models, setToken } from "./api.js";
import * as arrivals from "./arrivals.js";
import * as banners from "./banners.js";
import * as context from "./context.js";
import { byId, h, show } from "./dom.js";
import * as detail from "./detail.js";
import * as downloads from "./downloads.js";
import * as grid from "./grid.js";
import { onChange } from "./drawing.js";
import * as header from "./header.js";
import * as headlines from "./headlines.js";
import * as live from "./live.js";
import * as notice from "./notice.js";
import { loadModels, pump, retry } from "./scoring.js";
import { change, memory, onWork, restore, state } from "./state.js";
import { t } from "./texts.js";

async function main() {
  onWork(pump);
  for (const part of [arrivals, headlines, banners, context, notice, header, grid, detail, live, downloads]) part.start();
  onChange(drawProblem);
  for (const name of ["grid", "ranking"]) {
    byId(`view-${name}`).addEventListener("click", () => change(() => (state.view = name)));
  }
  const asked = models(); // while the database opens
  asked.catch(() => {}); // loadModels hears of it
  await restore();
  change();
  for (const image of state.images) if (!image.refusal) banners.addThumbnail(image);
  await loadModels(asked);
}

// === Why nothing goes on ===

let shown = null;

function drawProblem() {
  const problem = memory.problem;
  const area = byId("problem");
  area.hidden = !problem;
  if (problem === shown) return; // what is typed into it stays
  shown = problem;
  if (!problem) return show(area);
  const isToken = problem.kind === "token";
  const again = h("button", { key: "retry", on: { click: retry } }, t("problem.retry"));
  show(
    area,
    h("div", {}, h("h2", {}, t(`problem.${problem.kind}.title`)), h("p", {}, t(`problem.${problem.kind}.text`, problem))),
    isToken ? tokenForm() : again,
  );
}

function tokenForm() {
  const field = h("input", { type: "password", id: "token", autocomplete: "off", key: "token" });
  const submit = (event) => {
    event.preventDefault();
    if (!field.value.trim()) return;
    setToken(field.value);
    retry();
  };
  return h("form", { class: "token", on: { submit } }, h("label", { for: "token" }, t("problem.token.label")), field, h("button", { type: "submit" }, t("problem.token.button")));
}

main();
