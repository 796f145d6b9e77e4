"""Rungs: what happens at certain epochs of a candidate's training: judge it, and save it."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from safetensors import SafetensorError

from .candidate import Candidate
from .checkpoint import TrainingState
from .stopping import expected_error, is_rung, reason_to_stop
from .training import Progress

SAVE_INTERVAL_SECONDS = 4.0


class Rungs:
    """Called after each epoch of one training.

    Attributes:
        reason: Why the training was stopped; None if it was not.
        expected_error: Validation error (fraction) that a stopped training was heading for.
    """

    def __init__(
        self,
        candidate: Candidate,
        path: Path,
        key: str,
        *,
        save_interval_seconds: float = SAVE_INTERVAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins or continues a training.

        Args:
            candidate: Judged by its error to beat.
            path: The training is saved here at a rung, and continued from here.
            key: Of everything that the training depends on; a file with another one is ignored.
            save_interval_seconds: Saving sooner than that would take longer than it may save.
            clock: Seconds from any origin.
        """
        self.reason: str | None = None
        self.expected_error: float | None = None
        self._candidate = candidate
        self._path = path
        self._key = key
        self._interval = save_interval_seconds
        self._clock = clock
        self._saved_at = clock()

    def resume(self) -> TrainingState | None:
        """Where an earlier evaluation of the same candidate was interrupted."""
        try:
            return TrainingState.load(self._path, self._key)
        except (FileNotFoundError, SafetensorError):
            return None

    def __call__(self, progress: Progress) -> bool:
        """Whether the training goes on."""
        if not is_rung(len(progress.curve), progress.epochs):
            return True
        if not self.judge(progress.curve, progress.epochs):
            return False
        if self._clock() - self._saved_at >= self._interval:
            progress.state().save(self._path, self._key)
            self._saved_at = self._clock()
        return True

    def judge(self, curve: Sequence[float], epochs: int) -> bool:
        """Whether a candidate with this learning curve may still win after ``epochs``."""
        self.reason = reason_to_stop(self._candidate, curve, epochs)
        if self.reason is not None:
            self.expected_error = expected_error(curve, epochs)
        return self.reason is None

    def clear(self) -> None:
        """Removes the file: the evaluation has ended."""
        self._path.unlink(missing_ok=True)
