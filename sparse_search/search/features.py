"""What the surrogate sees of a candidate: its encoding, and what its memory plan says.

A few figures of the whole network explain most of its error: how narrow it gets, how much it
computes, how much it holds. They follow exactly from the candidate, so they are handed to the
surrogate, which would need many more evaluations to find them in the encoding.
"""

from collections.abc import Sequence
from math import log2

import numpy as np
from numpy.typing import NDArray

from ..candidate import Candidate
from ..forecast import Forecaster
from ..memory import MemoryPlan
from ..space import SearchSpace
from .encode import dimensions, encode

_LARGEST_LOG2 = 16.0
"""Figures from 1 to 2^16 fill [0, 1]; larger ones count as 2^16."""

SUMMARY_NAMES = ("nonzeros", "macs", "narrowest", "features", "largest")


def summarize(plan: MemoryPlan) -> NDArray[np.float64]:
    """Figures [5] of a network on a log scale, in [0, 1], in the order of ``SUMMARY_NAMES``.

    Nonzero weights, multiply-accumulates, elements of the narrowest tensor between input and
    output, elements that enter the first fully connected layer, elements of the largest tensor.
    """
    features = next(x.input_bytes for x in plan.layers if x.kind == "dense")
    largest = max(x.output_bytes for x in plan.layers)
    figures = (plan.nonzeros, plan.macs, _narrowest(plan), features, largest)
    return np.array([min(log2(max(x, 1)) / _LARGEST_LOG2, 1.0) for x in figures])


def capacity(plan: MemoryPlan) -> float:
    """A rough guess, before training, of how well a network can do; more is better.

    Of random networks of one size those with narrow tensors fail; of the others, those that hold
    and compute more are better.
    """
    return log2(_narrowest(plan)) + log2(max(plan.macs, 1)) + log2(max(plan.nonzeros, 1))


def _narrowest(plan: MemoryPlan) -> int:
    """Elements of the smallest tensor that is neither input nor output; the input without one."""
    written = (x.output_bytes for x in plan.layers[:-1] if x.output_bytes)
    return min(written, default=plan.layers[0].input_bytes)


def feature_groups(space: SearchSpace) -> tuple[str, ...]:
    """Group of each column of ``featurize``'s values; every summary is a group of its own."""
    return (
        *(dimension.group for dimension in dimensions(space)),
        *(f"network.{name}" for name in SUMMARY_NAMES),
    )


def featurize(
    space: SearchSpace, candidates: Sequence[Candidate], plans: Sequence[MemoryPlan]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Candidates as points for the surrogate.

    Args:
        space: The space that the candidates are from.
        candidates: n candidates.
        plans: Their predicted plans.

    Returns:
        Values [n, d] in [0, 1] and activities [n, d]: encoding, then summary.
    """
    width = len(feature_groups(space))
    values = np.zeros((len(candidates), width))
    active = np.ones((len(candidates), width), dtype=np.bool_)
    split = width - len(SUMMARY_NAMES)
    for i, (candidate, plan) in enumerate(zip(candidates, plans, strict=True)):
        values[i, :split], active[i, :split] = encode(space, candidate)
        values[i, split:] = summarize(plan)
    return values, active


class Featurizer:
    """Points of candidates whose plans are predicted; remembers those that are asked for often."""

    def __init__(self, forecaster: Forecaster) -> None:
        """Remembers nothing yet.

        Args:
            forecaster: Predicts plans.
        """
        self.forecaster = forecaster
        self._rows: dict[object, tuple[NDArray[np.float64], NDArray[np.bool_]]] = {}

    def remembered(
        self, candidates: Sequence[Candidate]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Values [n, d] and activities [n, d] of candidates that will be asked for again."""
        space = self.forecaster.space
        width = len(feature_groups(space))
        values = np.empty((len(candidates), width))
        active = np.empty((len(candidates), width), dtype=np.bool_)
        for i, candidate in enumerate(candidates):
            key = candidate.key
            if key not in self._rows:
                (value,), (exists,) = featurize(
                    space, [candidate], [self.forecaster.plan(candidate)]
                )
                self._rows[key] = value, exists
            values[i], active[i] = self._rows[key]
        return values, active
