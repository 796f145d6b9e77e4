"""Clustering: few different int8 values for the weights of a layer, at the least squared error.

A layer's weights become indices into a short list of values (deep compression, arXiv:1510.00149,
section 3). Values on a line are clustered exactly by dynamic programming (Ckmeans.1d.dp, Wang and
Song 2011, equation 1), so the result is optimal and depends on no random start.

| symbol | meaning |
|---|---|
| x[i], w[i] | distinct levels, ascending, and the importance of each; n of them |
| C[i, j] | least sum of w (x - c)^2 over x[i], ..., x[j], for one whole number c |
| D[k, j] | least error of the first j levels with at most k clusters |

    D[k, j] = min over i of D[k-1, i] + C[i, j-1]

Where 0 must be a value, it is made a level of overwhelming importance: the cluster that it falls
into can only become 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import QuantizationError

_LEVELS = np.arange(-127, 128, dtype=np.int64)
# Times the importance of all levels together: a mean of levels up to 127 stays below one half.
_OVERWHELMING = 1024.0


@dataclass(frozen=True)
class Codebook:
    """The values that the weights of a layer may have.

    Attributes:
        values: Distinct int8 levels, ascending; at least one.
    """

    values: tuple[int, ...]

    @cached_property
    def _nearest(self) -> NDArray[np.int8]:
        """The value for each level from -127 to 127."""
        values = np.array(self.values, dtype=np.int8)
        nearest: NDArray[np.int8] = values[np.abs(_LEVELS[:, None] - values).argmin(axis=1)]
        return nearest

    def nearest(self, levels: NDArray[np.int8]) -> NDArray[np.int8]:
        """The value nearest to each level, any shape; of two the lower one."""
        return self._nearest[levels.astype(np.int16) + 127]


def fit_codebook(
    levels: NDArray[np.integer[Any]],
    importance: NDArray[np.floating[Any]],
    size: int,
    *,
    with_zero: bool,
) -> Codebook:
    """The codebook of least sum of importance * (level - nearest value)^2.

    Args:
        levels: In [-127, 127], any shape.
        importance: Of each level, positive, of the same shape.
        size: Largest number of values, at least 1.
        with_zero: Whether 0 must be one of them.

    >>> fit_codebook(np.array([1, 2, 9, 10, 60]), np.ones(5), 3, with_zero=True).values
    (0, 10, 60)
    """
    if size < 1 or not (with_zero or levels.size):
        raise QuantizationError(
            f"expected levels and room for a value, got {levels.size} levels and a size of {size}"
        )
    places = levels.ravel().astype(np.int64) + 127
    weight = np.bincount(places, importance.ravel(), minlength=len(_LEVELS))
    if with_zero:
        weight[127] = _OVERWHELMING * float(weight.sum()) or 1.0
    present = np.flatnonzero(weight)
    values = _centres(_LEVELS[present], weight[present].astype(np.float64), size)
    return Codebook(tuple(sorted(set(values))))


def _centres(x: NDArray[np.int64], w: NDArray[np.float64], size: int) -> Iterator[int]:
    """The value of each cluster, from the highest to the lowest."""
    n = len(x)
    costs, centres = _cluster_costs(x, w)
    least = np.append(0.0, np.full(n, np.inf))
    starts = []
    for _ in range(min(size, n)):
        totals = least[:n, None] + costs
        starts.append(totals.argmin(axis=0))
        least = np.append(0.0, totals.min(axis=0))
    end = n
    while end > 0:
        start = int(starts.pop()[end - 1])
        yield int(centres[start, end - 1])
        end = start


def _cluster_costs(
    x: NDArray[np.int64], w: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """C [n, n], infinite below the diagonal, and the value c of each cluster."""
    upper = np.triu(np.ones((len(x), len(x)), dtype=bool))
    # The quadratic is least at the mean, and among whole numbers at the nearest to it.
    total, first, second = (np.where(upper, _span_sums(w * x**power), 1.0) for power in (0, 1, 2))
    centres = np.rint(first / total)
    costs = second - 2.0 * centres * first + centres**2 * total
    return np.where(upper, costs, np.inf), centres.astype(np.int64)


def _span_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum from i to j inclusive, [n, n]; meaningless where j < i."""
    sums = np.append(0.0, np.cumsum(values))
    spans: NDArray[np.float64] = sums[None, 1:] - sums[:-1, None]
    return spans
