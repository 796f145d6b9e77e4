"""One interface for everything that searches, and the loop that runs a search.

Our strategies are functions of a history; the samplers of other libraries have a state. Both are a
``Searcher`` here, and both are charged for the time that they take to propose.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from sparse_search.candidate import Candidate, Evaluation, History, Outcome, Rejection
from sparse_search.interfaces import Strategy

from .replay import MissingNetworkError

_PROPOSALS_PER_EVALUATION = 50


class Searcher(Protocol):
    """Proposes candidates and is told what became of them."""

    def propose(self, candidate_id: int) -> Candidate:
        """A candidate that is worth an evaluation."""
        ...

    def record(self, outcome: Outcome) -> None:
        """Learns the outcome of the last proposal."""
        ...


@dataclass
class StrategySearcher:
    """A strategy with the history of one search.

    Attributes:
        strategy: Proposes.
        seed: Of the search: candidate i is proposed with the stream (seed, i).
        outcomes: What is known so far.
    """

    strategy: Strategy
    seed: int
    outcomes: list[Outcome] = field(default_factory=list)

    def propose(self, candidate_id: int) -> Candidate:
        """What the strategy proposes after this history."""
        generator = np.random.default_rng([self.seed, candidate_id])
        return self.strategy.propose(History(self.outcomes), candidate_id, generator)

    def record(self, outcome: Outcome) -> None:
        """Appends to the history."""
        self.outcomes.append(outcome)


@dataclass(frozen=True, slots=True)
class Step:
    """One evaluation of a search.

    Attributes:
        evaluation: What the searcher saw.
        propose_seconds: Wall time from the last evaluation to this proposal.
    """

    evaluation: Evaluation
    propose_seconds: float


def search(
    searcher: Searcher, evaluate: Callable[[Candidate], Outcome], count: int
) -> Iterator[Step]:
    """Runs a search until ``count`` candidates are evaluated.

    A candidate that is rejected, or that a replay table lacks, is told to the searcher; it costs
    its time but no evaluation.

    Raises:
        RuntimeError: Almost every proposal was rejected.
    """
    done, waiting_seconds = 0, 0.0
    for candidate_id in range(_PROPOSALS_PER_EVALUATION * count):
        if done == count:
            return
        started = time.perf_counter()
        candidate = searcher.propose(candidate_id)
        waiting_seconds += time.perf_counter() - started
        try:
            outcome = evaluate(candidate)
        except MissingNetworkError as error:
            outcome = Rejection(candidate, "failed", str(error))
        searcher.record(outcome)
        if isinstance(outcome, Evaluation):
            done += 1
            yield Step(outcome, waiting_seconds)
            waiting_seconds = 0.0
        else:
            waiting_seconds += outcome.seconds
    if done < count:
        raise RuntimeError(f"expected {count} evaluations, got {done}: the others were rejected")
