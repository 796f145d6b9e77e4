// Slicing: which measured models fit other limits, which of these are Pareto-optimal, and what
// keeps the nearest other one out. Nothing is trained; nothing here touches the page.

/** A figure of a model; bytes under the given kernels. Undefined if it is not known. */
export function figureOf(model, name, kernels) {
  if (kernels !== "runtime" && (name === "arena_bytes" || name === "flash_bytes")) {
    return model.sizes[kernels]?.[name];
  }
  return model.figures[name];
}

/**
 * The models that fit, and the Pareto-optimal ones among them, the most accurate first.
 *
 * `limits` are bounds by figure; `objectives` are minimised, the error first.
 */
export function sliceFront(models, objectives, limits, kernels) {
  const fitting = models.filter((model) => excesses(model, limits, kernels).length === 0);
  const points = fitting.map((model) => ({
    model,
    values: objectives.map((name) => figureOf(model, name, kernels)),
  }));
  const known = points.filter(({ values }) => values.every((value) => value !== undefined));
  const front = known
    .filter(({ values }) => !known.some((other) => dominates(other.values, values)))
    .sort((a, b) => compare(a.values, b.values) || a.model.id - b.model.id)
    .map(({ model }) => model);
  return { fitting, front, limits, kernels };
}

/**
 * The model that misses the limits by least, and its bottleneck; null if none misses them.
 *
 * Only models that are more accurate than the best that fits are looked at, if there are any.
 * How far a model misses is its largest figure as a multiple of the limit.
 */
export function nearestMisfit(models, objectives, slice) {
  const error = objectives[0];
  const misfits = models
    .map((model) => ({ model, over: excesses(model, slice.limits, slice.kernels) }))
    .filter(({ over }) => over.length > 0 && over.every((one) => one.value !== undefined));
  const best = slice.front.length > 0 ? figureOf(slice.front[0], error, slice.kernels) : Infinity;
  const better = misfits.filter(({ model }) => figureOf(model, error, slice.kernels) < best);
  const ranked = (better.length > 0 ? better : misfits).sort(
    (a, b) =>
      a.over[0].ratio - b.over[0].ratio ||
      figureOf(a.model, error, slice.kernels) - figureOf(b.model, error, slice.kernels) ||
      a.model.id - b.model.id,
  );
  return ranked.length > 0
    ? { ...ranked[0], isBetter: slice.front.length > 0 && better.length > 0 }
    : null;
}

/** The limits that a model breaks, the worst first. */
function excesses(model, limits, kernels) {
  return Object.entries(limits)
    .map(([name, limit]) => {
      const value = figureOf(model, name, kernels);
      const ratio = value === undefined ? Infinity : value / limit;
      return { name, limit, value, ratio, sizes: model.sizes[kernels] };
    })
    .filter(({ ratio }) => ratio > 1)
    .sort((a, b) => b.ratio - a.ratio);
}

function dominates(a, b) {
  return a.every((value, i) => value <= b[i]) && a.some((value, i) => value < b[i]);
}

function compare(a, b) {
  const i = a.findIndex((value, index) => value !== b[index]);
  return i < 0 ? 0 : a[i] - b[i];
}
