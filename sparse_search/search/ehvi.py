"""Expected hypervolume improvement: BoTorch's qLogNEHVI over a pool of feasible candidates.

One proposal, as a user of BoTorch would write it (Daulton et al. 2021, arXiv:2105.08195; Ament et
al. 2023, arXiv:2310.20708):

1. A pool of feasible, new candidates: morphs of Pareto-optimal evaluations, and random ones.
2. The error is modelled by ``SingleTaskGP`` with its own kernel and priors on the encoding of the
   candidates. Objectives that follow from the memory plan are exact: they travel as further
   columns of the points, and a deterministic model reads them.
3. The candidate of the pool with the largest acquisition value is proposed.

The pool, the Monte Carlo samples and the iterations of the fit are bounded, and so is the time of
a proposal; it grows with the number of evaluations, like any exact Gaussian process.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..candidate import Candidate, Evaluation, History
from ..forecast import Forecaster
from ..interfaces import Morphism, Objective
from ..pareto import non_dominated, objective_values, within_limits
from ..space import SearchSpace
from ..target import Limits
from .acquisition import log_ehvi
from .feasible import Forecast, Sieve
from .features import featurize
from .initial import draw_feasible, initial_candidate
from .pool import Morpher, draw_morphs


@dataclass(frozen=True)
class EhviOptions:
    """How a proposal is made.

    Attributes:
        initial: Candidates that are random, before the model is asked.
        pool_size: Candidates that a proposal chooses from.
        random_fraction: Fraction of the pool that is random and not a morph.
        max_steps: Most steps from a parent to a morph.
        pruning_probability: Of a step to change a sparsity and not the architecture.
        samples: Monte Carlo samples of the acquisition; a power of two.
    """

    initial: int = 8
    pool_size: int = 400
    random_fraction: float = 0.5
    max_steps: int = 3
    pruning_probability: float = 0.2
    samples: int = 16


@dataclass(frozen=True)
class EhviStrategy:
    """Proposes what is expected to add the most hypervolume.

    Attributes:
        space: What may be proposed.
        morphisms: Edits that lead from one candidate to the next.
        forecaster: Predicts plans.
        objectives: What is minimised.
        limits: What a candidate must keep.
        options: How a proposal is made.
    """

    space: SearchSpace
    morphisms: Sequence[Morphism]
    forecaster: Forecaster
    objectives: Sequence[Objective]
    limits: Limits
    options: EhviOptions = EhviOptions()
    name: str = "ehvi"

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
        if not pool:
            raise sieve.error()
        scores = self._scores(evaluations, history.pending, pool, generator)
        return pool[int(np.argmax(scores))].candidate

    def _pool(
        self,
        evaluations: Sequence[Evaluation],
        sieve: Sieve,
        candidate_id: int,
        generator: np.random.Generator,
    ) -> list[Forecast]:
        """Morphs of Pareto-optimal evaluations, then random candidates."""
        options = self.options
        random_count = round(options.random_fraction * options.pool_size)
        parents = [evaluations[i].candidate for i in self._front(evaluations)]
        morpher = Morpher(
            self.space,
            self.morphisms,
            max_steps=options.max_steps,
            pruning_probability=options.pruning_probability,
        )
        morphs = draw_morphs(
            morpher,
            sieve,
            parents,
            np.ones(len(parents)),
            options.pool_size - random_count,
            candidate_id,
            generator,
        )
        return morphs + draw_feasible(self.space, sieve, random_count, candidate_id, generator)

    def _front(self, evaluations: Sequence[Evaluation]) -> NDArray[np.int64]:
        """Rows of the Pareto-optimal evaluations that keep the limits; of all if none does."""
        rows = np.flatnonzero(within_limits(evaluations, self.limits))
        values = objective_values(evaluations, [objective.name for objective in self.objectives])
        return rows[non_dominated(values[rows])]

    def _scores(
        self,
        evaluations: Sequence[Evaluation],
        pending: Sequence[Candidate],
        pool: Sequence[Forecast],
        generator: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Log expected hypervolume improvement of every candidate of the pool, [m]."""
        measured = objective_values(evaluations, [objective.name for objective in self.objectives])
        evaluated = [evaluation.candidate for evaluation in evaluations]
        candidates = [*evaluated, *pending, *(forecast.candidate for forecast in pool)]
        plans = [self.forecaster.plan(candidate) for candidate in candidates]
        values, active = featurize(self.space, candidates, plans)
        points = np.concatenate((values, active), axis=1, dtype=np.float64)
        points = points[:, np.ptp(points, axis=0) > 0]
        exact = [[objective.predict(plan) for objective in self.objectives] for plan in plans]
        known = np.array([figure is not None for figure in exact[0]])
        n, split = len(evaluated), len(evaluated) + len(pending)
        reference, spread = self._reference(measured, self._front(evaluations))
        figures = np.array(
            [[f for f in row if f is not None] for row in exact], dtype=np.float64
        ).reshape(len(exact), int(known.sum()))
        figures = figures / spread[known]
        return log_ehvi(
            points=_split(points, n, split),
            exact=_split(figures, n, split),
            measured=torch.from_numpy(measured[:, ~known] / spread[~known]),
            reference=np.concatenate(((reference / spread)[~known], (reference / spread)[known])),
            samples=self.options.samples,
            generator=generator,
        )

    def _reference(
        self, values: NDArray[np.float64], front: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Reference point [k] of the hypervolume, and the scale [k] of the objectives.

        The limit where there is one; else, as BoTorch infers it, a tenth of the front's range
        beyond the worst of the front.
        """
        best, worst = values[front].min(axis=0), values[front].max(axis=0)
        reference = worst + 0.1 * np.maximum(worst - best, 0.1 * np.abs(worst) + 1e-3)
        for k, objective in enumerate(self.objectives):
            # A model of exactly the limit keeps it, but would add no volume.
            reference[k] = self.limits.by_figure.get(objective.name, reference[k])
        return reference, np.maximum(np.abs(reference), 1e-3)


def _split(rows: NDArray[np.float64], n: int, split: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of the evaluated, the pending and the pool's candidates."""
    tensor = torch.from_numpy(rows)
    return tensor[:n], tensor[n:split], tensor[split:]
