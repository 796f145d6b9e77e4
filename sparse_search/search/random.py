"""Random search: every candidate is a random one that keeps the limits. The baseline."""

from dataclasses import dataclass

import numpy as np

from ..candidate import Candidate, History
from ..forecast import Forecaster
from ..space import SearchSpace
from ..target import Limits
from .feasible import Sieve
from .initial import draw_one


@dataclass(frozen=True)
class RandomStrategy:
    """Proposes random candidates; learns nothing.

    Attributes:
        space: What is drawn from.
        forecaster: Predicts plans.
        limits: What a candidate must keep; what is too large is narrowed.
    """

    space: SearchSpace
    forecaster: Forecaster
    limits: Limits
    name: str = "random"

    def propose(
        self, history: History, candidate_id: int, generator: np.random.Generator
    ) -> Candidate:
        """A random candidate that fits the limits and is not in the history.

        Raises:
            InfeasibleError: None was found with bounded effort.
        """
        sieve = Sieve(self.forecaster, self.limits, history.candidates)
        return draw_one(self.space, sieve, candidate_id, generator)
