"""Hypervolume improvement: what each of many points would add to a front; all minimised.

Notation:
    front      [n, k]     k objectives of n points
    first      [s, m]     first objective of m points, in s equally likely cases
    others     [m, k-1]   their other objectives
    reference  [k]        the corner that bounds the hypervolume from above

Along the first objective the front changes only at its members. So what a point adds is a sum over
the slabs between them: the length of the slab that the point dominates, times what the point adds,
in the other objectives, to the members that reach into the slab. Only the lengths depend on the
first objective, so its expectation over many cases takes little longer than one case (the
expected improvement of Emmerich et al. 2011, with all objectives but one known).
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..pareto import non_dominated

Floats: TypeAlias = NDArray[np.float64]


def hypervolume_improvement(front: Floats, points: Floats, reference: Floats) -> Floats:
    """Volume [m] that each of the points [m, k] adds to what the front dominates; exact.

    O(n^(k-1) m), vectorised over m. Meant for up to four objectives.

    >>> front, points = np.array([[1.0, 2.0]]), np.array([[2.0, 1.0], [1.5, 2.5]])
    >>> hypervolume_improvement(front, points, np.array([3.0, 3.0])).tolist()
    [1.0, 0.0]
    """
    return expected_improvement(front, points[None, :, 0], points[:, 1:], reference)


def expected_improvement(front: Floats, first: Floats, others: Floats, reference: Floats) -> Floats:
    """Mean [m] over the cases of the volume that each point adds."""
    front = front[(front < reference).all(axis=1)]
    front = front[non_dominated(front)] if len(front) else front
    front = front[np.argsort(front[:, 0], kind="stable")]
    starts = np.concatenate(([-np.inf], front[:, 0]))
    ends = np.append(front[:, 0], reference[0])
    total = np.zeros(first.shape[1])
    for count, (start, end) in enumerate(zip(starts, ends, strict=True)):
        lengths = np.clip(end - np.maximum(start, first), 0.0, None).mean(axis=0)
        reached = np.flatnonzero(lengths)
        if len(reached):
            area = _area(front[:count, 1:], others[reached], reference[1:])
            total[reached] += lengths[reached] * area
    return total


def _area(front: Floats, points: Floats, reference: Floats) -> Floats:
    """Improvement [m] in the other objectives; a closed form for up to two of them."""
    if points.shape[1] == 0:
        # In one objective only what is better than the whole front adds anything.
        return np.full(len(points), float(len(front) == 0))
    if points.shape[1] == 1:
        best = np.min(front, initial=float(reference[0]))
        return np.asarray(np.clip(best - points[:, 0], 0.0, None), dtype=np.float64)
    if points.shape[1] > 2:
        return hypervolume_improvement(front, points, reference)
    front = front[non_dominated(front)] if len(front) else front
    front = front[np.argsort(front[:, 0], kind="stable")]
    starts = np.concatenate(([-np.inf], front[:, 0]))[:, None]
    ends = np.append(front[:, 0], reference[0])[:, None]
    heights = np.concatenate(([reference[1]], front[:, 1]))[:, None]
    lengths = np.clip(ends - np.maximum(starts, points[:, 0]), 0.0, None)
    return np.asarray((lengths * np.clip(heights - points[:, 1], 0.0, None)).sum(axis=0))
