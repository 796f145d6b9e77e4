"""A phase of a study: candidates are evaluated, recorded and told to an observer, one by one.

The search, the final phase and the pruning of the front differ only in where candidates come from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .candidate import Candidate, Outcome, Rejection
from .errors import StudyError
from .forecast import Forecaster
from .journal import Journal
from .target import Limits
from .workers import Workers

_MAX_FAILURES_IN_A_ROW = 10


@dataclass(frozen=True)
class PhaseStarted:
    """``done`` of ``total`` candidates of the phase have outcomes already."""

    phase: Literal["search", "final", "pruned"]
    total: int
    done: int


@dataclass(frozen=True)
class Started:
    """The candidate is recorded and its evaluation begins."""

    candidate: Candidate


@dataclass(frozen=True)
class Finished:
    """The outcome is recorded."""

    outcome: Outcome


@dataclass(frozen=True)
class Replanned:
    """What was found changes the number of candidates of the phase to ``total``."""

    total: int


Event: TypeAlias = PhaseStarted | Started | Finished | Replanned
Observer: TypeAlias = Callable[[Event], None]

NextCandidate: TypeAlias = Callable[[], Candidate | None]
"""The next candidate, which is recorded as proposed; None while, or if, there is none."""


@dataclass(frozen=True)
class Phase:
    """What evaluating candidates takes.

    Attributes:
        journal: Where outcomes are recorded.
        forecaster: Predicts what a candidate takes.
        limits: What is predicted not to keep these is not evaluated.
        workers: Where candidates are evaluated.
        observer: Called with each event.
    """

    journal: Journal
    forecaster: Forecaster
    limits: Limits
    workers: Workers
    observer: Observer

    def run(self, next_candidate: NextCandidate) -> int:
        """Evaluates as many at a time as workers are free, until there is nothing left.

        Args:
            next_candidate: Asked again after each outcome.

        Returns:
            How many outcomes were recorded.

        Raises:
            StudyError: Evaluations fail one after another.
        """
        recorded = failures = 0
        while outcomes := self._next_outcomes(next_candidate):
            for outcome in outcomes:
                self.journal.record(outcome)
                self.observer(Finished(outcome))
                recorded += 1
                failed = isinstance(outcome, Rejection) and outcome.kind in ("failed", "crashed")
                failures = failures + 1 if failed else 0
                if isinstance(outcome, Rejection) and failures == _MAX_FAILURES_IN_A_ROW:
                    raise StudyError(
                        f"{failures} evaluations failed one after another, the last one because "
                        f"{outcome.reason}; remove the cause and run the same command again"
                    )
        return recorded

    def _next_outcomes(self, next_candidate: NextCandidate) -> list[Outcome]:
        """What finishes next; empty where nothing is being evaluated any more."""
        while self.workers.free and (candidate := next_candidate()) is not None:
            self.observer(Started(candidate))
            # Whoever proposes should leave these out; training them would be wasted.
            if violations := self.forecaster.violations(candidate, self.limits):
                return [Rejection(candidate, "infeasible", "; ".join(violations))]
            self.workers.submit(candidate)
        return self.workers.wait()
