// A view of models as points: one figure against another, by pointer and by keyboard.

import { axes, frame, limitLine } from "./axes.js";
import { drawing, fill, responsive, svg } from "./dom.js";
import { exactBytes } from "./format.js";
import { placeLabels } from "./labels.js";
import { markerPath } from "./markers.js";
import { byteScale, errorScale } from "./scale.js";
import { neighbour } from "./walk.js";

const STRONG_RADIUS = 5.5;
const FAINT_RADIUS = 4;
const REACH = 22;
const FAR_LIMIT = 2;

/**
 * Draws a view into a container and keeps it in step with what is hovered and selected.
 *
 * `view` has { title, x, y, points, stairs, hovered, selected, select, tooltip }: `x` and `y` are
 * { kind: "error" or "bytes", title, limit() }, `points()` gives { key, text, x, y, shape, strong,
 * fits, series, label, lines }. Returns a function that draws everything again.
 */
export function scatter(container, view) {
  let drawn = null;
  let size = 0;
  const draw = (width = size) => {
    size = width;
    const focused = drawn?.marks.find((mark) => mark.node === document.activeElement)?.point.key;
    drawn = drawView(view, width);
    fill(container, drawn.picture);
    listen(view, drawn);
    show(view, drawn);
    drawn.marks.find((mark) => mark.point.key === focused)?.node.focus();
  };
  responsive(container, draw);
  for (const state of [view.hovered, view.selected]) {
    state.changed(() => show(view, drawn));
  }
  return () => draw();
}

function drawView(view, width) {
  const height = Math.round(Math.min(380, Math.max(270, 0.82 * width)));
  const box = frame(width, height);
  const points = view.points();
  const x = axis(
    view.x,
    points.map((point) => point.x),
    [box.left, box.right],
  );
  const y = axis(
    view.y,
    points.map((point) => point.y),
    [box.bottom, box.top],
  );
  // Strong points are drawn last, on top of the faint ones.
  const ordered = [...points].sort((a, b) => Number(a.strong) - Number(b.strong));
  const marks = ordered.map((point) => mark(point, x.scale.place(point.x), y.scale.place(point.y)));
  const strong = marks.filter(({ point }) => point.strong);
  const labels = placeLabels(
    strong.map((m) => ({ text: m.point.text, x: m.x, y: m.y })),
    box,
  );
  const picture = drawing(
    width,
    height,
    `${view.title}. Arrow keys move among the Pareto-optimal models, with Shift among all.`,
    axes(box, x, y),
    limits(view, box, x.scale, y.scale),
    view.stairs ? stairs(strong, box) : null,
    marks.map(({ node }) => node),
    svg("g", { class: "labels halo", "aria-hidden": "true" }, labels.map(labelText)),
  );
  picture.setAttribute("role", "group");
  return { picture, marks };
}

function axis({ kind, title, limit }, values, range) {
  const bound = limit();
  const near = bound !== undefined && bound <= FAR_LIMIT * Math.max(...values, 1);
  const shown = near ? [...values, bound] : values;
  return { title, scale: kind === "error" ? errorScale(shown, range) : byteScale(shown, range) };
}

function limits(view, box, x, y) {
  return [
    ["x", view.x.limit(), x],
    ["y", view.y.limit(), y],
  ]
    .filter(([, value]) => value !== undefined)
    .map(([along, value, scale]) => limitLine(box, scale, value, exactBytes(value), along));
}

function mark(point, x, y) {
  const look = `${point.strong ? "strong" : "faint"}${point.fits ? "" : " over"}`;
  const radius = point.strong ? STRONG_RADIUS : FAINT_RADIUS;
  const node = svg(
    "g",
    {
      class: `point ${look} series-${point.series}`,
      transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
      role: "button",
      tabindex: "-1",
      "aria-label": point.label,
      "data-key": point.key,
    },
    svg("circle", { class: "ring", r: radius + 4 }),
    svg("path", { d: markerPath(point.shape, radius) }),
  );
  return { node, point, x, y };
}

function labelText({ text, x, y }) {
  return svg("text", { x: x.toFixed(1), y: y.toFixed(1) }, text);
}

/** For each series, a line of the points that nothing to their left beats. */
function stairs(marks, box) {
  const series = new Set(marks.map(({ point }) => point.series));
  return [...series].map((number) => {
    const ordered = marks
      .filter(({ point }) => point.series === number)
      .sort((a, b) => a.x - b.x || b.y - a.y);
    let path = "";
    let best = -Infinity;
    for (const { x, y } of ordered) {
      if (y > best) {
        path += path === "" ? `M${x} ${y}` : `H${x}V${y}`;
        best = y;
      }
    }
    return svg("path", { class: `stairs series-${number}`, d: `${path}H${box.right}` });
  });
}

function listen(view, drawn) {
  const { picture, marks } = drawn;
  const nearest = (event) => nearestMark(marks, picture, event);
  const hover = (mark) => {
    view.hovered.set(mark ? mark.point.key : null);
    if (mark) {
      view.tooltip.show(mark.point.lines, mark.node);
    } else {
      view.tooltip.hide();
    }
  };
  picture.addEventListener("pointermove", (event) => hover(nearest(event)));
  picture.addEventListener("pointerleave", () => hover(null));
  picture.addEventListener("click", (event) => {
    const mark = nearest(event);
    if (mark) {
      view.select(mark.point.key, false);
    }
  });
  const byNode = new Map(marks.map((mark) => [mark.node, mark]));
  picture.addEventListener("focusin", (event) => hover(byNode.get(event.target) ?? null));
  picture.addEventListener("focusout", () => hover(null));
  picture.addEventListener("keydown", (event) => {
    const mark = byNode.get(event.target);
    if (mark) {
      press(view, drawn, mark, event);
    }
  });
}

function press(view, drawn, mark, event) {
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    view.select(mark.point.key, true);
    return;
  }
  const next = neighbour(drawn.marks, mark, event.key, event.shiftKey);
  if (next) {
    event.preventDefault();
    next.node.focus();
  }
}

/** The mark next to the pointer, a strong one rather than a faint one; null if none is near. */
function nearestMark(marks, picture, event) {
  const box = picture.getBoundingClientRect();
  const scale = picture.viewBox.baseVal.width / box.width;
  const x = (event.clientX - box.left) * scale;
  const y = (event.clientY - box.top) * scale;
  let best = null;
  let least = REACH;
  for (const mark of marks) {
    const distance = Math.hypot(mark.x - x, mark.y - y) + (mark.point.strong ? 0 : 3);
    if (distance <= least) {
      best = mark;
      least = distance;
    }
  }
  return best;
}

/** Marks what is hovered and selected; one point can be reached by the Tab key. */
function show(view, drawn) {
  const hovered = view.hovered.get();
  const selected = view.selected.get();
  const strong = drawn.marks.filter(({ point }) => point.strong);
  const entry =
    drawn.marks.find(({ point }) => point.key === (hovered ?? selected)) ??
    strong[0] ??
    drawn.marks[0];
  for (const mark of drawn.marks) {
    mark.node.classList.toggle("hovered", mark.point.key === hovered);
    mark.node.classList.toggle("selected", mark.point.key === selected);
    mark.node.setAttribute("aria-pressed", String(mark.point.key === selected));
    mark.node.setAttribute("tabindex", mark === entry ? "0" : "-1");
  }
}
