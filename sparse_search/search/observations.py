"""What the surrogate is taught: every measured error, and careful guesses for the rest.

- An evaluation teaches what was measured.
- A training that was stopped early teaches what it was heading for, with some doubt.
- A training that diverged teaches that its like does not do better than guessing, with much doubt:
  another seed might have trained.
- A candidate that is infeasible, or whose evaluation crashed or failed, teaches nothing: the cause
  need not be the network.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..candidate import Candidate, History, Rejection
from ..pareto import objective_values
from .features import Featurizer

ERROR = "val_error"
"""The objective that rejections say something about."""

_STOPPED_DOUBT, _DIVERGED_DOUBT = 0.4, 1.0
"""Standard deviations, in logits."""


@dataclass(frozen=True, eq=False)
class Observations:
    """Errors of n points: first the measured ones by candidate id, then the guesses.

    Attributes:
        values: [n, d] in [0, 1].
        active: [n, d].
        errors: [n] fractions.
        doubts: [n] standard deviations, in logits, beside the noise of training; 0 where the error
            was measured.
    """

    values: NDArray[np.float64]
    active: NDArray[np.bool_]
    errors: NDArray[np.float64]
    doubts: NDArray[np.float64]

    @staticmethod
    def measured(
        values: NDArray[np.float64], active: NDArray[np.bool_], errors: NDArray[np.float64]
    ) -> "Observations":
        """Measured errors [n] of points [n, d]."""
        return Observations(values, active, errors, np.zeros(len(errors)))

    @property
    def measured_count(self) -> int:
        """How many errors were measured."""
        return int((self.doubts == 0).sum())


def observe(history: History, featurizer: Featurizer, objective: str) -> Observations:
    """What a history teaches about an objective that must be measured.

    Args:
        history: By candidate id.
        featurizer: Makes points of candidates.
        objective: Name of a fraction, such as the error.
    """
    evaluations, class_count = history.evaluations, featurizer.forecaster.space.class_count
    measured = objective_values(evaluations, [objective])[:, 0]
    guesses = list(_guesses(history, class_count)) if objective == ERROR else []
    candidates = [*(e.candidate for e in evaluations), *(candidate for candidate, _, _ in guesses)]
    values, active = featurizer.remembered(candidates)
    return Observations(
        values,
        active,
        np.concatenate((measured, [error for _, error, _ in guesses])),
        np.concatenate((np.zeros(len(evaluations)), [doubt for _, _, doubt in guesses])),
    )


def error_of_guessing(class_count: int) -> float:
    """Error (fraction) of a network that has learned nothing."""
    return 1.0 - 1.0 / class_count


def _guesses(history: History, class_count: int) -> Iterator[tuple[Candidate, float, float]]:
    """(candidate, error, doubt) of what was not measured."""
    for outcome in history.outcomes:
        if not isinstance(outcome, Rejection):
            continue
        if outcome.kind == "stopped" and outcome.expected_error is not None:
            yield outcome.candidate, outcome.expected_error, _STOPPED_DOUBT
        elif outcome.kind == "diverged":
            yield outcome.candidate, error_of_guessing(class_count), _DIVERGED_DOUBT
