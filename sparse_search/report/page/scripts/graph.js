// The graph of a model: operators from top to bottom, tensors as edges with their shapes.

import { drawing, element, fill, responsive, svg } from "./dom.js";
import { count, shape } from "./format.js";
import { kindText, linked } from "./operators.js";

const NODE = 44;
const GAP = 30;
const LANE = 16;
const MOST_WIDTH = 440;

/** The graph of a model's detail; `pointed` is the observable operator. */
export function graphView(detail, pointed) {
  if (detail.operators.length === 0) {
    return element(
      "p",
      { class: "note" },
      "The model's file is missing, so its graph is not known.",
    );
  }
  const container = element("div", { class: "chart" });
  return responsive(container, (width) => fill(container, draw(detail, pointed, width)));
}

function draw(detail, pointed, available) {
  const [inputName, inputShape] = detail.input;
  const rows = new Map([[inputName, 0]]);
  detail.operators.forEach(({ output }, index) => rows.set(output, index + 1));
  const edges = detail.operators.flatMap(({ inputs }, index) =>
    inputs.map((name) => ({ from: rows.get(name), to: index + 1 })),
  );
  const side = inLanes(edges.filter(({ from, to }) => to > from + 1));
  const lanes = 1 + Math.max(-1, ...side.map(({ lane }) => lane));
  const width = Math.min(available, MOST_WIDTH);
  const nodeWidth = width - 8 - lanes * LANE;
  const height = (detail.operators.length + 1) * (NODE + GAP) - GAP + 8;
  const input = {
    name: inputName,
    kind: "input",
    shape: inputShape,
    window: "",
    activation: "none",
    parameters: 0,
    macs: 0,
  };
  const nodes = [input, ...detail.operators];
  const straight = edges.filter(({ from, to }) => to === from + 1);
  return drawing(
    width,
    height,
    `Graph of ${detail.operators.length} operators: ${detail.operators.map(describe).join("; ")}`,
    straight.map(({ from }) => straightEdge(from, nodeWidth)),
    side.map((edge) => sideEdge(edge, nodeWidth)),
    nodes.map((node, row) => operatorNode(node, row, nodeWidth, pointed)),
  );
}

function describe({ name, kind, inputs, shape: sizes }) {
  return `${name}, ${kindText(kind)} of ${inputs.join(" and ")}, ${shape(sizes)}`;
}

/** Gives every edge that passes by operators a lane that no other one uses there. */
function inLanes(edges) {
  const ends = [];
  return edges.map((edge) => {
    let lane = ends.findIndex((end) => end <= edge.from);
    lane = lane < 0 ? ends.length : lane;
    ends[lane] = edge.to;
    return { ...edge, lane };
  });
}

function top(row) {
  return 4 + row * (NODE + GAP);
}

function straightEdge(from, width) {
  const d = `M${width / 2} ${top(from) + NODE}V${top(from + 1)}`;
  return svg("path", { class: "edge", d, "marker-end": "url(#arrow)" });
}

function sideEdge({ from, to, lane }, width) {
  const start = top(from) + NODE - 12;
  const end = top(to) + 12;
  const x = width + 4 + (lane + 0.7) * LANE;
  const d = `M${width} ${start}H${x - 6}q6 0 6 6V${end - 6}q0 6 -6 6H${width + 1}`;
  return svg("path", { class: "edge", d, "marker-end": "url(#arrow)" });
}

function operatorNode(node, row, width, pointed) {
  const { name, kind } = node;
  const first = kind === "input" ? "input" : kindText(kind);
  const costs = [
    node.window,
    node.activation === "relu" ? "relu" : "",
    node.parameters ? `${count(node.parameters)} params` : "",
    node.macs ? `${count(node.macs)} MACs` : "",
  ].filter((text) => text !== "");
  const y = top(row);
  const mark = svg(
    "g",
    { class: `node kind-${kind}` },
    svg("title", {}, `${name}: ${first}; ${costs.join(", ")}`),
    svg("rect", { x: 1, y, width: width - 1, height: NODE, rx: 5 }),
    svg("rect", { class: "band", x: 1, y, width: 5, height: NODE, rx: 2 }),
    svg(
      "text",
      { class: "strong", x: 14, y: y + 18 },
      kind === "input" ? name : `${name}  `,
      kind === "input" ? null : svg("tspan", { class: "kind" }, first),
    ),
    svg(
      "text",
      { class: "strong", x: width - 8, y: y + 18, "text-anchor": "end" },
      shape(node.shape),
    ),
    svg("text", { class: "small", x: 14, y: y + 35 }, fitted(costs, width - 22)),
  );
  return kind === "input" ? mark : linked(mark, name, pointed);
}

/** As many of the texts as have room. */
function fitted(texts, width) {
  let line = "";
  for (const text of texts) {
    const longer = line === "" ? text : `${line} · ${text}`;
    if (5.6 * longer.length > width) {
      break;
    }
    line = longer;
  }
  return line;
}
