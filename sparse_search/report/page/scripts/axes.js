// Axes of a chart: grid, ticks, titles and limits.

import { svg } from "./dom.js";

export const MARGIN = { left: 62, right: 14, top: 12, bottom: 44 };

/** Where the data of a chart of this size lies. */
export function frame(width, height) {
  return {
    left: MARGIN.left,
    right: width - MARGIN.right,
    top: MARGIN.top,
    bottom: height - MARGIN.bottom,
  };
}

/** Grid lines, tick labels and axis titles; `x` and `y` are { scale, title }. */
export function axes(box, x, y) {
  const parts = [];
  for (const { value, label } of y.scale.ticks) {
    const at = y.scale.place(value);
    parts.push(
      svg("line", { class: "grid", x1: box.left, x2: box.right, y1: at, y2: at }),
      svg("text", { class: "tick", x: box.left - 6, y: at + 4, "text-anchor": "end" }, label),
    );
  }
  for (const { value, label } of x.scale.ticks) {
    const at = x.scale.place(value);
    parts.push(
      svg("line", { class: "grid", x1: at, x2: at, y1: box.top, y2: box.bottom }),
      svg("text", { class: "tick", x: at, y: box.bottom + 16, "text-anchor": "middle" }, label),
    );
  }
  const middle = (box.left + box.right) / 2;
  parts.push(
    svg("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }),
    svg("line", { class: "axis", x1: box.left, x2: box.left, y1: box.top, y2: box.bottom }),
    svg(
      "text",
      { class: "axis-title", x: middle, y: box.bottom + 36, "text-anchor": "middle" },
      x.title,
    ),
    rotatedTitle(box, y.title),
  );
  return svg("g", { "aria-hidden": "true" }, parts);
}

/** A limit of the horizontal (`vertical` line) or vertical axis, with its value in words. */
export function limitLine(box, scale, value, label, along) {
  const inside = value <= scale.high;
  const at = scale.place(Math.min(value, scale.high));
  const text = inside ? `limit ${label}` : `limit ${label} →`;
  const line =
    along === "x"
      ? { x1: at, x2: at, y1: box.top, y2: box.bottom }
      : { x1: box.left, x2: box.right, y1: at, y2: at };
  const where = along === "x" ? besideLine(box, at) : aboveLine(box, at, inside);
  const words = along === "x" || inside ? text : `limit ${label} ↑`;
  return svg(
    "g",
    { "aria-hidden": "true" },
    inside ? svg("line", { class: "limit", ...line }) : null,
    svg("text", { class: "limit-label halo", ...where }, words),
  );
}

/** Left of a vertical line, or right of it where it stands near the left edge. */
function besideLine(box, at) {
  const fits = at - box.left > 80;
  return { x: fits ? at - 4 : at + 4, y: box.top + 10, "text-anchor": fits ? "end" : "start" };
}

function aboveLine(box, at, inside) {
  return { x: box.left + 4, y: inside ? at - 5 : box.top + 10 };
}

function rotatedTitle(box, title) {
  const middle = (box.top + box.bottom) / 2;
  const turn = `translate(12 ${middle}) rotate(-90)`;
  return svg("text", { class: "axis-title", transform: turn, "text-anchor": "middle" }, title);
}
