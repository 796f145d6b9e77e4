// Markers of points: a shape for each kind of model, so that colour is never all there is.

const SHAPES = {
  search: circle,
  final: (r) =>
    polygon([
      [0, -1.3 * r],
      [1.3 * r, 0],
      [0, 1.3 * r],
      [-1.3 * r, 0],
    ]),
  pruned: (r) =>
    polygon([
      [0, -1.25 * r],
      [1.2 * r, 0.95 * r],
      [-1.2 * r, 0.95 * r],
    ]),
  square: (r) =>
    polygon([
      [-r, -r],
      [r, -r],
      [r, r],
      [-r, r],
    ]),
};

export const MARKER_WORDS = {
  search: "searched",
  final: "trained longer",
  pruned: "pruned further",
};

/** The path of a marker around the origin. */
export function markerPath(shape, radius) {
  return (SHAPES[shape] ?? circle)(radius);
}

function circle(r) {
  return `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
}

function polygon(corners) {
  return `M${corners.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z`;
}
