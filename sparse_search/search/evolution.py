"""Aging evolution: children of the fittest of a few recent candidates, as in μNAS.

One proposal (Liberis, Dudziak and Lane 2020, arXiv:2010.14246):

1. The population is the last P evaluations; older ones have died.
2. A random compromise is drawn: λ_i ~ U(0, 1) for each objective.
3. Of S members drawn at random the fittest is the parent; fitness is
   -max_i min(f_i / b_i, 10) / λ_i with bounds b_i.
4. The child is one morphism away.

Nothing is kept between proposals: a proposal depends on its arguments only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..candidate import Candidate, Evaluation, History
from ..forecast import Forecaster
from ..interfaces import Morphism, Objective
from ..pareto import objective_values
from ..space import SearchSpace
from ..target import Limits
from .feasible import Sieve
from .initial import draw_one
from .pool import Morpher

_LARGEST_RATIO = 10.0
_ATTEMPTS = 100


@dataclass(frozen=True)
class EvolutionOptions:
    """How a proposal is made.

    Attributes:
        population: P, evaluations that may be parents; as many candidates are random at first.
        sample: S, members that compete to be the parent.
        bounds: b_i by objective name. Where there is none it is the objective's limit, and without
            a limit the median in the population, so that all objectives weigh about the same.
    """

    population: int = 20
    sample: int = 10
    bounds: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def paper() -> "EvolutionOptions":
        """The published setting, meant for 2000 evaluations; the default is for about 100."""
        return EvolutionOptions(population=100, sample=25)


@dataclass(frozen=True)
class EvolutionStrategy:
    """Proposes a child of a recent evaluation.

    Attributes:
        space: What may be proposed.
        morphisms: Edits that lead from a parent to its children.
        forecaster: Predicts plans.
        objectives: What is minimised.
        limits: What a candidate must keep; what is too large is narrowed.
        options: How a proposal is made.
    """

    space: SearchSpace
    morphisms: Sequence[Morphism]
    forecaster: Forecaster
    objectives: Sequence[Objective]
    limits: Limits
    options: EvolutionOptions = EvolutionOptions()
    name: str = "evolution"

    def propose(
        self, history: History, candidate_id: int, generator: np.random.Generator
    ) -> Candidate:
        """A candidate that fits the limits and is not in the history.

        Raises:
            InfeasibleError: None was found with bounded effort.
        """
        evaluations, known = history.evaluations, history.candidates
        sieve = Sieve(self.forecaster, self.limits, known)
        if evaluations and len(known) >= self.options.population:
            child = self._child(evaluations, sieve, candidate_id, generator)
            if child is not None:
                return child
        return draw_one(self.space, sieve, candidate_id, generator)

    def _child(
        self,
        evaluations: Sequence[Evaluation],
        sieve: Sieve,
        candidate_id: int,
        generator: np.random.Generator,
    ) -> Candidate | None:
        """A new, feasible child; each attempt chooses a parent anew."""
        by_age = sorted(evaluations, key=lambda evaluation: evaluation.candidate.id)
        population = by_age[-self.options.population :]
        names = [objective.name for objective in self.objectives]
        ratios = self._ratios(objective_values(population, names), names)
        morpher = self._morpher()
        for _ in range(_ATTEMPTS):
            parent = population[select(ratios, self.options.sample, generator)].candidate
            child = morpher.draw(parent, candidate_id, generator)
            forecast = sieve.admit(child) if child is not None else None
            if forecast is not None:
                return forecast.candidate
        return None

    def _morpher(self) -> Morpher:
        """Draws one step: every morphism, pruning method and training parameter is as likely."""
        edits, prunings = len(self.morphisms), len(self.space.pruning)
        ranges = astuple(self.space.recipes)
        parameters = sum(len(options) > 1 for options in ranges)
        return Morpher(
            self.space,
            self.morphisms,
            max_steps=1,
            pruning_probability=prunings / max(edits + prunings + parameters, 1),
            recipe_probability=parameters / max(edits + parameters, 1),
        )

    def _ratios(self, values: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
        """f_i / b_i of the population, [n, k]."""
        bounds = dict(zip(names, np.median(values, axis=0).tolist(), strict=True))
        bounds |= {n: float(b) for n, b in self.limits.by_figure.items() if n in bounds}
        bounds |= {n: b for n, b in self.options.bounds.items() if n in bounds}
        # An error of 0 in half of the population would be a bound of 0.
        return values / np.maximum([bounds[name] for name in names], 1e-3)


def select(ratios: NDArray[np.float64], sample: int, generator: np.random.Generator) -> int:
    """Row of the fittest of some random members, under a random compromise.

    Args:
        ratios: f_i / b_i, [n, k], at least 0.
        sample: Members that compete; all n if there are fewer.
        generator: Source of the compromise and of the members.
    """
    # 1 - U[0, 1) lies in (0, 1]: no division by 0.
    weights = 1.0 - generator.random(ratios.shape[1])
    members = generator.choice(len(ratios), min(sample, len(ratios)), replace=False)
    loss = (np.minimum(ratios[members], _LARGEST_RATIO) / weights).max(axis=1)
    return int(members[int(np.argmin(loss))])
