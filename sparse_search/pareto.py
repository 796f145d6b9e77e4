"""Pareto dominance, the front of a set of evaluations, and exact hypervolume; all minimised.

Notation:
    values     [n, k]  k objectives of n points
    reference  [k]     the corner that bounds the hypervolume from above
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .candidate import Evaluation

if TYPE_CHECKING:
    from .target import Limits


def non_dominated(values: ArrayLike) -> NDArray[np.bool_]:
    """Which points no other point dominates.

    A point dominates another if it is nowhere larger and somewhere smaller. So equal points do
    not dominate each other: all copies of an optimal point are kept.

    Args:
        values: [n, k], finite.

    Returns:
        [n], True for the Pareto-optimal points.

    >>> non_dominated([[1, 2], [2, 1], [2, 2], [1, 2]]).tolist()
    [True, True, False, True]
    """
    points = _as_points(values)
    optimal = np.ones(len(points), dtype=np.bool_)
    for i, point in enumerate(points):
        rivals = points[optimal]
        no_larger = (rivals <= point).all(axis=1)
        optimal[i] = not bool((no_larger & (rivals < point).any(axis=1)).any())
    return optimal


def hypervolume(values: ArrayLike, reference: ArrayLike) -> float:
    """Volume that the points dominate below the reference point; exact.

    Slices along the last objective, recursively: O(n log n) for two objectives, a factor n more
    for each further one. Meant for up to four objectives and some hundred points.

    Args:
        values: [n, k], finite; points not below ``reference`` in every objective add nothing.
        reference: [k].

    >>> hypervolume([[1, 2], [2, 1]], [3, 3])
    3.0
    """
    corner = np.asarray(reference, dtype=np.float64)
    points = _as_points(values, columns=len(corner))
    return _volume(points[(points < corner).all(axis=1)], corner)


def _as_points(values: ArrayLike, columns: int | None = None) -> NDArray[np.float64]:
    """Values as a checked float64 array [n, k]; no points at all may have any shape."""
    points = np.asarray(values, dtype=np.float64)
    if points.size == 0:
        return np.empty((0, columns or 1))
    if points.ndim != 2 or (columns is not None and points.shape[1] != columns):
        raise ValueError(f"expected points [n, {columns or 'k'}], got shape {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("expected finite objective values; leave out what was not measured")
    return points


def _volume(points: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Hypervolume of points [n, k] that are all below the reference [k]."""
    if len(points) == 0:
        return 0.0
    if points.shape[1] == 1:
        return float(reference[0] - points.min())
    points = points[non_dominated(points)]
    if points.shape[1] == 2:
        points = points[np.lexsort((points[:, 1], points[:, 0]))]
        heights = np.concatenate(([reference[1]], points[:-1, 1])) - points[:, 1]
        return float(((reference[0] - points[:, 0]) * heights).sum())
    points = points[np.argsort(points[:, -1], kind="stable")]
    thickness = np.diff(np.append(points[:, -1], reference[-1]))
    return sum(
        float(depth) * _volume(points[: count + 1, :-1], reference[:-1])
        for count, depth in enumerate(thickness)
        if depth > 0
    )


def objective_values(
    evaluations: Sequence[Evaluation], objectives: Sequence[str]
) -> NDArray[np.float64]:
    """Objectives [n, k] of evaluations, the columns in the order of the names.

    Raises:
        ValueError: An evaluation lacks one of the objectives.
    """
    rows = []
    for evaluation in evaluations:
        missing = [name for name in objectives if name not in evaluation.objectives]
        if missing:
            raise ValueError(
                f"candidate {evaluation.candidate.id} has no {', '.join(missing)}; "
                "evaluate it again with these objectives"
            )
        rows.append([evaluation.objectives[name] for name in objectives])
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(objectives))


@dataclass(frozen=True)
class ParetoFront:
    """The evaluations that no other one dominates.

    Attributes:
        objectives: Names of the objectives that were compared.
        evaluations: The Pareto-optimal ones, by first objective, then the others, then id.
    """

    objectives: tuple[str, ...]
    evaluations: tuple[Evaluation, ...]

    @staticmethod
    def of(
        evaluations: Sequence[Evaluation],
        objectives: Sequence[str],
        limits: "Limits | None" = None,
    ) -> "ParetoFront":
        """The front of evaluations.

        Args:
            evaluations: What to choose from.
            objectives: Names of the objectives to compare; each evaluation must have them.
            limits: If given, only evaluations whose measured figures meet them are compared.
        """
        eligible = [e for e in evaluations if limits is None or meets(e, limits)]
        values = objective_values(eligible, objectives)
        keep = [eligible[i] for i in np.flatnonzero(non_dominated(values))]
        keep.sort(key=lambda e: (*(e.objectives[name] for name in objectives), e.candidate.id))
        return ParetoFront(tuple(objectives), tuple(keep))

    @property
    def values(self) -> NDArray[np.float64]:
        """Objectives [n, k] of the front, in the order of ``evaluations``."""
        return objective_values(self.evaluations, self.objectives)

    def __len__(self) -> int:
        return len(self.evaluations)

    def __contains__(self, evaluation: Any) -> bool:
        return evaluation in self.evaluations

    def hypervolume(self, reference: ArrayLike) -> float:
        """Volume that the front dominates below ``reference`` [k]."""
        return hypervolume(self.values, reference)


def meets(evaluation: Evaluation, limits: "Limits") -> bool:
    """Whether the measured figures of an evaluation are within the limits.

    Raises:
        ValueError: A figure that is limited was not recorded.
    """
    figures = {**evaluation.objectives, **evaluation.metrics}
    missing = [name for name in limits.by_figure if name not in figures]
    if missing:
        raise ValueError(
            f"candidate {evaluation.candidate.id} has no {', '.join(missing)}, which is limited; "
            "evaluate it again"
        )
    return all(figures[name] <= bound for name, bound in limits.by_figure.items())


def within_limits(evaluations: Sequence[Evaluation], limits: "Limits") -> NDArray[np.bool_]:
    """Which evaluations keep the limits, [n]; all of them if none does."""
    kept = np.array([meets(evaluation, limits) for evaluation in evaluations], dtype=np.bool_)
    return kept if kept.any() else ~kept
