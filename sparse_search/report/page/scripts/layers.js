// Layers with weights: which weights are left, and in how many bytes they are stored.

import { drawing, element, fill, responsive, svg } from "./dom.js";
import { bytes, count, percent } from "./format.js";
import { linked } from "./operators.js";

const ROW = 62;
const BAR = 12;
const NUMBERS = 104;

/** Two bars for each layer of a model's detail; `pointed` is the observable operator. */
export function layerBars(detail, pointed) {
  if (detail.layers.length === 0) {
    return element("p", { class: "note" }, "Not known: the model's file is missing.");
  }
  const container = element("div", { class: "chart" });
  responsive(container, (width) => fill(container, draw(detail.layers, pointed, width)));
  const entries = [
    ["kept", "weights kept"],
    ["zero", "set to zero"],
    ["cut", "removed"],
    ["weight-bytes", "bytes of weights"],
    ["other-bytes", "biases, scales, sizes"],
    ["unpruned", "unpruned"],
  ];
  return [container, element("ul", { class: "legend" }, entries.map(legendEntry))];
}

function draw(layers, pointed, width) {
  const end = width - NUMBERS;
  const largest = Math.max(
    ...layers.map((l) => Math.max(l.unpruned_bytes, l.weight_bytes + l.other_bytes)),
  );
  return drawing(
    width,
    ROW * layers.length,
    `Weights and bytes of each layer. ${layers.map(describe).join("; ")}`,
    layers.map((layer, index) => {
      const y = ROW * index;
      const parts = [
        svg("title", {}, describe(layer)),
        svg("rect", { class: "hit", x: 0, y, width, height: ROW - 4 }),
        heading(layer, y, width),
        weights(layer, y + 22, end),
        flash(layer, y + 22 + BAR + 4, end / largest, end),
      ];
      return linked(svg("g", { class: "layer" }, parts.flat()), layer.name, pointed);
    }),
  );
}

function describe(layer) {
  const total = bytes(layer.weight_bytes + layer.other_bytes);
  return (
    `${layer.name}: ${count(layer.nonzeros)} of ${count(layer.unpruned_weights)} weights kept, ` +
    `${total} in flash, ${bytes(layer.unpruned_bytes)} unpruned`
  );
}

function heading(layer, y, width) {
  const stored = layer.encoding === "" ? "removed" : `stored as ${layer.encoding}`;
  return [
    svg("text", { class: "strong", x: 0, y: y + 14 }, layer.name),
    svg("text", { class: "small", x: width, y: y + 14, "text-anchor": "end" }, stored),
  ];
}

function weights(layer, y, end) {
  const share = (number) => (end * number) / layer.unpruned_weights;
  const kept = share(layer.nonzeros);
  const zero = share(layer.weights - layer.nonzeros);
  const sparsity = 1 - layer.nonzeros / layer.unpruned_weights;
  return [
    bar("kept", 0, y, kept),
    bar("zero", kept, y, zero),
    bar("cut", kept + zero, y, end - kept - zero),
    svg("text", { class: "small", x: end + 6, y: y + 10 }, `${percent(sparsity, 0)} sparse`),
  ];
}

function flash(layer, y, scale, end) {
  const total = layer.weight_bytes + layer.other_bytes;
  const unpruned = scale * layer.unpruned_bytes;
  return [
    bar("weight-bytes", 0, y, scale * layer.weight_bytes),
    bar("other-bytes", scale * layer.weight_bytes, y, scale * layer.other_bytes),
    svg("line", { class: "unpruned", x1: unpruned, x2: unpruned, y1: y - 2, y2: y + BAR + 2 }),
    svg("text", { class: "small", x: end + 6, y: y + 10 }, bytes(total)),
  ];
}

function bar(look, x, y, width) {
  return width <= 0 ? null : svg("rect", { class: look, x, y, width, height: BAR });
}

function legendEntry([look, text]) {
  const sign =
    look === "unpruned"
      ? svg("line", { class: look, x1: 8, x2: 8, y1: 0, y2: 12 })
      : svg("rect", { class: look, x: 0.5, y: 0.5, width: 15, height: 11 });
  return element(
    "li",
    {},
    svg("svg", { width: 16, height: 12, "aria-hidden": "true" }, sign),
    text,
  );
}
