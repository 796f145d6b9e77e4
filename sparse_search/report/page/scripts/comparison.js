// The page of several runs: fronts over one another, hypervolume, and a table.

import { element, svg } from "./dom.js";
import { bytes, count, percent } from "./format.js";
import { markerPath } from "./markers.js";
import { observable } from "./observable.js";
import { scatter } from "./scatter.js";
import { createTooltip } from "./tooltip.js";
import { referenceText, volumeChart } from "./volume.js";

const SHAPES = ["search", "final", "pruned", "square"];
const VIEWS = [
  { x: "flash_bytes", y: "val_error", title: "Error against flash" },
  { x: "arena_bytes", y: "val_error", title: "Error against arena" },
  { x: "arena_bytes", y: "flash_bytes", title: "Flash against arena" },
];
const AXES = {
  val_error: { kind: "error", title: "validation error", limit: () => undefined },
  flash_bytes: { kind: "bytes", title: "flash (bytes)", limit: () => undefined },
  arena_bytes: { kind: "bytes", title: "arena (bytes)", limit: () => undefined },
};

const contents = JSON.parse(document.getElementById("contents").textContent);
const { runs } = contents;
const hovered = observable(null);
const selected = observable(null);
const tooltip = createTooltip();

document.getElementById("page").append(header(), views(), volume(), table());

function header() {
  return element(
    "header",
    {},
    element("p", { class: "kind" }, "sparse-search report · comparison"),
    element("h1", {}, runs.map(({ name }) => name).join(" and ")),
    contents.notes.map((text) => element("p", { class: "advice", role: "note" }, text)),
    legend(),
  );
}

/** Colour and shape of a run; no two of sixteen have both in common. */
function look(index) {
  const round = Math.floor(index / SHAPES.length);
  return { series: index % SHAPES.length, shape: SHAPES[(index + round) % SHAPES.length] };
}

function legend() {
  return element(
    "ul",
    { class: "legend" },
    runs.map((run, index) => {
      const { series, shape } = look(index);
      const line = svg("path", { class: `curve series-${series}`, d: "M0 8H34" });
      const marker = svg("path", { d: markerPath(shape, 5) });
      const attributes = { class: `point strong series-${series}`, transform: "translate(17 8)" };
      const point = svg("g", attributes, marker);
      const picture = svg("svg", { width: 34, height: 16, "aria-hidden": "true" }, line, point);
      return element("li", {}, picture, run.name);
    }),
  );
}

function views() {
  const panels = VIEWS.map(({ x, y, title }) => {
    const container = element("div", { class: "chart", "data-view": `${y}-${x}` });
    scatter(container, {
      title,
      x: AXES[x],
      y: AXES[y],
      points: () => points(x, y),
      stairs: y === "val_error",
      hovered,
      selected,
      select: (key) => selected.set(selected.get() === key ? null : key),
      tooltip,
    });
    return element("figure", { class: "view" }, element("figcaption", {}, title), container);
  });
  return element(
    "section",
    { id: "front" },
    element("h2", {}, "The fronts"),
    element("div", { class: "views" }, panels),
  );
}

function points(x, y) {
  return runs.flatMap((run, index) =>
    run.front.map((model) => {
      const lines = [
        `${run.name}: model ${model.id}`,
        `${percent(model.val_error)} validation error`,
        `${bytes(model.flash_bytes)} of flash, ${bytes(model.arena_bytes)} of arena`,
      ];
      return {
        key: `${index}:${model.id}`,
        text: String(model.id),
        x: model[x],
        y: model[y],
        ...look(index),
        strong: true,
        fits: true,
        label: lines.join(", "),
        lines,
      };
    }),
  );
}

function volume() {
  return element(
    "section",
    { id: "volume" },
    element("h2", {}, "Hypervolume over evaluations"),
    element("p", { class: "small" }, referenceText(contents.reference)),
    volumeChart(runs.map(({ curve }) => curve)),
  );
}

function table() {
  const columns = {
    run: (run) => run.name,
    "data set": (run) => run.dataset,
    strategy: (run) => run.strategy,
    measured: (run) => count(run.measured),
    front: (run) => count(run.front.length),
    "in joint front": (run) => count(run.joint),
    "val error": ({ best }) => (best ? percent(best.val_error) : "–"),
    "test error": (run) => (run.test_error === null ? "–" : percent(run.test_error)),
    flash: ({ best }) => (best ? bytes(best.flash_bytes) : "–"),
    arena: ({ best }) => (best ? bytes(best.arena_bytes) : "–"),
    hypervolume: ({ curve }) => percent(curve.fractions.at(-1) ?? 0, 1),
  };
  const heads = Object.keys(columns).map((name) => element("th", { scope: "col" }, name));
  const rows = runs.map((run) =>
    element(
      "tr",
      {},
      Object.values(columns).map((text) => element("td", {}, text(run))),
    ),
  );
  return element(
    "section",
    { id: "table" },
    element("h2", {}, "The runs"),
    element(
      "p",
      { class: "small" },
      "Errors, flash and arena are those of the most accurate model of each front. " +
        "The joint front is that of all runs together.",
    ),
    element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Runs" },
      element(
        "table",
        { class: "plain" },
        element("thead", {}, element("tr", {}, heads)),
        element("tbody", {}, rows),
      ),
    ),
  );
}
