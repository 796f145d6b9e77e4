// The front in three linked views: error against flash, error against arena, flash against arena.

import { element, svg } from "./dom.js";
import { figure, percent } from "./format.js";
import { MARKER_WORDS, markerPath } from "./markers.js";
import { scatter } from "./scatter.js";
import { figureOf } from "./slice.js";

const AXES = {
  val_error: { kind: "error", title: "validation error" },
  flash_bytes: { kind: "bytes", title: "flash (bytes)" },
  arena_bytes: { kind: "bytes", title: "arena (bytes)" },
};

const VIEWS = [
  { x: "flash_bytes", y: "val_error", title: "Error against flash" },
  { x: "arena_bytes", y: "val_error", title: "Error against arena" },
  { x: "arena_bytes", y: "flash_bytes", title: "Flash against arena" },
];

/** The section with the three views of `page`, drawn again whenever the slice changes. */
export function frontViews(page) {
  const redraws = [];
  const panels = VIEWS.map(({ x, y, title }) => {
    const container = element("div", { class: "chart", "data-view": `${y}-${x}` });
    const view = {
      title,
      x: { ...AXES[x], limit: () => page.slice.get().limits[x] },
      y: { ...AXES[y], limit: () => page.slice.get().limits[y] },
      points: () => points(page, x, y),
      stairs: y === "val_error",
      hovered: page.hovered,
      selected: page.selected,
      select: page.select,
      tooltip: page.tooltip,
    };
    redraws.push(scatter(container, view));
    return element("figure", { class: "view" }, element("figcaption", {}, title), container);
  });
  page.slice.changed(() => redraws.forEach((redraw) => redraw()));
  return element(
    "section",
    { id: "front" },
    element("h2", {}, "The front"),
    element("div", { class: "views" }, panels),
    legend(page),
  );
}

function points(page, x, y) {
  const slice = page.slice.get();
  const front = new Set(slice.front);
  const fitting = new Set(slice.fitting);
  return page.models
    .map((model) => ({
      model,
      x: figureOf(model, x, slice.kernels),
      y: figureOf(model, y, slice.kernels),
    }))
    .filter((place) => place.x !== undefined && place.y !== undefined)
    .map((place) => ({
      ...place,
      key: place.model.id,
      text: String(place.model.id),
      shape: place.model.effort,
      strong: front.has(place.model),
      fits: fitting.has(place.model),
      series: 0,
      label: modelLabel(place.model, slice, front.has(place.model)),
      lines: modelLines(place.model, slice),
    }));
}

function modelLabel(model, slice, isOptimal) {
  return `${modelLines(model, slice).join(", ")}${isOptimal ? ", Pareto-optimal" : ""}`;
}

function modelLines(model, slice) {
  const show = (name) => figure(name, figureOf(model, name, slice.kernels));
  return [
    `Model ${model.id}`,
    `${percent(model.figures.val_error)} validation error`,
    `${show("flash_bytes")} of flash, ${show("arena_bytes")} of arena`,
    `${MARKER_WORDS[model.effort]}${model.pruning ? `, ${model.pruning}` : ""}`,
  ];
}

/** What the markers mean, for the kinds of models that there are. */
function legend(page) {
  const efforts = Object.keys(MARKER_WORDS).filter((effort) =>
    page.models.some((model) => model.effort === effort),
  );
  const entries = efforts.map((effort) => entry(effort, "strong", MARKER_WORDS[effort]));
  entries.push(
    entry("search", "faint", "dominated"),
    entry("search", "faint over", "over a limit"),
  );
  return element(
    "ul",
    { class: "legend" },
    entries,
    element(
      "li",
      { class: "hint no-print" },
      "Click a model, or press Enter on it, to see it below.",
    ),
  );
}

function entry(shape, look, words) {
  const marker = svg("path", { d: markerPath(shape, 5) });
  const picture = svg(
    "svg",
    { width: 16, height: 16, viewBox: "-8 -8 16 16", "aria-hidden": "true" },
    svg("g", { class: `point ${look} series-0` }, marker),
  );
  return element("li", {}, picture, words);
}
