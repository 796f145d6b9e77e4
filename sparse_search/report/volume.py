"""Hypervolume of a study's front against evaluations, below a reference point that is stated.

Notation:
    k          number of objectives
    reference  [k]  the corner that bounds the volume; the volume is a fraction of the box below it
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..candidate import Evaluation
from ..pareto import ParetoFront, hypervolume, meets
from ..target import Limits
from .front import figure_of

WORST_ERROR = 10.0
"""The reference's error as a multiple of the best one, unless guessing is better."""

ROOM = 2.0
"""The least that it is as a multiple of any study's best one."""


@dataclass(frozen=True)
class VolumeCurve:
    """What the front of a study dominates as evaluations come in.

    Attributes:
        candidates: Ids in the order of the evaluations.
        fractions: Of the box below the reference point, after each of them, in [0, 1].
    """

    candidates: tuple[int, ...]
    fractions: tuple[float, ...]


def reference_point(
    studies: Sequence[tuple[Sequence[Evaluation], Limits]],
    objectives: Sequence[str],
    class_count: int,
) -> dict[str, float]:
    """A corner by objective that serves all the studies.

    Of the error, it is ten times the best one, or twice the best one of the worst study, at most
    that of guessing: were it always that of guessing, networks that hardly learn would fill most
    of the box. Of another objective it is the largest limit, or the largest measured figure where a
    study has no limit of it.

    Args:
        studies: Evaluations and limits of each; empty ones do not count.
        objectives: The error first.
        class_count: For the error of guessing.
    """
    error, *sizes = objectives
    measured = [(evaluations, limits) for evaluations, limits in studies if evaluations]
    guessing = 1.0 - 1.0 / class_count
    best = [min(figure_of(e, error) for e in evaluations) for evaluations, _ in measured]
    # A study without an error still has a box: one image in a thousand wrong, times ten.
    least = WORST_ERROR * max(min(best, default=guessing), 1e-3)
    corner = {error: min(guessing, max(least, ROOM * max(best, default=guessing)))}
    for name in sizes:
        bounds = [
            float(limits.by_figure.get(name) or max(figure_of(e, name) for e in evaluations))
            for evaluations, limits in measured
        ]
        corner[name] = max(bounds, default=1.0)
    return corner


def volume_curve(
    evaluations: Sequence[Evaluation],
    objectives: Sequence[str],
    limits: Limits,
    reference: Mapping[str, float],
) -> VolumeCurve:
    """The hypervolume after each evaluation; models over a limit add nothing.

    Args:
        evaluations: In order.
        objectives: All are minimised.
        limits: What a model must keep to count.
        reference: Corner by objective. A model that lies on it counts, as it keeps the limit: the
            corner is a thousandth further out.
    """
    corner = np.array([reference[name] for name in objectives])
    front: tuple[Evaluation, ...] = ()
    fraction, fractions = 0.0, []
    for evaluation in evaluations:
        if meets(evaluation, limits):
            grown = ParetoFront.of([*front, evaluation], objectives)
            if evaluation in grown.evaluations:
                front = grown.evaluations
                scaled = ParetoFront(tuple(objectives), front).values / (1.001 * corner)
                fraction = hypervolume(scaled, np.ones(len(corner)))
        fractions.append(fraction)
    return VolumeCurve(tuple(e.candidate.id for e in evaluations), tuple(fractions))
