"""The SpArSe strategy: a Gaussian process chooses among morphs, in three stages.

One proposal (Fedorov et al. 2019, arXiv:1905.12107):

1. A pool of feasible, new candidates: morphs of evaluated candidates, and random ones, as the
   stage says.
2. Their objectives: what follows from the memory plan exactly; the error is believed by a
   surrogate, for which candidates that are still being evaluated count as well.
3. The candidate with the largest expected hypervolume improvement is proposed, or the one that is
   best under a random compromise and a Thompson sample.

Nothing is kept between proposals but caches: a proposal depends on its arguments only, so a study
that was stopped continues as if it had not been.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..candidate import Candidate, History
from ..forecast import Forecaster
from ..interfaces import Morphism, Objective
from ..pareto import non_dominated, within_limits
from ..space import SearchSpace
from ..target import Limits
from .beliefs import Beliefs
from .calibration import Calibration
from .choice import choose
from .feasible import Forecast, Sieve
from .features import Featurizer, feature_groups
from .hyperparameters import FEWEST_TO_FIT
from .initial import draw_feasible, initial_candidate
from .observations import observe
from .pool import Morpher, draw_morphs
from .refits import Refits, fit_sizes
from .scalarization import Rule
from .stages import FIRST, PARETO_PARENTS, PRUNING_ONLY, stage_order, stages_for_budget
from .surrogate import Surrogate

_LOG = logging.getLogger(__name__)

_ELITE = 4
"""Parents that are preferred where there is one objective."""


@dataclass(frozen=True)
class SparseOptions:
    """How a proposal is made. The defaults are meant for about 100 candidates.

    Attributes:
        initial: Candidates before the surrogate is asked: random ones, where none are given.
        stages: Candidates in stage 1, the initial ones included, and in stage 2.
        pool_size: Candidates that a proposal chooses from.
        random_fraction: Fraction of stage 1's pool that is random and not a morph.
        max_steps: Most steps from a parent to a morph.
        pruning_probability: Of a step to change a sparsity and not the architecture.
        recipe_probability: Of any other step to change a training parameter.
        pareto_bias: How many times likelier a Pareto-optimal candidate is a parent, or with
            one objective one of the best few.
        scalarization: "hypervolume" for the expected improvement; "max", as in SpArSe, or
            "chebyshev" for a random compromise and a Thompson sample.
    """

    initial: int = 4
    stages: tuple[int, int] = (50, 15)
    pool_size: int = 1000
    random_fraction: float = 0.15
    max_steps: int = 3
    pruning_probability: float = 0.2
    recipe_probability: float = 0.1
    pareto_bias: float = 5.0
    scalarization: Rule = "hypervolume"

    @staticmethod
    def for_budget(candidates: int) -> "SparseOptions":
        """Options whose stages fit a search of so many candidates."""
        return SparseOptions(stages=stages_for_budget(candidates))


@dataclass(frozen=True)
class SparseStrategy:
    """Proposes the morph that is expected to improve the front most.

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
    _refits: dict[str, Refits] = field(default_factory=dict, repr=False, compare=False)

    def propose(
        self, history: History, candidate_id: int, generator: np.random.Generator
    ) -> Candidate:
        """A candidate that fits the limits and is not in the history.

        Raises:
            InfeasibleError: None was found with bounded effort.
        """
        evaluations, known = history.evaluations, history.candidates
        if len(known) < self.options.initial or not evaluations:
            first = initial_candidate(self.forecaster, self.limits, known, candidate_id, generator)
            return replace(first, stage=FIRST)
        beliefs = self._believe(history, generator)
        judged = beliefs.judged(evaluations)
        eligible = within_limits(evaluations, self.limits)
        front = np.zeros(len(evaluations), dtype=np.bool_)
        front[np.flatnonzero(eligible)[_best(judged[eligible])]] = True
        sieve = Sieve(self.forecaster, self.limits, known)
        parents = [evaluation.candidate for evaluation in evaluations]
        for stage in stage_order(self.options.stages, len(known)):
            pool = self._pool(stage, parents, front, sieve, candidate_id, generator)
            if pool:
                break
        else:
            raise sieve.error()
        _LOG.info("candidate %d, stage %d: chosen from %s", candidate_id, stage, sieve.report())
        _log_calibration(beliefs, len(evaluations))
        chosen = choose(
            self.options.scalarization,
            beliefs,
            self.limits,
            judged[eligible],
            beliefs.expected(beliefs.describe(history.pending)),
            beliefs.describe([forecast.candidate for forecast in pool]),
            generator,
        )
        return replace(pool[chosen].candidate, stage=stage)

    def surrogate(self, history: History, objective: str) -> Surrogate:
        """The surrogate of a measured objective, as it is after this history."""
        observations = observe(history, self._featurizer, objective)
        if objective not in self._refits:
            self._refits[objective] = Refits(feature_groups(self.space))
        return Surrogate.condition(self._refits[objective].latest(observations), observations)

    @cached_property
    def _featurizer(self) -> Featurizer:
        return Featurizer(self.forecaster)

    def _believe(self, history: History, generator: np.random.Generator) -> Beliefs:
        """Surrogates of what must be measured, for which pending candidates count as well."""
        plan = self.forecaster.plan(history.evaluations[0].candidate)
        surrogates = {
            objective.name: self.surrogate(history, objective.name)
            for objective in self.objectives
            if objective.predict(plan) is None
        }
        if history.pending:
            points = self._featurizer.remembered(history.pending)
            surrogates = {n: s.imagine(*points, generator) for n, s in surrogates.items()}
        return Beliefs(self.forecaster, self.objectives, surrogates)

    def _pool(
        self,
        stage: int,
        parents: Sequence[Candidate],
        front: NDArray[np.bool_],
        sieve: Sieve,
        candidate_id: int,
        generator: np.random.Generator,
    ) -> list[Forecast]:
        """New candidates of one stage: morphs, in the first stage random ones as well."""
        options = self.options
        if stage == PRUNING_ONLY and not self.space.pruning:
            return []
        random_count = round(options.random_fraction * options.pool_size) if stage == FIRST else 0
        morpher = Morpher(
            self.space,
            self.morphisms,
            max_steps=options.max_steps,
            pruning_probability=1.0 if stage == PRUNING_ONLY else options.pruning_probability,
            recipe_probability=options.recipe_probability,
        )
        others = 0.0 if stage == PARETO_PARENTS else 1.0
        morphs = draw_morphs(
            morpher,
            sieve,
            parents,
            np.where(front, options.pareto_bias, others),
            options.pool_size - random_count,
            candidate_id,
            generator,
            repair=stage != PRUNING_ONLY,
        )
        return morphs + draw_feasible(self.space, sieve, random_count, candidate_id, generator)


def _best(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of n candidates are preferred as parents: the Pareto-optimal ones.

    With a single objective that would be one candidate, and the search would end in its
    neighbourhood: then they are the best few.

    Args:
        values: [n, k] objectives.
    """
    if values.shape[1] > 1:
        return non_dominated(values)
    ranks = values[:, 0].argsort(kind="stable").argsort()
    return np.asarray(ranks < _ELITE)


def _log_calibration(beliefs: Beliefs, count: int) -> None:
    """Notes how well the surrogates predict, whenever they learn new hyper-parameters."""
    if count in fit_sizes(count):
        for name, surrogate in beliefs.surrogates.items():
            _LOG.info("surrogate of %s: %s", name, surrogate.leave_one_out())


def calibrate(strategy: SparseStrategy, history: History) -> Calibration | None:
    """How well the surrogate of a strategy predicts each evaluation from all others.

    Args:
        strategy: Its surrogate of the first objective that must be measured is asked.
        history: Without final candidates.

    Returns:
        None with fewer than three evaluations, or if everything is known beforehand.
    """
    evaluations = history.evaluations
    if len(evaluations) < FEWEST_TO_FIT:
        return None
    plan = strategy.forecaster.plan(evaluations[0].candidate)
    measured = (o.name for o in strategy.objectives if o.predict(plan) is None)
    objective = next(measured, None)
    return strategy.surrogate(history, objective).leave_one_out() if objective else None
