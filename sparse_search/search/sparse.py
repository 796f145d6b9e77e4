"""The SpArSe strategy: a Gaussian process and random scalarizations choose among morphs.

One proposal (Fedorov et al. 2019, arXiv:1905.12107):

1. A pool of feasible, new candidates: morphs of evaluated candidates, and random ones.
2. Their objectives: what follows from the memory plan exactly, the error by one Thompson sample
   of the surrogate, drawn jointly for the whole pool.
3. A random compromise between the objectives; the candidate that is best under it is proposed.

Nothing is kept between proposals but caches: a proposal depends on its arguments only, so a study
that was stopped continues as if it had not been.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..candidate import Candidate, Evaluation, History
from ..forecast import Forecaster
from ..interfaces import Morphism, Objective
from ..pareto import meets, non_dominated, objective_values
from ..space import SearchSpace
from ..target import Limits
from .feasible import Forecast, Sieve
from .features import feature_groups, featurize
from .initial import draw_feasible, initial_candidate
from .pool import Morpher, draw_morphs
from .scalarization import ScalarizationKind, choose_boxes
from .surrogate import Surrogate

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class SparseOptions:
    """How a proposal is made.

    Attributes:
        initial: Candidates that are random, before the surrogate is asked.
        pool_size: Candidates that a proposal chooses from.
        random_fraction: Fraction of the pool that is random and not a morph.
        max_steps: Most steps from a parent to a morph.
        pruning_probability: Of a step to change a sparsity and not the architecture.
        pareto_bias: How many times likelier a Pareto-optimal candidate is a parent.
        scalarization: "max" as in SpArSe, or "chebyshev".
    """

    initial: int = 8
    pool_size: int = 1000
    random_fraction: float = 0.25
    max_steps: int = 3
    pruning_probability: float = 0.2
    pareto_bias: float = 5.0
    scalarization: ScalarizationKind = "max"


@dataclass(frozen=True)
class SparseStrategy:
    """Proposes what a random compromise over a Thompson sample likes best.

    Attributes:
        space: What may be proposed.
        morphisms: Edits that lead from one candidate to the next.
        forecaster: Predicts plans.
        objectives: What is minimised. Those that only a measurement tells must be fractions.
        limits: What a candidate must keep.
        options: How a proposal is made.
    """

    space: SearchSpace
    morphisms: Sequence[Morphism]
    forecaster: Forecaster
    objectives: Sequence[Objective]
    limits: Limits
    options: SparseOptions = SparseOptions()
    name: str = "sparse"

    def propose(
        self, history: History, candidate_id: int, generator: np.random.Generator
    ) -> Candidate:
        """A candidate that fits the limits and is not in the history.

        Raises:
            InfeasibleError: None was found with bounded effort.
        """
        evaluations, known = history.evaluations, history.candidates
        if len(known) < self.options.initial or not evaluations:
            return initial_candidate(self.forecaster, self.limits, known, candidate_id, generator)
        sieve = Sieve(self.forecaster, self.limits, known)
        pool = self._pool(evaluations, sieve, candidate_id, generator)
        _LOG.info("candidate %d: chosen from %s", candidate_id, sieve.report())
        if not pool:
            raise sieve.error()
        names = [objective.name for objective in self.objectives]
        modelled = [objective.name for objective in self._modelled(pool[0])]
        boxes = choose_boxes(names, self._measured(evaluations), self.limits.by_figure, modelled)
        scalarization = boxes.draw(self.options.scalarization, generator)
        values = self._sampled_values(pool, evaluations, generator)
        return pool[int(np.argmin(scalarization(values)))].candidate

    def fit(self, evaluations: Sequence[Evaluation], objective: str) -> Surrogate:
        """The surrogate of a measured objective, as a proposal after these evaluations has it."""
        candidates = [evaluation.candidate for evaluation in evaluations]
        plans = [self.forecaster.plan(candidate) for candidate in candidates]
        errors = objective_values(evaluations, [objective])[:, 0]
        features = featurize(self.space, candidates, plans)
        return Surrogate.fit(*features, errors, feature_groups(self.space))

    def _pool(
        self,
        evaluations: Sequence[Evaluation],
        sieve: Sieve,
        candidate_id: int,
        generator: np.random.Generator,
    ) -> list[Forecast]:
        """Morphs of evaluated candidates, then random ones."""
        options = self.options
        random_count = round(options.random_fraction * options.pool_size)
        morpher = Morpher(
            self.space,
            self.morphisms,
            max_steps=options.max_steps,
            pruning_probability=options.pruning_probability,
        )
        morphs = draw_morphs(
            morpher,
            sieve,
            [evaluation.candidate for evaluation in evaluations],
            self._parent_weights(evaluations),
            options.pool_size - random_count,
            candidate_id,
            generator,
        )
        return morphs + draw_feasible(self.space, sieve, random_count, candidate_id, generator)

    def _parent_weights(self, evaluations: Sequence[Evaluation]) -> NDArray[np.float64]:
        """How likely each evaluation is a parent, [n]."""
        eligible = self._within_limits(evaluations)
        values = objective_values(evaluations, [objective.name for objective in self.objectives])
        weights = np.ones(len(evaluations))
        weights[np.flatnonzero(eligible)[non_dominated(values[eligible])]] = (
            self.options.pareto_bias
        )
        return weights

    def _within_limits(self, evaluations: Sequence[Evaluation]) -> NDArray[np.bool_]:
        """Which evaluations keep the limits, [n]; all of them if none does."""
        kept = np.array([meets(evaluation, self.limits) for evaluation in evaluations])
        return kept if kept.any() else ~kept

    def _measured(self, evaluations: Sequence[Evaluation]) -> NDArray[np.float64]:
        """Objectives [n, k] of the evaluations that keep the limits."""
        values = objective_values(evaluations, [objective.name for objective in self.objectives])
        return values[self._within_limits(evaluations)]

    def _modelled(self, forecast: Forecast) -> list[Objective]:
        """The objectives that do not follow from a plan."""
        return [o for o in self.objectives if o.predict(forecast.plan) is None]

    def _sampled_values(
        self,
        pool: Sequence[Forecast],
        evaluations: Sequence[Evaluation],
        generator: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Objectives [m, k] of the pool: exact, or from one Thompson sample."""
        features = featurize(self.space, [f.candidate for f in pool], [f.plan for f in pool])
        values = np.empty((len(pool), len(self.objectives)))
        for column, objective in enumerate(self.objectives):
            exact = [objective.predict(forecast.plan) for forecast in pool]
            if None in exact:
                surrogate = self.fit(evaluations, objective.name)
                values[:, column] = surrogate.sample(*features, generator)
            else:
                values[:, column] = exact
        return values
