"""Where candidates are evaluated: the interface, and evaluation in this process.

``Workers`` is all that a study asks for: submit while something is free, wait for outcomes.
Whatever happens to one evaluation becomes its outcome: an exception is a Rejection of kind
"failed", the death of a worker process (``worker_pool``) one of kind "crashed". ``ray_workers``
evaluates on other machines.
"""

import contextlib
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias, runtime_checkable

from .candidate import Candidate, Evaluation, Outcome, Rejection, read_outcome
from .errors import StudyError

Evaluate: TypeAlias = Callable[[Candidate], Outcome]
WorkerCount: TypeAlias = int | Literal["ray"]
Device: TypeAlias = Literal["cpu", "cuda"]

_LOG = logging.getLogger(__name__)


@runtime_checkable
class FolderEvaluate(Protocol):
    """An evaluator that works with files of a run's folder, and could do so in another folder."""

    @property
    def folder(self) -> Path:
        """The run's folder."""
        ...

    @property
    def device(self) -> Device:
        """Where networks are trained."""
        ...

    def reads(self, candidate: Candidate) -> tuple[str, ...]:
        """Files below the folder that the evaluation reads, where they exist."""
        ...

    def writes(self, candidate: Candidate) -> tuple[str, ...]:
        """Files below the folder that it may leave, in the order in which they must appear."""
        ...

    def at(self, folder: Path) -> Evaluate:
        """The same evaluator for another folder."""
        ...

    def __call__(self, candidate: Candidate) -> Outcome:
        """Evaluates a candidate."""
        ...


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


def open_workers(count: WorkerCount, evaluate: Evaluate) -> Workers:
    """Where candidates are evaluated.

    Args:
        count: Number of worker processes, 0 for evaluation in this process, "ray" for a cluster.
        evaluate: Evaluates one candidate.
    """
    if count == "ray":
        if find_spec("ray") is None:
            raise StudyError(
                "expected the package ray for workers='ray', found none; "
                "pip install 'sparse_search[ray]', or use a number of workers"
            )
        from .ray_workers import RayWorkers

        return RayWorkers(evaluate)
    if not isinstance(count, int) or count < 0:
        raise StudyError(f"expected 0 or more workers or 'ray', got {count!r}")
    if count == 0:
        return InProcess(evaluate)
    from .worker_pool import WorkerPool

    return WorkerPool(count, evaluate)


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
