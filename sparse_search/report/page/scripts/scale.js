// Scales: from numbers to pixels, with ticks at round numbers.

import { shortBytes } from "./format.js";

const LOG_FROM_RATIO = 4;

/** Errors (fractions): logarithmic where they spread, an error of zero at the foot. */
export function errorScale(errors, range) {
  const positive = errors.filter((error) => error > 0);
  if (positive.length === 0) {
    return linear(0, 1, range, percentTick);
  }
  const low = Math.min(...positive);
  const high = Math.max(...positive);
  const zero = positive.length < errors.length;
  if (!zero && high <= LOG_FROM_RATIO * low) {
    const margin = Math.max(0.12 * (high - low), 0.1 * high);
    return linear(Math.max(0, low - margin), Math.min(1, high + margin), range, percentTick);
  }
  const foot = zero ? low / 2 : low / 1.25;
  const scale = logarithmic(foot / (zero ? 1.2 : 1), Math.min(1.15, 1.25 * high), range, foot);
  const every = Math.abs(range[1] - range[0]) / 34;
  const ticks = decimalTicks(low / 1.25, Math.min(1, 1.25 * high), every);
  scale.ticks = ticks.map((value) => ({ value, label: percentTick(value) }));
  if (zero) {
    scale.ticks.unshift({ value: 0, label: "0 %" });
  }
  return scale;
}

/** Sizes in bytes: logarithmic where they spread, ticks at powers of two. */
export function byteScale(sizes, range) {
  const positive = sizes.filter((size) => size > 0);
  const low = Math.min(...positive, Infinity);
  const high = Math.max(...positive, 1);
  const most = Math.max(2, Math.abs(range[1] - range[0]) / 62);
  if (positive.length > 0 && high > LOG_FROM_RATIO * low) {
    const spread = (high / low) ** 0.08;
    const scale = logarithmic(low / spread, high * spread, range, low / spread);
    scale.ticks = binaryTicks(low / spread, high * spread, most);
    return scale;
  }
  const middle = positive.length > 0 ? (low + high) / 2 : high;
  const half = 0.62 * Math.max(high - Math.min(low, high), 0.5 * high);
  return linearBytes([Math.max(0, middle - half), middle + half], range, most);
}

/** From 0 to `end` bytes, ticks at multiples of a power of two. */
export function bytesFromZero(end, range) {
  return linearBytes([0, end], range, Math.max(2, Math.abs(range[1] - range[0]) / 70));
}

/** From `low` to `high`, with ticks at round decimal numbers and labels by `text`. */
export function linear(low, high, range, text) {
  const scale = straight(low, high, range);
  // Pixels from tick to tick: labels are wider than high, and y axes run upwards.
  const apart = range[1] < range[0] ? 32 : 50;
  const wanted = (high - low) / Math.max(2, Math.abs(range[1] - range[0]) / apart);
  const step = roundUp(wanted);
  for (let i = Math.ceil(low / step); i * step <= high * (1 + 1e-9); i += 1) {
    const value = Number((i * step).toPrecision(12));
    scale.ticks.push({ value, label: text(value) });
  }
  return scale;
}

/** Whole numbers from `low` to `high`. */
export function counts(low, high, range) {
  const scale = linear(low, high, range, String);
  scale.ticks = scale.ticks.filter(({ value }) => Number.isInteger(value));
  return scale;
}

function linearBytes([low, high], range, most) {
  const scale = straight(low, high, range);
  const step = 2 ** Math.max(0, Math.ceil(Math.log2((high - low) / most)));
  for (let i = Math.ceil(low / step); i * step <= high; i += 1) {
    scale.ticks.push({ value: i * step, label: shortBytes(i * step) });
  }
  return scale;
}

function straight(low, high, [start, end]) {
  const place = (value) => start + ((value - low) / (high - low)) * (end - start);
  return { place, low, high, ticks: [] };
}

function logarithmic(low, high, [start, end], least) {
  const total = Math.log(high / low);
  const place = (value) => start + (Math.log(Math.max(value, least) / low) / total) * (end - start);
  return { place, low, high, ticks: [] };
}

function roundUp(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return [1, 2, 5, 10].map((multiple) => multiple * power).find((round) => round >= step);
}

function decimalTicks(low, high, most) {
  const choices = [[1, 1.5, 2, 3, 4, 5, 7], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]];
  let ticks = [];
  for (const multiples of choices) {
    ticks = [];
    for (let decade = Math.floor(Math.log10(low)); decade <= Math.log10(high); decade += 1) {
      ticks.push(...multiples.map((multiple) => Number(`${multiple}e${decade}`)));
    }
    ticks = ticks.filter((tick) => low <= tick && tick <= high);
    if (ticks.length <= most) {
      break;
    }
  }
  return ticks;
}

function binaryTicks(low, high, most) {
  const powers = [];
  for (let k = Math.ceil(Math.log2(low)); 2 ** k <= high; k += 1) {
    powers.push(2 ** k);
  }
  const every = Math.ceil(powers.length / most);
  return powers
    .filter((_, index) => (powers.length - 1 - index) % every === 0)
    .map((value) => ({ value, label: shortBytes(value) }));
}

function percentTick(value) {
  return `${Number((100 * value).toPrecision(3))} %`;
}
