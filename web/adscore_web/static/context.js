// Where the creatives run: a menu for each context that the model learned.

import { byId, h, show } from "./dom.js";
import { onChange } from "./drawing.js";
import { forget } from "./scoring.js";
import { change, model, state } from "./state.js";
import { t } from "./texts.js";

export function start() {
  onChange(drawContext);
}

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
    ? h("select", { id, key: id, on: { change: set } }, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)))
    : h("input", { id, key: id, value: chosen, placeholder: t("context.any"), on: { change: set } });
  return h("div", { class: "field" }, h("label", { for: id }, name), field);
}
