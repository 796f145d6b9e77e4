"""Where candidates are evaluated: the interface, and evaluation in this process.

``Workers`` is all that a study asks for: submit while something is free, wait for outcomes.
Whatever happens to one evaluation becomes its outcome: an exception is a Rejection of kind
"failed", the death of a worker process (``worker_pool``) one of kind "crashed".
"""

import contextlib
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from math import isfinite
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from pydantic import TypeAdapter

from .candidate import Candidate, Evaluation, Outcome, Rejection
from .errors import StudyError

Evaluate: TypeAlias = Callable[[Candidate], Outcome]

_LOG = logging.getLogger(__name__)
_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)


class Workers(Protocol):
    """Evaluates candidates; a context manager that abandons what is unfinished when it is left."""

    @property
    def free(self) -> int:
        """How many candidates may be submitted now."""
        ...

    def submit(self, candidate: Candidate) -> None:
        """Starts an evaluation; only while ``free`` is positive."""
        ...

    def wait(self, timeout_seconds: float | None = None) -> list[Outcome]:
        """Blocks until something has finished; outcomes by candidate id, empty on a timeout."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_workers(count: int, evaluate: Evaluate) -> Workers:
    """``count`` worker processes, or evaluation in this process where ``count`` is 0."""
    if count < 0:
        raise StudyError(f"expected 0 or more workers, got {count}")
    if count == 0:
        return InProcess(evaluate)
    from .worker_pool import WorkerPool

    return WorkerPool(count, evaluate)


def read_outcome(text: str | bytes) -> Outcome:
    """Reads the JSON of an Evaluation or a Rejection."""
    return _OUTCOME.validate_json(text)


def evaluate_safely(evaluate: Evaluate, candidate: Candidate) -> tuple[Outcome, str]:
    """The outcome as it will be read from the journal, and the traceback of a failure or ''."""
    try:
        with _single_thread():
            outcome = evaluate(candidate)
        _check(candidate, outcome)
        return read_outcome(outcome.to_json()), ""
    except Exception as error:  # one candidate's error, whatever it is, must not end the study
        text = str(error).strip() or "no message"
        reason = f"{type(error).__name__}: {text.splitlines()[0]}"
        return Rejection(candidate, "failed", reason), traceback.format_exc()


def log_failure(candidate: Candidate, trace: str) -> None:
    """Sends the traceback of a failed evaluation to the log."""
    if trace:
        _LOG.warning("candidate %d failed\n%s", candidate.id, trace)


def _check(candidate: Candidate, outcome: Outcome) -> None:
    if outcome.candidate != candidate:
        raise ValueError(
            f"expected the outcome of candidate {candidate.id}, got {outcome.candidate}"
        )
    if isinstance(outcome, Evaluation):
        for name, value in [*outcome.objectives.items(), *outcome.metrics.items()]:
            if not isfinite(value):
                raise ValueError(f"expected {name} to be finite, got {value}")


@contextlib.contextmanager
def _single_thread() -> Iterator[None]:
    """One torch thread, so that results do not depend on where they are computed."""
    torch = sys.modules.get("torch")  # an evaluator that needs torch has imported it
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class InProcess:
    """Evaluates in this process, one at a time. A crash ends the study, which then resumes."""

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate
        self._candidate: Candidate | None = None

    @property
    def free(self) -> int:
        """1 while nothing is submitted."""
        return int(self._candidate is None)

    def submit(self, candidate: Candidate) -> None:
        """Keeps the candidate; ``wait`` evaluates it."""
        if self._candidate is not None:
            raise StudyError("expected a free worker, got none; wait for an outcome first")
        self._candidate = candidate

    def wait(self, timeout_seconds: float | None = None) -> list[Outcome]:
        """Evaluates what was submitted; the timeout does not interrupt it."""
        candidate, self._candidate = self._candidate, None
        if candidate is None:
            return []
        outcome, trace = evaluate_safely(self._evaluate, candidate)
        log_failure(candidate, trace)
        return [outcome]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._candidate = None
