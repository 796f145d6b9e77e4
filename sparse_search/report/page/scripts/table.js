// The table of the front: the columns and numbers of front.csv, sorted by any of them.

import { element, fill } from "./dom.js";
import { count, percent, plural } from "./format.js";
import { figureOf } from "./slice.js";

/** The section with the table of the front of the current slice. */
export function frontTable(page) {
  const order = { column: "val_error", up: true };
  const caption = element("p", { class: "small", id: "table-text" });
  const head = element("tr", {});
  const body = element("tbody", {});
  const rows = () => {
    const slice = page.slice.get();
    fill(
      body,
      sorted(slice, order).map((model) => row(page, model, slice)),
    );
    fill(caption, captionText(page, slice));
    mark(page, body);
  };
  const headings = page.columns.map(([name, title]) =>
    heading(name, title, order, () => {
      order.up = order.column === name ? !order.up : true;
      order.column = name;
      headings.forEach((cell) => sortState(cell, order));
      rows();
    }),
  );
  fill(head, headings);
  headings.forEach((cell) => sortState(cell, order));
  page.slice.listen(rows);
  for (const state of [page.hovered, page.selected]) {
    state.listen(() => mark(page, body));
  }
  const table = element(
    "table",
    { id: "front-table", "aria-describedby": "table-text" },
    element("thead", {}, head),
    body,
  );
  return element(
    "section",
    { id: "table" },
    element("h2", {}, "The models of the front"),
    caption,
    element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Front" },
      table,
    ),
  );
}

function captionText(page, slice) {
  const kernels = slice.kernels === "runtime" ? "the exported C" : slice.kernels;
  const errors = "Errors are those of the int8 models; the test error never chooses.";
  return `${plural(slice.front.length, "model")}, flash and arena under ${kernels}. ${errors}`;
}

function heading(name, title, order, sort) {
  const button = element("button", { type: "button", click: sort }, title);
  return element("th", { scope: "col", "data-column": name }, button);
}

function sortState(cell, order) {
  const here = cell.dataset.column === order.column;
  cell.setAttribute("aria-sort", here ? (order.up ? "ascending" : "descending") : "none");
}

function sorted(slice, { column, up }) {
  const value = (model) => valueOf(model, column, slice.kernels) ?? Infinity;
  const models = [...slice.front];
  return models.sort((a, b) => (up ? 1 : -1) * (value(a) - value(b)) || a.id - b.id);
}

function valueOf(model, column, kernels) {
  return column === "candidate" ? model.id : figureOf(model, column, kernels);
}

function row(page, model, slice) {
  const cells = page.columns.map(([name]) => {
    const value = valueOf(model, name, slice.kernels);
    if (name === "candidate") {
      return element(
        "th",
        { scope: "row" },
        element("a", { href: `#model-${model.id}` }, String(model.id)),
      );
    }
    return element("td", {}, cellText(name, value));
  });
  return element(
    "tr",
    {
      "data-key": model.id,
      click: () => page.select(model.id, false),
      pointerenter: () => page.hovered.set(model.id),
      pointerleave: () => page.hovered.set(null),
    },
    cells,
  );
}

function cellText(name, value) {
  if (value === null || value === undefined) {
    return "–";
  }
  return name.includes("error") ? percent(value) : count(value);
}

function mark(page, body) {
  for (const line of body.rows) {
    const key = Number(line.dataset.key);
    line.classList.toggle("hovered", key === page.hovered.get());
    line.classList.toggle("selected", key === page.selected.get());
  }
}
