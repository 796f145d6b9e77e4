// Hypervolume against evaluations: how fast a front grew, of one run or of several.

import { axes, frame } from "./axes.js";
import { drawing, element, fill, responsive, svg } from "./dom.js";
import { figure, figureName } from "./format.js";
import { counts, linear } from "./scale.js";

const HEIGHT = 260;
const SERIES = 4;

/** The reference point in words. */
export function referenceText(reference) {
  const corner = Object.entries(reference).map(
    ([name, value]) => `${figureName(name)} ${figure(name, value)}`,
  );
  const point = corner.join(", ");
  return `Share of the box below the reference point (${point}) that the front dominates.`;
}

/** Steps of one or more curves { fractions }, in colours by their order. */
export function volumeChart(curves) {
  const container = element("div", { class: "chart" });
  return responsive(container, (width) => fill(container, draw(curves, width)));
}

function draw(curves, width) {
  const box = frame(width, HEIGHT);
  const longest = Math.max(2, ...curves.map(({ fractions }) => fractions.length));
  const most = Math.max(...curves.flatMap(({ fractions }) => fractions), 0);
  const x = {
    scale: counts(1, longest, [box.left, box.right - 8]),
    title: "measured models, in the order of their ids",
  };
  const y = {
    scale: linear(
      0,
      most > 0 ? 1.08 * most : 1,
      [box.bottom, box.top],
      (v) => `${Number((100 * v).toPrecision(3))} %`,
    ),
    title: "hypervolume",
  };
  return drawing(
    width,
    HEIGHT,
    `Hypervolume against evaluations: ${curves.map(lastText).join("; ")}`,
    axes(box, x, y),
    curves.map(({ fractions }, index) => curve(fractions, index, x.scale, y.scale)),
  );
}

function curve(fractions, index, x, y) {
  if (fractions.length === 0) {
    return null;
  }
  const steps = fractions.map(
    (value, i) => `H${x.place(i + 1).toFixed(1)}V${y.place(value).toFixed(1)}`,
  );
  const start = `M${x.place(1).toFixed(1)} ${y.place(0).toFixed(1)}`;
  return svg("path", { class: `curve series-${index % SERIES}`, d: start + steps.join("") });
}

function lastText({ fractions }) {
  return fractions.length > 0
    ? `${(100 * fractions.at(-1)).toFixed(1)} % in the end`
    : "no model yet";
}
