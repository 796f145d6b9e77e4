// Labels of points that hide neither each other nor a point; those without room are left out.

const HEIGHT = 12;
const PER_CHARACTER = 6.4;
const OFFSETS = [
  [1, -1],
  [-1, -1],
  [1, 1],
  [-1, 1],
  [0, -1],
  [0, 1],
  [1, 0],
  [-1, 0],
];

/** Places for texts: [{ text, x, y, anchor }] of those that have room inside `box`. */
export function placeLabels(points, box) {
  const taken = points.map(({ x, y }) => around(x, y, 5));
  const placed = [];
  for (const { text, x, y } of points) {
    const own = around(x, y, 5);
    const rectangles = OFFSETS.map((offset) => rectangle(text, x, y, offset));
    const free = rectangles.find(
      (r) => isInside(r, box) && !taken.some((other) => overlap(r, other) && !same(own, other)),
    );
    if (free) {
      taken.push(free);
      placed.push({ text, x: free.left, y: free.bottom - 2.5 });
    }
  }
  return placed;
}

function rectangle(text, x, y, [right, down]) {
  const width = PER_CHARACTER * text.length;
  const left = right > 0 ? x + 6 : right < 0 ? x - 6 - width : x - width / 2;
  const middle = y + down * (right === 0 ? 13 : 7);
  return { left, right: left + width, top: middle - HEIGHT / 2, bottom: middle + HEIGHT / 2 };
}

function around(x, y, radius) {
  return { left: x - radius, right: x + radius, top: y - radius, bottom: y + radius };
}

function isInside(a, box) {
  return a.left >= box.left && a.right <= box.right && a.top >= box.top && a.bottom <= box.bottom;
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

function same(a, b) {
  return a.left === b.left && a.top === b.top;
}
