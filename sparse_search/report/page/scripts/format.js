// Numbers as people read them, with their units.

const KIBI = 1024;
// A number and its unit stay on one line.
const BOND = "\u00a0";
// Made once: making one takes longer than drawing a point.
const WHOLE = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

export const FIGURE_NAMES = {
  val_error: "validation error",
  test_error: "test error",
  flash_bytes: "flash",
  arena_bytes: "arena",
};

/** A whole number with separators. */
export function count(value) {
  return WHOLE.format(value);
}

/** Exact bytes. */
export function bytes(value) {
  return `${count(value)}${BOND}B`;
}

/** Bytes in few characters, for axes and boards. */
export function shortBytes(value) {
  for (const [size, unit] of [
    [KIBI * KIBI, "MB"],
    [KIBI, "KB"],
  ]) {
    if (value >= size) {
      return `${Number((value / size).toPrecision(3))}${BOND}${unit}`;
    }
  }
  return `${count(value)}${BOND}B`;
}

/** Bytes in few characters where that is exact, such as a limit. */
export function exactBytes(value) {
  return value % KIBI === 0 ? shortBytes(value) : bytes(value);
}

/** A fraction in percent; "not measured" for null. */
export function percent(fraction, digits = 2) {
  return fraction === null ? "not measured" : `${(100 * fraction).toFixed(digits)}${BOND}%`;
}

/** A figure by its name: errors in percent, bytes in bytes, the rest as counts. */
export function figure(name, value) {
  if (value === null || value === undefined) {
    return "–";
  }
  if (name.includes("error")) {
    return percent(value);
  }
  return name.endsWith("_bytes") ? bytes(value) : count(value);
}

/** The name of a figure for people. */
export function figureName(name) {
  return FIGURE_NAMES[name] ?? name.replaceAll("_", " ");
}

/** A tensor's shape. */
export function shape(sizes) {
  return sizes.join("×");
}

/** "1 model", "2 models". */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * Bytes of a text such as "2048", "2,048 B", "2KB" or "1.5 KiB"; null if it is none. KB is 1024 B.
 *
 * A comma separates thousands only: "1,5 KB" is refused rather than taken for 15.
 */
export function parseSize(text) {
  const plain = text
    .toLowerCase()
    .replace(/\d{1,3}(,\d{3})+(?!\d)/, (digits) => digits.replaceAll(",", ""));
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/.exec(plain);
  const units = { "": 1, b: 1, k: KIBI, kb: KIBI, kib: KIBI };
  for (const name of ["m", "mb", "mib"]) {
    units[name] = KIBI * KIBI;
  }
  const size = match && match[2] in units ? Number(match[1]) * units[match[2]] : NaN;
  return Number.isInteger(size) && size >= 1 ? size : null;
}
