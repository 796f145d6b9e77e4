"""Scalarizations: one number from several objectives, a new random compromise for each proposal.

Notation:
    f        [n, k]  objectives of n candidates, minimised
    a_k, b_k         box of objective k: the values that the search is to aim at
    λ_k              weight of objective k

Paria, Kandasamy and Póczos 2018 (arXiv:1805.12168) draw the weights from a distribution that says
which part of the front is wanted. With 1/λ_k ~ U[a_k, b_k], as in SpArSe (arXiv:1905.12107), the
minimum of max_k λ_k f_k is the smallest t for which every objective is at most t times its
threshold 1/λ_k.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
ScalarizationKind: TypeAlias = Literal["max", "chebyshev"]
Rule: TypeAlias = Literal["hypervolume", "max", "chebyshev"]
"""How a strategy chooses: the expected hypervolume improvement, or a scalarization."""

_LOWEST_SHARE_OF_LIMIT = 0.05
_AIMED_QUANTILE = 0.75
_WIDENING = 1.5


class Scalarization(Protocol):
    """One number per candidate, minimised."""

    def __call__(self, values: Floats) -> Floats:
        """Scores [n] of objectives [n, k]."""
        ...


@dataclass(frozen=True, eq=False)
class WeightedMax:
    """max_k λ_k f_k.

    Attributes:
        weights: λ, [k], positive.
    """

    weights: Floats

    def __call__(self, values: Floats) -> Floats:
        """Scores [n] of objectives [n, k]."""
        return np.asarray((values * self.weights).max(axis=1), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class AugmentedChebyshev:
    """max_k λ_k g_k + slope Σ_k λ_k g_k, with g_k = (f_k - a_k) / (b_k - a_k) (Knowles 2006).

    The sum tells apart candidates of equal maximum, so that no dominated one wins.

    Attributes:
        weights: λ, [k], at least 0, of sum 1.
        low: a, [k].
        high: b, [k], above ``low``.
        slope: Weight of the sum.
    """

    weights: Floats
    low: Floats
    high: Floats
    slope: float = 0.05

    def __call__(self, values: Floats) -> Floats:
        """Scores [n] of objectives [n, k]."""
        weighted = self.weights * (values - self.low) / (self.high - self.low)
        return np.asarray(weighted.max(axis=1) + self.slope * weighted.sum(axis=1))


@dataclass(frozen=True, eq=False)
class Boxes:
    """Which values of the objectives the search is to aim at.

    Attributes:
        low: a, [k], positive.
        high: b, [k], above ``low``.
    """

    low: Floats
    high: Floats

    def draw(self, kind: ScalarizationKind, generator: np.random.Generator) -> Scalarization:
        """A random compromise inside the boxes."""
        if kind == "max":
            return WeightedMax(1.0 / generator.uniform(self.low, self.high))
        weights = generator.dirichlet(np.ones(len(self.low)))
        return AugmentedChebyshev(weights, self.low, self.high)


def choose_boxes(
    objectives: Sequence[str],
    seen: Floats,
    limits: Mapping[str, float],
    modelled: Sequence[str],
) -> Boxes:
    """Boxes from limits and from what was seen.

    A limited objective aims at a twentieth of its limit up to all of it, a modelled one (the error)
    at the best three quarters of the values seen, any other at the whole range seen.

    Args:
        objectives: Names of the k objectives.
        seen: [n, k] measured values, at least one row.
        limits: Limits by objective name.
        modelled: Names of the objectives that only a measurement tells.
    """
    low, high = seen.min(axis=0), seen.max(axis=0)
    for k, name in enumerate(objectives):
        if name in limits:
            low[k], high[k] = _LOWEST_SHARE_OF_LIMIT * limits[name], limits[name]
        elif name in modelled:
            high[k] = np.quantile(seen[:, k], _AIMED_QUANTILE)
    # An objective may be 0 (no error), or have one value only.
    low = np.maximum(low, 1e-3)
    return Boxes(low, np.where(high > low, high, _WIDENING * low))
