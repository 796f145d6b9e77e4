"""Worker processes: persistent, one thread each, replaced when they die.

Processes are spawned, not forked (torch does not survive a fork), so a script that uses them must
guard its entry point with ``if __name__ == "__main__":``. A script without the guard gets a
StudyError that says so; ``workers=0`` needs no guard.

A worker ends with the main process, however that ends. Messages between them are JSON; only the
evaluator itself is sent as an object, once, by multiprocessing.
"""

import atexit
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from multiprocessing import connection as mp_connection
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self, TypeAlias

from .candidate import Candidate, Outcome, Rejection, read_outcome
from .errors import StudyError
from .workers import Evaluate, evaluate_safely, log_failure

_Connection: TypeAlias = "mp_connection.Connection[Any, Any]"

# More threads than one per worker make the machine slower, and sums depend on their number.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# A terminal or a job manager sends these to the whole process group. The main process decides
# what they mean; a worker that obeyed them would be recorded as crashed.
_GROUP_SIGNALS = {
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
}
_EXIT_SECONDS = 10
_GUARD_REMEDY = (
    "put the code that starts the study into a file, under `if __name__ == '__main__':`, "
    "or use workers=0, which evaluates in this process"
)


class _Stage(Enum):
    STARTED = auto()
    LOADING = auto()
    READY = auto()


@dataclass(eq=False)
class _Worker:
    """A process, and the candidate that it evaluates or will evaluate once it is ready."""

    process: BaseProcess
    connection: _Connection
    stage: _Stage = _Stage.STARTED
    candidate: Candidate | None = None

    def submit(self, candidate: Candidate) -> None:
        self.candidate = candidate
        if self.stage is _Stage.READY:
            self._send()

    def _send(self) -> None:
        if self.candidate is not None:
            # ``WorkerPool.wait`` notices a dead process, and this candidate with it.
            with contextlib.suppress(OSError):
                self.connection.send_bytes(self.candidate.to_json().encode())

    def receive(self, evaluate: Evaluate) -> list[Outcome]:
        """Handles the next message; EOFError or OSError where the process is gone."""
        message = self.connection.recv_bytes()
        if self.stage is _Stage.STARTED:
            _send_evaluator(self.connection, evaluate)
            self.stage = _Stage.LOADING
            return []
        if self.stage is _Stage.LOADING:
            self.stage = _Stage.READY
            self._send()
            return []
        outcome = read_outcome(self.connection.recv_bytes())
        log_failure(outcome.candidate, message.decode())
        self.candidate = None
        return [outcome]

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class WorkerPool:
    """Evaluates in up to ``count`` worker processes, started when first needed."""

    def __init__(self, count: int, evaluate: Evaluate) -> None:
        self._evaluate = evaluate
        self._count = count
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            # This is a worker that imports an unguarded script: it must not start workers too.
            raise StudyError(f"the script starts workers when it is imported; {_GUARD_REMEDY}")
        # Where the block is never left, multiprocessing's exit handler would wait for ever.
        atexit.register(self._stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def free(self) -> int:
        """Processes that have no candidate, or can still be started."""
        return self._count - sum(worker.candidate is not None for worker in self._workers)

    def submit(self, candidate: Candidate) -> None:
        """Hands the candidate to a free process; starts one where there is none."""
        if self.free == 0:
            raise StudyError("expected a free worker, got none; wait for an outcome first")
        idle = (w for w in self._workers if w.candidate is None and w.process.is_alive())
        worker = next(idle, None) or self._start()
        worker.submit(candidate)

    def wait(self, timeout_seconds: float | None = None) -> list[Outcome]:
        """Outcomes of what has finished, by candidate id; empty on a timeout or if all are free.

        Raises:
            StudyError: A worker process could not start.
        """
        outcomes: list[Outcome] = []
        while not outcomes and any(worker.candidate for worker in self._workers):
            ready = mp_connection.wait(
                [source for w in self._workers for source in (w.connection, w.process.sentinel)],
                timeout_seconds,
            )
            if not ready:
                break
            for worker in [*self._workers]:
                if worker.connection in ready or worker.process.sentinel in ready:
                    outcomes += self._handle(worker)
        return sorted(outcomes, key=lambda outcome: outcome.candidate.id)

    def _handle(self, worker: _Worker) -> list[Outcome]:
        # What a process has written counts, also if it died afterwards.
        with contextlib.suppress(EOFError, OSError):
            if worker.connection.poll():
                return worker.receive(self._evaluate)
        return self._remove_dead(worker)

    def _remove_dead(self, worker: _Worker) -> list[Outcome]:
        worker.process.join(_EXIT_SECONDS)  # it closed its connection, so it is about to end
        worker.stop()
        self._workers.remove(worker)
        death = _describe_exit(worker.process.exitcode)
        if worker.stage is not _Stage.READY:
            raise StudyError(f"a worker process could not start, it {death}; {_GUARD_REMEDY}")
        if worker.candidate is None:
            return []
        return [Rejection(worker.candidate, "crashed", f"its worker process {death}")]

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _environment(_ONE_THREAD), _blocked(_GROUP_SIGNALS):
            try:
                process.start()
            except BaseException:
                ours.close()
                raise
            finally:
                theirs.close()
            worker = _Worker(process, ours)
            self._workers.append(worker)
        return worker

    def _stop(self) -> None:
        atexit.unregister(self._stop)
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.stop()
        self._workers.clear()


def _send_evaluator(connection: _Connection, evaluate: Evaluate) -> None:
    try:
        connection.send(evaluate)
    except OSError:
        raise
    except Exception as error:  # whatever the parts of the evaluator raise
        raise StudyError(
            f"the evaluator cannot be sent to a worker process: {error}; build it from classes "
            "and functions of modules, or use workers=0"
        ) from error


def _describe_exit(exit_code: int | None) -> str:
    """How a process ended, in words.

    >>> _describe_exit(3)
    'exited with code 3'
    >>> _describe_exit(-9)
    'was killed by SIGKILL (a system that runs out of memory does this)'
    """
    if exit_code is None or exit_code >= 0:
        return f"exited with code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    hint = " (a system that runs out of memory does this)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables that processes started meanwhile inherit."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _blocked(signals: set[signal.Signals]) -> Iterator[None]:
    """Signals wait meanwhile, and processes started meanwhile never see them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Starting the tracker unblocks signals, so it has to run before they are blocked.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: _Connection) -> None:
    """A worker process: receives the evaluator once, then candidates until it is stopped."""
    for number in _GROUP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError):  # the main process is gone
        connection.send_bytes(b"started")
        evaluate: Evaluate = connection.recv()
        connection.send_bytes(b"ready")
        while True:
            candidate = Candidate.from_json(connection.recv_bytes())
            outcome, trace = evaluate_safely(evaluate, candidate)
            connection.send_bytes(trace.encode())
            connection.send_bytes(outcome.to_json().encode())


def _end_with_parent() -> None:
    """Ends this process as soon as the main process is gone, whatever it is doing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
