// Patterns that figures share. They stand once in the page, so that none is lost with a figure.

import { svg } from "./dom.js";

/** The arrow head of edges and the hatching of overlaps, in a picture of no size. */
export function sharedPatterns() {
  const head = { id: "arrow", markerWidth: 8, markerHeight: 8, refX: 7, refY: 4, orient: "auto" };
  const turned = { patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return svg(
    "svg",
    { class: "shared", width: 0, height: 0, "aria-hidden": "true" },
    svg("marker", head, svg("path", { class: "arrow", d: "M0 0L8 4L0 8Z" })),
    svg(
      "pattern",
      { id: "hatch", width: 6, height: 6, ...turned },
      svg("rect", { class: "hatch", width: 1.6, height: 6 }),
    ),
    svg(
      "pattern",
      { id: "stripes", width: 5, height: 5, ...turned },
      svg("rect", { class: "stripe-ground", width: 5, height: 5 }),
      svg("rect", { class: "stripe", width: 2, height: 5 }),
    ),
  );
}
