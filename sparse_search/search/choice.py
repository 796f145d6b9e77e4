"""Choosing from a pool.

The rules:

- "hypervolume": the largest expected hypervolume improvement. All objectives but the error are
  known exactly, so the expectation is over the error alone, and is computed and not sampled. The
  front that is to be improved is that of the believed errors, not of the luckiest measurements.
- "max", "chebyshev": the best under a random compromise and one Thompson sample of the error, as
  in SpArSe.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..target import Limits
from .beliefs import Beliefs, Points
from .improvement import expected_improvement, hypervolume_improvement
from .observations import error_of_guessing
from .scalarization import Rule, choose_boxes

Floats: TypeAlias = NDArray[np.float64]

_CASES = 32
_BEYOND_LIMIT, _BEYOND_SEEN = 1.02, 1.1
_WORST_ERROR = 10.0
"""A model with more than this many times the least error is worth nothing."""


def choose(
    rule: Rule,
    beliefs: Beliefs,
    limits: Limits,
    seen: Floats,
    pending: Floats,
    pool: Points,
    generator: np.random.Generator,
) -> int:
    """Which candidate of the pool is proposed.

    Args:
        rule: How.
        beliefs: What is believed about them.
        limits: What models must keep.
        seen: Objectives [n, k] of evaluated candidates as they are judged, at least one.
        pending: Objectives [q, k] expected of candidates that are being evaluated.
        pool: m candidates.
        generator: Source of randomness.
    """
    kind = "max" if rule == "hypervolume" else rule
    if rule == "hypervolume":
        front = np.concatenate((seen, pending))
        improvement = _improvement(beliefs, front, pool, reference(beliefs, limits, seen))
        if improvement.max() > 0.0:
            return int(np.argmax(improvement))
        # Nothing improves the front: what comes closest to a random compromise may still teach.
    names = [objective.name for objective in beliefs.objectives]
    boxes = choose_boxes(names, seen, limits.by_figure, list(beliefs.surrogates))
    scalarization = boxes.draw(kind, generator)
    return int(np.argmin(scalarization(beliefs.sampled(pool, generator))))


def reference(beliefs: Beliefs, limits: Limits, seen: Floats) -> Floats:
    """Corner [k] of the hypervolume: limits, else the worst seen; of errors, ten times the best.

    It lies a little above limits, so that a model of exactly the limit is worth something. Were it
    at the error of guessing, the smallest networks, which hardly learn, would gain the most.
    """
    guessing = error_of_guessing(beliefs.forecaster.space.class_count)
    worst = _BEYOND_SEEN * seen.max(axis=0)
    for column, objective in enumerate(beliefs.objectives):
        if objective.name in limits.by_figure:
            worst[column] = _BEYOND_LIMIT * limits.by_figure[objective.name]
        elif objective.name in beliefs.surrogates:
            worst[column] = min(guessing, _WORST_ERROR * float(seen[:, column].min()))
    return np.asarray(np.maximum(worst, np.finfo(np.float64).tiny))


def _improvement(beliefs: Beliefs, front: Floats, pool: Points, reference: Floats) -> Floats:
    """Expected hypervolume improvement [m], each objective in units of its reference.

    The expectation is over the first objective that must be measured; further ones count with
    their median.
    """
    values, front = pool.known / reference, front / reference
    corner = np.ones(len(reference))
    if not beliefs.columns:
        return hypervolume_improvement(front, values, corner)
    cases: Floats | None = None
    for column, surrogate in beliefs.columns.items():
        belief = surrogate.posterior(pool.values, pool.active)
        cases = belief.cases(_CASES) / reference[column] if cases is None else cases
        values[:, column] = belief.median / reference[column]
    first = next(iter(beliefs.columns))
    order = [first, *(column for column in range(len(reference)) if column != first)]
    assert cases is not None
    return expected_improvement(front[:, order], cases, values[:, order[1:]], corner)
