// Walking among points with the arrow keys: sideways along x, up and down along y.

const STEPS = {
  ArrowRight: ["x", 1],
  ArrowLeft: ["x", -1],
  ArrowUp: ["y", -1],
  ArrowDown: ["y", 1],
};

/**
 * The mark that a key leads to; undefined if there is none, or the key is another one.
 *
 * Only strong marks are visited, or all of them with `everywhere`.
 */
export function neighbour(marks, from, key, everywhere) {
  const strong = marks.filter(({ point }) => point.strong);
  const places = everywhere || strong.length === 0 ? [...marks] : strong;
  if (key === "Home" || key === "End") {
    places.sort(by("x"));
    return places.at(key === "Home" ? 0 : -1);
  }
  if (!(key in STEPS)) {
    return undefined;
  }
  const [along, step] = STEPS[key];
  const order = by(along);
  const ahead = places.filter((mark) => step * order(mark, from) > 0).sort(order);
  return step > 0 ? ahead[0] : ahead.at(-1);
}

/** An order along one axis in which no two points are equal. */
function by(along) {
  const across = along === "x" ? "y" : "x";
  return (a, b) => a[along] - b[along] || a[across] - b[across] || order(a.point.key, b.point.key);
}

function order(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
