// What the board selector found, in sentences.

import { bytes, count, figureName, percent, plural } from "./format.js";
import { figureOf } from "./slice.js";

const WORK = ["instructions", "cycles"];

/** How many models fit, and what the best of them is. */
export function fittingSentence(page, slice) {
  if (page.models.length === 0) {
    return "No model has been measured yet.";
  }
  const bounds = Object.entries(slice.limits).map(([name, limit]) => limitText(name, limit));
  const within = bounds.length > 0 ? ` within ${bounds.join(" and ")}` : "";
  if (slice.front.length === 0) {
    return `None of ${plural(page.models.length, "model")} fits${within}.`;
  }
  const best = slice.front[0];
  const sizes = ["flash_bytes", "arena_bytes"].map((name) => {
    const value = figureOf(best, name, slice.kernels);
    const limit = slice.limits[name];
    const share = limit ? ` (${percent(value / limit, 0)})` : "";
    return `${bytes(value)} of ${figureName(name)}${share}`;
  });
  return (
    `${count(slice.fitting.length)} of ${plural(page.models.length, "model")} fit${within}, ` +
    `${count(slice.front.length)} of them Pareto-optimal. The most accurate, model ${best.id}, ` +
    `has ${percent(best.figures.val_error)} validation error and needs ${sizes.join(" and ")}.` +
    workText(page.details[best.id], slice.emulated)
  );
}

/** What an inference takes on the chosen core, if a verification on it has counted that. */
function workText(detail, core) {
  const certificate = detail?.certificates.find((one) => one.core === core && one.passed);
  const work = certificate?.figures.find(({ name }) => WORK.includes(name));
  return work
    ? ` On emulated ${core}, an inference takes ${count(work.measured)} ${work.name}.`
    : "";
}

/** Which model misses the limits by least, by how much, and which layer or operator sets that. */
export function bottleneckSentence(nearest) {
  if (nearest === null) {
    return "Every measured model fits.";
  }
  const { model, over, isBetter } = nearest;
  const what = isBetter
    ? "The nearest more accurate model that does not fit"
    : "The nearest model that does not fit";
  const reasons = over.map((one) => reason(model, one)).join("; ");
  const error = percent(model.figures.val_error);
  return `${what} is ${model.id} (${error} validation error): ${reasons}.`;
}

function reason(model, { name, value, limit, ratio, sizes }) {
  const excess =
    `${amount(name, value)} of ${figureName(name)} are ${amount(name, value - limit)} ` +
    `(${percent(ratio - 1, 1)}) over the limit of ${amount(name, limit)}`;
  if (name === "arena_bytes" && sizes?.peak_operator) {
    const needs = `${sizes.peak_operator}, which needs ${sizes.peak_buffers}`;
    return `${excess}; the bottleneck is operator ${needs}`;
  }
  const [layer, part] = sizes?.largest[name] ?? [];
  if (layer) {
    return `${excess}; the bottleneck is layer ${layer} with ${amount(name, part)}`;
  }
  return excess;
}

function limitText(name, limit) {
  return `${amount(name, limit)} of ${figureName(name)}`;
}

function amount(name, value) {
  return name.endsWith("_bytes") ? bytes(value) : count(value);
}
