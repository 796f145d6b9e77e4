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

_MOST_ACCIDENTS = 10


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
    """The outcome is known, and recorded unless it belongs to a row of accidents."""

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
        recorded = 0
        # Accidents in a row are recorded once something succeeds. If nothing does, the machine is
        # to blame, and their candidates wait for the next call.
        accidents: list[Outcome] = []
        while outcomes := self._next_outcomes(next_candidate):
            for outcome in outcomes:
                if isinstance(outcome, Rejection) and outcome.accident:
                    self.observer(Finished(outcome))
                    accidents.append(outcome)
                    if len(accidents) == _MOST_ACCIDENTS:
                        raise StudyError(
                            f"{_MOST_ACCIDENTS} evaluations failed one after another, the last one "
                            f"because {outcome.reason}; remove the cause and run the same command "
                            "again"
                        )
                    continue
                recorded += self._record(*accidents, outcome)
                accidents.clear()
                self.observer(Finished(outcome))
        return recorded + self._record(*accidents)

    def _record(self, *outcomes: Outcome) -> int:
        for outcome in outcomes:
            self.journal.record(outcome)
        return len(outcomes)

    def _next_outcomes(self, next_candidate: NextCandidate) -> list[Outcome]:
        """What finishes next; empty where nothing is being evaluated any more."""
        while self.workers.free and (candidate := next_candidate()) is not None:
            self.observer(Started(candidate))
            # Whoever proposes should leave these out; training them would be wasted.
            if violations := self.forecaster.violations(candidate, self.limits):
                return [Rejection(candidate, "infeasible", "; ".join(violations))]
            self.workers.submit(candidate)
        return self.workers.wait()
