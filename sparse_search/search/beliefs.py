"""What is known and believed about candidates before they are evaluated.

Objectives that follow from a memory plan are known exactly; the others are believed, each by a
surrogate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..candidate import Candidate, Evaluation
from ..forecast import Forecaster
from ..interfaces import Objective
from ..pareto import objective_values
from .features import featurize
from .surrogate import Surrogate

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Points:
    """Candidates as a proposal sees them.

    Attributes:
        known: [n, k] objectives; NaN where they must be measured.
        values: [n, d] coordinates for the surrogates.
        active: [n, d] which coordinates exist.
    """

    known: Floats
    values: Floats
    active: NDArray[np.bool_]


@dataclass(frozen=True)
class Beliefs:
    """What is known and believed.

    Attributes:
        forecaster: Predicts plans.
        objectives: The k objectives.
        surrogates: Of the objectives that must be measured, by name.
    """

    forecaster: Forecaster
    objectives: Sequence[Objective]
    surrogates: Mapping[str, Surrogate]

    def describe(self, candidates: Sequence[Candidate]) -> Points:
        """The candidates as points."""
        plans = [self.forecaster.plan(candidate) for candidate in candidates]
        known = [[objective.predict(plan) for objective in self.objectives] for plan in plans]
        table = np.array(known, dtype=np.float64).reshape(len(plans), len(self.objectives))
        return Points(table, *featurize(self.forecaster.space, candidates, plans))

    @property
    def columns(self) -> dict[int, Surrogate]:
        """Surrogates by the column of their objective."""
        return {
            column: self.surrogates[objective.name]
            for column, objective in enumerate(self.objectives)
            if objective.name in self.surrogates
        }

    def judged(self, evaluations: Sequence[Evaluation]) -> Floats:
        """Objectives [n, k] of the evaluations that the surrogates have seen.

        Of many networks the one that measures best is mostly lucky; the median that is believed
        after all measurements is not.
        """
        values = objective_values(evaluations, [objective.name for objective in self.objectives])
        for column, surrogate in self.columns.items():
            values[:, column] = surrogate.smoothed()[: len(evaluations)]
        return values

    def expected(self, points: Points) -> Floats:
        """Objectives [n, k]: what is known, and medians of what is believed."""
        values = points.known.copy()
        for column, surrogate in self.columns.items():
            values[:, column] = surrogate.posterior(points.values, points.active).median
        return values

    def sampled(self, points: Points, generator: np.random.Generator) -> Floats:
        """Objectives [n, k]: what is known, and one Thompson sample of what is believed."""
        values = points.known.copy()
        for column, surrogate in self.columns.items():
            values[:, column] = surrogate.sample(points.values, points.active, generator)
        return values
