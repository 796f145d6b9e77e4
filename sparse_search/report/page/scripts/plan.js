// The memory plan of a model: time from top to bottom, the bytes of the arena from left to right.

import { drawing, element, fill, responsive, svg } from "./dom.js";
import { bytes } from "./format.js";
import { linked } from "./operators.js";
import { bytesFromZero } from "./scale.js";

const ROW = 34;
const TOP = 6;
const BOTTOM = 42;
const PER_CHARACTER = 6.3;

/** The arena of a model's detail over time; `pointed` is the observable operator. */
export function planView(detail, pointed) {
  const { plan } = detail;
  if (!plan) {
    return element(
      "p",
      { class: "note" },
      "The model's file is missing, so its plan is not known.",
    );
  }
  const container = element("div", { class: "chart" });
  responsive(container, (width) => fill(container, draw(detail, pointed, width)));
  const bound = plan.optimal ? "; no smaller arena is possible in this order" : "";
  return [
    element(
      "p",
      { class: "peak-text" },
      `Arena of ${bytes(plan.arena_bytes)}${bound}. `,
      element("strong", {}, `The peak is at ${plan.peak_operator}: `),
      `${plan.peak_buffers}.`,
    ),
    plan.note === "" ? null : element("p", { class: "note" }, `Planned anew: ${plan.note}.`),
    container,
    planLegend(detail),
  ].filter((part) => part !== null);
}

function draw({ plan, input }, pointed, width) {
  const names = Math.max(...plan.operators.map((name) => name.length));
  const left = Math.min(0.3 * width, 14 + PER_CHARACTER * names);
  const right = width - 64;
  const bottom = TOP + ROW * plan.operators.length;
  const scale = bytesFromZero(plan.arena_bytes, [left, right]);
  const peak = plan.operators.indexOf(plan.peak_operator);
  const tensors = plan.allocations.filter((buffer) => buffer.kind === "tensor");
  const ends = [input[0], tensors[tensors.length - 1].name];
  return drawing(
    width,
    bottom + BOTTOM,
    `Memory plan of ${plan.operators.length} operators: ${steps(plan).join("; ")}`,
    svg("rect", { class: "free", x: left, y: TOP, width: right - left, height: bottom - TOP }),
    svg("rect", { class: "peak-row", x: 0, y: TOP + ROW * peak, width, height: ROW }),
    plan.allocations.map((buffer) => bufferMark(buffer, scale, ends)),
    overlaps(plan.allocations, scale),
    plan.allocations.map((buffer) => bufferLabel(buffer, plan.allocations, scale)),
    plan.operators.map((name, row) => rowLabels(plan, name, row, right, row === peak, pointed)),
    bytesAxis(scale, left, right, bottom),
  );
}

function steps({ operators, step_bytes }) {
  return operators.map((name, row) => `${name} needs ${bytes(step_bytes[row])}`);
}

function place({ offset_bytes, size_bytes, first, last }, scale) {
  const x = scale.place(offset_bytes);
  return {
    x,
    y: TOP + ROW * first + 1,
    width: Math.max(1, scale.place(offset_bytes + size_bytes) - x),
    height: ROW * (last - first + 1) - 2,
  };
}

function bufferMark(buffer, scale, ends) {
  const kind =
    buffer.kind === "scratch" ? "scratch" : ends.includes(buffer.name) ? "end" : "tensor";
  const title = `${buffer.name}: ${bytes(buffer.size_bytes)} at offset ${buffer.offset_bytes}`;
  const attributes = { class: `buffer ${kind}`, ...place(buffer, scale) };
  return svg("rect", attributes, svg("title", {}, title));
}

/** The name of a buffer where no other one covers it; shorter, or none, where there is no room. */
function bufferLabel(buffer, buffers, scale) {
  const spot = roomiest(buffer, buffers);
  const left = scale.place(spot.low);
  const width = scale.place(spot.high) - left;
  const texts = [`${buffer.name} ${bytes(buffer.size_bytes)}`, buffer.name];
  const text = texts.find((one) => PER_CHARACTER * one.length + 6 <= width);
  if (text === undefined) {
    return null;
  }
  const at = { x: left + width / 2, y: TOP + ROW * spot.row + ROW / 2 + 4 };
  return svg("text", { class: "buffer-label", "text-anchor": "middle", ...at }, text);
}

/** The widest stretch of a buffer that is its own while some operator runs. */
function roomiest(buffer, buffers) {
  let best = { row: buffer.first, low: buffer.offset_bytes, high: buffer.offset_bytes };
  for (let row = buffer.first; row <= buffer.last; row += 1) {
    let low = buffer.offset_bytes;
    const end = low + buffer.size_bytes;
    const others = buffers
      .filter((other) => other !== buffer && other.first <= row && row <= other.last)
      .sort((a, b) => a.offset_bytes - b.offset_bytes);
    for (const { offset_bytes, size_bytes } of [...others, { offset_bytes: end, size_bytes: 0 }]) {
      const high = Math.min(offset_bytes, end);
      best = high - low > best.high - best.low ? { row, low, high } : best;
      low = Math.max(low, offset_bytes + size_bytes);
    }
  }
  return best;
}

/** What an operator reads first and then overwrites with its output. */
function overlaps(buffers, scale) {
  const marks = [];
  buffers.forEach((a, index) => {
    for (const b of buffers.slice(0, index)) {
      const low = Math.max(a.offset_bytes, b.offset_bytes);
      const high = Math.min(a.offset_bytes + a.size_bytes, b.offset_bytes + b.size_bytes);
      const first = Math.max(a.first, b.first);
      const last = Math.min(a.last, b.last);
      if (low < high && first <= last) {
        const shared = { offset_bytes: low, size_bytes: high - low, first, last };
        marks.push(svg("rect", { class: "overlap", ...place(shared, scale) }));
      }
    }
  });
  return marks;
}

function rowLabels(plan, name, row, right, isPeak, pointed) {
  const y = TOP + ROW * row + ROW / 2 + 4;
  const look = isPeak ? "strong" : "";
  const needed = bytes(plan.step_bytes[row]);
  const title = `${name} needs ${needed}${isPeak ? ": the peak" : ""}`;
  const mark = svg(
    "g",
    { class: "step" },
    svg("title", {}, title),
    svg("rect", { class: "hit", x: 0, y: TOP + ROW * row, width: right + 64, height: ROW }),
    svg("text", { class: look, x: 4, y }, name),
    svg("text", { class: `small ${look}`, x: right + 60, y, "text-anchor": "end" }, needed),
  );
  return linked(mark, name, pointed);
}

function bytesAxis(scale, left, right, bottom) {
  return svg(
    "g",
    { "aria-hidden": "true" },
    scale.ticks
      .map(({ value, label }) => {
        const x = scale.place(value);
        return [
          svg("line", { class: "grid over", x1: x, x2: x, y1: bottom, y2: bottom + 4 }),
          svg("text", { class: "tick", x, y: bottom + 17, "text-anchor": "middle" }, label),
        ];
      })
      .flat(),
    svg("line", { class: "limit", x1: right, x2: right, y1: TOP, y2: bottom }),
    svg(
      "text",
      { class: "axis-title", x: (left + right) / 2, y: bottom + 34, "text-anchor": "middle" },
      "offset in the arena",
    ),
    svg("text", { class: "tick", x: right + 60, y: bottom + 17, "text-anchor": "end" }, "needed"),
  );
}

function planLegend({ plan }) {
  const entries = [
    ["end", "input, output"],
    ["tensor", "tensor"],
  ];
  if (plan.allocations.some(({ kind }) => kind === "scratch")) {
    entries.push(["scratch", "scratch"]);
  }
  entries.push(
    ["overlap", "input, then output over it"],
    ["free", "free"],
    ["peak-row", "the peak"],
  );
  const swatch = (look) =>
    svg(
      "svg",
      { width: 16, height: 12, "aria-hidden": "true" },
      svg("rect", {
        class:
          look === "free" || look === "peak-row" || look === "overlap" ? look : `buffer ${look}`,
        width: 16,
        height: 12,
      }),
    );
  return element(
    "ul",
    { class: "legend" },
    entries.map(([look, text]) => element("li", {}, swatch(look), text)),
  );
}
