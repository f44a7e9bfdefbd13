//<![CDATA[
// Search, filter and order of the list of creatives. The page is whole without it.
(() => {
  "use strict";
  const form = document.getElementById("find");
  const groups = [...document.querySelectorAll(".group")];
  const together = document.getElementById("flat");
  const lines = [...document.querySelectorAll(".line")].map((node) => ({
    node,
    row: Number(node.dataset.row),
    group: node.dataset.group,
    values: node.dataset.values.trim().split(" ").map((text) => (text ? Number(text) : NaN)),
    places: node.dataset.places ? node.dataset.places.split(" ") : null,
    begins: node.dataset.begins ? node.dataset.begins.trim().split(" ") : null,
    words: null,
  }));

  const chosen = (name) => (form.elements[name] ? form.elements[name].value : "");

  // Rows without a score come last, whatever the order.
  function byValue(target, direction) {
    return (one, other) => {
      const a = one.values[target] ?? NaN;
      const b = other.values[target] ?? NaN;
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return direction * (b - a) || one.row - other.row;
    };
  }

  function arrange() {
    const target = Number(chosen("target"));
    const order = chosen("order");
    const inside = order === "inside";
    const rules = {
      inside: byValue(target, 1),
      high: byValue(target, 1),
      low: byValue(target, -1),
      table: (one, other) => one.row - other.row,
    };
    lines.sort(rules[order]);
    const lists = groups.map((group) => group.querySelector(".lines"));
    const single = groups.length === 1;
    const moved = [...lists, together].map(() => document.createDocumentFragment());
    for (const line of lines) {
      moved[inside || single ? line.group : lists.length].append(line.node);
      if (line.places) {
        line.node.querySelector(".place").textContent = line.places[target] || "\u2013";
        line.node.classList.toggle("begins", line.begins[target] === "1");
      }
    }
    [...lists, together].forEach((list, number) => list.append(moved[number]));
    together.hidden = inside || single;
    document.body.classList.toggle("together", !together.hidden);
    document.body.classList.toggle("unordered", !(inside || (single && order === "high")));
    for (const node of document.querySelectorAll("[data-target]")) {
      node.hidden = Number(node.dataset.target) !== target;
    }
  }

  function filter() {
    const query = chosen("query").toLowerCase().split(/\s+/).filter(Boolean);
    const show = chosen("show");
    const group = chosen("group");
    const kinds = {
      first: (line) => line.node.querySelector(".place").textContent.split("\u2013")[0] === "1",
      warned: (line) => line.node.querySelector(".tag") !== null,
      failed: (line) => line.node.querySelector(".error") !== null,
    };
    const found = new Set();
    let count = 0;
    for (const line of lines) {
      line.words ??= line.node.querySelector(".what").textContent.toLowerCase();
      const hit =
        (group === "" || line.group === group) ? query.every((word) => line.words.includes(word)) : false;
      line.node.hidden = !(hit ? !show || kinds[show](line) : false);
      if (!line.node.hidden) {
        count += 1;
        found.add(line.group);
      }
    }
    groups.forEach((node, number) => {
      node.hidden = !together.hidden || !found.has(String(number));
    });
    document.getElementById("count").textContent =
      count === lines.length ? `${count} creatives` : `${count} of ${lines.length} creatives`;
  }

  let waiting = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (event.target.name === "order" || event.target.name === "target") arrange();
      filter();
    }, event.target.name === "query" ? 80 : 0);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  arrange();
  filter();
})();
//]]>
