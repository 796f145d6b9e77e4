// The learning curve of a model: validation error after each epoch.

import { axes, frame } from "./axes.js";
import { drawing, element, fill, responsive, svg } from "./dom.js";
import { percent } from "./format.js";
import { counts, errorScale } from "./scale.js";

const HEIGHT = 210;

/** The curve of the float network, and the error of the int8 model that came of it. */
export function learningCurve(model, detail) {
  if (detail.curve.length === 0) {
    return element("p", { class: "note" }, "No learning curve was recorded.");
  }
  const container = element("div", { class: "chart" });
  responsive(container, (width) => fill(container, draw(model, detail.curve, width)));
  const final = percent(model.figures.val_error);
  const text = `Dashed: the int8 model, after pruning, at ${final}.`;
  return [container, element("p", { class: "small" }, text)];
}

function draw(model, curve, width) {
  const box = frame(width, HEIGHT);
  const final = model.figures.val_error;
  const last = Math.max(curve.length, 2);
  const x = {
    scale: counts(1, last, [box.left, box.right - 8]),
    title: "epoch of the dense network",
  };
  const y = {
    scale: errorScale([...curve, final], [box.bottom, box.top]),
    title: "validation error",
  };
  const points = curve.map(
    (error, i) => `${x.scale.place(i + 1).toFixed(1)} ${y.scale.place(error).toFixed(1)}`,
  );
  const level = y.scale.place(final);
  return drawing(
    width,
    HEIGHT,
    `Learning curve: ${percent(curve[0])} after epoch 1, ${percent(curve.at(-1))} after epoch ` +
      `${curve.length}; int8 model ${percent(final)}`,
    axes(box, x, y),
    svg("path", { class: "curve series-0", d: `M${points.join("L")}` }),
    svg("line", { class: "limit", x1: box.left, x2: box.right, y1: level, y2: level }),
  );
}
