"""Evaluation on a Ray cluster: one candidate for each processor of the cluster.

Nothing is shared between the machines. The evaluator is put into the object store once; a
candidate travels as JSON with the files that it needs, such as its parent's weights, and is
evaluated in a temporary folder. The files that it leaves come back with the outcome and are
written into the run's folder before the outcome is reported.

A machine or a process that dies costs time: Ray evaluates its candidates again elsewhere, and an
evaluation that is repeated gives the same outcome. Every machine needs this version of
sparse_search.
"""

import logging
from collections.abc import Mapping
from operator import methodcaller
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self, TypeAlias

import ray

from .atomic_files import write_at_once
from .candidate import Candidate, Outcome, Rejection, read_outcome
from .errors import StudyError
from .workers import Evaluate, FolderEvaluate, evaluate_safely, log_failure

_Files: TypeAlias = dict[str, bytes]
_Reply: TypeAlias = tuple[str, str, _Files]

_ATTEMPTS = 3
_GPU_STEP = 1e-4  # Ray counts fractions of a GPU in steps of this size.


class RayWorkers:
    """Evaluates on a running Ray cluster, as many candidates at a time as it has processors."""

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate
        self._folder = evaluate.folder if isinstance(evaluate, FolderEvaluate) else None
        self._tasks: dict[Any, Candidate] = {}
        self._capacity = 0  # Processors when `free` was last asked.
        self._disconnect = False

    def __enter__(self) -> Self:
        self._disconnect = _connect()
        try:
            options = {"num_cpus": 1, "num_gpus": self._gpus(), "max_retries": _ATTEMPTS - 1}
            self._task = ray.remote(**options)(_evaluate_remotely)
            self._remote_evaluate = ray.put(self._evaluate)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            ray.cancel(task, force=True)
        self._tasks.clear()
        self._leave()

    def _leave(self) -> None:
        if self._disconnect:
            ray.shutdown()

    def _gpus(self) -> float:
        """Share of a GPU for each evaluation, so that every processor can have one at work."""
        if not isinstance(self._evaluate, FolderEvaluate) or self._evaluate.device == "cpu":
            return 0.0
        resources = ray.cluster_resources()
        gpus, cpus = resources.get("GPU", 0.0), resources.get("CPU", 1.0)
        if gpus == 0:
            raise StudyError(
                f"expected a GPU in the Ray cluster for device={self._evaluate.device!r}, found "
                "none; add a machine that has one, or use device='cpu'"
            )
        return float(min(1.0, gpus / cpus // _GPU_STEP * _GPU_STEP))

    @property
    def free(self) -> int:
        """Processors of the cluster, as it is now, that have no candidate.

        At least one candidate is always welcome: without any processor it waits for a machine.
        """
        self._capacity = max(1, int(ray.cluster_resources().get("CPU", 0.0)))
        return max(0, self._capacity - len(self._tasks))

    def submit(self, candidate: Candidate) -> None:
        """Sends the candidate, with the files that it needs, to the cluster.

        Where the cluster has become smaller since ``free`` was asked, it waits there.
        """
        if len(self._tasks) >= max(self._capacity, 1) and self.free == 0:
            raise StudyError("expected a free worker, got none; wait for an outcome first")
        files: _Files = {}
        if self._folder is not None and isinstance(self._evaluate, FolderEvaluate):
            files = _read_files(self._folder, self._evaluate.reads(candidate))
        task = self._task.remote(self._remote_evaluate, candidate.to_json(), files)
        self._tasks[task] = candidate

    def wait(self, timeout_seconds: float | None = None) -> list[Outcome]:
        """Outcomes of what has finished, by candidate id; empty on a timeout or if all are free.

        Raises:
            StudyError: The cluster cannot run the evaluation.
        """
        if not self._tasks:
            return []
        tasks = [*self._tasks]
        ray.wait(tasks, num_returns=1, timeout=timeout_seconds)
        # Whatever else has finished meanwhile.
        done, _ = ray.wait(tasks, num_returns=len(tasks), timeout=0)
        outcomes = [self._receive(task) for task in done]
        return sorted(outcomes, key=lambda outcome: outcome.candidate.id)

    def _receive(self, task: Any) -> Outcome:
        candidate = self._tasks.pop(task)
        try:
            reply: _Reply = ray.get(task)
        except ray.exceptions.RayTaskError as error:
            raise StudyError(
                f"a Ray worker could not evaluate: {error.cause}; install the same version of "
                "sparse_search, and of whatever the study is made of, on every machine"
            ) from error
        except ray.exceptions.RayError as error:
            death = str(error).strip().splitlines()[0]
            reason = f"its Ray worker died in each of {_ATTEMPTS} attempts, at last: {death}"
            return Rejection(candidate, "crashed", reason)
        text, trace, files = reply
        log_failure(candidate, trace)
        if self._folder is not None:
            _write_files(self._folder, files)
        return read_outcome(text)


def _connect() -> bool:
    """Joins a running cluster; whether this process had not done so before."""
    if ray.is_initialized():
        return False
    try:
        ray.init(address="auto", log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError) as error:
        raise StudyError(
            f"expected a running Ray cluster, found none that can be joined ({error}); start one "
            "with `ray start --head` and join other machines with `ray start --address=...`, set "
            "RAY_ADDRESS where it is elsewhere, or use a number of workers"
        ) from error
    return True


def _evaluate_remotely(evaluate: Evaluate, candidate_json: str, files: _Files) -> _Reply:
    """Outcome as JSON, traceback of a failure, and the files that the evaluation wrote."""
    candidate = Candidate.from_json(candidate_json)
    if not isinstance(evaluate, FolderEvaluate):
        outcome, trace = evaluate_safely(evaluate, candidate)
        return outcome.to_json(), trace, {}
    with TemporaryDirectory(prefix="sparse_search-") as name:
        folder = Path(name)
        _write_files(folder, files)
        outcome, trace = evaluate_safely(evaluate.at(folder), candidate)
        written = _read_files(folder, evaluate.writes(candidate))
    new = {path: content for path, content in written.items() if files.get(path) != content}
    return outcome.to_json(), trace, new


def _read_files(folder: Path, paths: tuple[str, ...]) -> _Files:
    """Contents of those files that exist, in order."""
    return {path: (folder / path).read_bytes() for path in paths if (folder / path).is_file()}


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files in order, each at once or not at all."""
    for name, content in files.items():
        write_at_once(folder / name, methodcaller("write_bytes", content))
