"""Evaluation in this process and in worker processes: every accident becomes an outcome."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import study_fakes as fakes

from sparse_search.candidate import Evaluation, Outcome, Rejection
from sparse_search.errors import StudyError
from sparse_search.workers import InProcess, Workers, open_workers

TESTS = str(Path(__file__).parent)


def evaluate_all(workers: Workers, ids: list[int]) -> dict[int, Outcome]:
    """Outcomes by candidate id."""
    waiting, outcomes = list(ids), {}
    while len(outcomes) < len(ids):
        while waiting and workers.free:
            workers.submit(fakes.candidate(waiting.pop(0)))
        outcomes |= {outcome.candidate.id: outcome for outcome in workers.wait()}
    return outcomes


def reason(outcome: Outcome) -> tuple[str, str]:
    """Kind and reason of what must be a rejection."""
    assert isinstance(outcome, Rejection)
    return outcome.kind, outcome.reason


def is_alive(pid: int) -> bool:
    """Whether the process exists and has not ended."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_pool_and_process_give_the_same_outcomes(tmp_path: Path) -> None:
    """Where a candidate is evaluated does not change what comes out."""
    ids = [3, 1, 2, 0]
    results = []
    for count in (0, 2):
        with open_workers(count, fakes.FakeEvaluator(tmp_path / str(count))) as workers:
            outcomes = evaluate_all(workers, ids)
        results.append({i: outcomes[i].objectives for i in ids})  # type: ignore[union-attr]
    assert results[0] == results[1]


def test_accidents_become_rejections_with_their_reason(caplog: pytest.LogCaptureFixture) -> None:
    """A worker that raises, exits or is killed costs one candidate and is replaced."""
    with (
        caplog.at_level(logging.WARNING, "sparse_search"),
        open_workers(2, fakes.TroubledEvaluator()) as workers,
    ):
        outcomes = evaluate_all(workers, [0, 1, 2, 3, 4, 6, 9, 10, 11])
    assert reason(outcomes[0]) == ("failed", "ValueError: expected this")
    assert reason(outcomes[1]) == ("crashed", "its worker process exited with code 3")
    assert reason(outcomes[2])[0] == "crashed"
    assert "SIGKILL" in reason(outcomes[2])[1]
    assert reason(outcomes[3]) == ("failed", "MemoryError: no message")
    assert reason(outcomes[4]) == ("failed", "ValueError: expected val_error to be finite, got nan")
    assert reason(outcomes[6])[1].startswith("ValueError: expected the outcome of candidate 6")
    assert all(isinstance(outcomes[i], Evaluation) for i in (9, 10, 11))
    assert "Traceback" in caplog.text
    assert "and a second line" in caplog.text


def test_failures_in_process_are_the_same_as_in_a_worker() -> None:
    """An exception in this process is a rejection too."""
    workers = InProcess(fakes.TroubledEvaluator())
    outcomes = evaluate_all(workers, [0, 3, 4, 9])
    assert reason(outcomes[0]) == ("failed", "ValueError: expected this")
    assert reason(outcomes[3])[0] == reason(outcomes[4])[0] == "failed"
    assert isinstance(outcomes[9], Evaluation)


def test_workers_are_persistent_single_threaded_and_deaf_to_ctrl_c() -> None:
    """One process evaluates many candidates with one thread, and torch only if it is needed."""
    before = dict(os.environ)
    with open_workers(1, fakes.Surroundings()) as workers:
        outcomes = evaluate_all(workers, [1, 2, 3])
    metrics = [o.metrics for o in outcomes.values() if isinstance(o, Evaluation)]
    assert len({m["process"] for m in metrics}) == 1
    assert metrics[0]["process"] != os.getpid()
    assert {(m["threads"], m["interrupts"], m["torch"]) for m in metrics} == {(1.0, 0.0, 0.0)}
    assert dict(os.environ) == before


def test_signals_to_the_process_group_do_not_end_a_worker() -> None:
    """SIGINT and SIGTERM, which a terminal or job manager sends to all, stop the parent only."""
    with open_workers(1, fakes.Surroundings()) as workers:
        first = evaluate_all(workers, [1])[1]
        assert isinstance(first, Evaluation)
        pid = int(first.metrics["process"])
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        second = evaluate_all(workers, [2])[2]
    assert isinstance(second, Evaluation)
    assert second.metrics["process"] == pid
    assert not is_alive(pid)


def test_a_pool_closed_while_working_ends_at_once() -> None:
    """Leaving the block abandons a hanging evaluation and leaves no process."""
    with open_workers(1, fakes.TroubledEvaluator()) as workers:
        workers.submit(fakes.candidate(5))
        assert workers.free == 0
        assert workers.wait(timeout_seconds=0.5) == []
        pids = [worker.process.pid for worker in workers._workers]  # type: ignore[attr-defined]
        started = time.perf_counter()
    assert time.perf_counter() - started < 5.0
    assert not any(is_alive(pid) for pid in pids)


def test_submitting_to_nobody_and_negative_counts_are_refused() -> None:
    """The interface says what it expected."""
    workers = InProcess(fakes.TroubledEvaluator())
    workers.submit(fakes.candidate(9))
    with pytest.raises(StudyError, match="free worker"):
        workers.submit(fakes.candidate(10))
    with pytest.raises(StudyError, match="0 or more"):
        open_workers(-1, fakes.TroubledEvaluator())
    with pytest.raises(StudyError, match="or 'ray', got 'cluster'"):
        open_workers("cluster", fakes.TroubledEvaluator())  # type: ignore[arg-type]


def test_an_evaluator_that_cannot_travel_is_named() -> None:
    """A lambda cannot be sent to a process: the remedy is in the message."""
    with open_workers(1, lambda candidate: Rejection(candidate, "failed", "")) as workers:
        workers.submit(fakes.candidate(9))
        with pytest.raises(StudyError, match="workers=0"):
            workers.wait()


def run_script(path: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that may import the test helpers."""
    path.write_text(textwrap.dedent(text))
    environment = {**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{Path.cwd()}"}
    return subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=60, env=environment
    )


def test_a_script_without_main_guard_ends_with_a_clear_error(tmp_path: Path) -> None:
    """No fork bomb and no hang: the message names the guard and workers=0."""
    done = run_script(
        tmp_path / "unguarded.py",
        """
        import study_fakes as fakes
        from sparse_search.workers import open_workers

        with open_workers(2, fakes.TroubledEvaluator()) as workers:
            workers.submit(fakes.candidate(9))
            workers.wait()
        """,
    )
    assert done.returncode == 1
    assert "a worker process could not start" in done.stderr.splitlines()[-1]
    assert "__name__ == '__main__'" in done.stderr.splitlines()[-1]


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """A killed main process leaves no worker training on."""
    (tmp_path / "parent.py").write_text(
        textwrap.dedent(
            """
            import study_fakes as fakes
            from sparse_search.workers import open_workers

            if __name__ == "__main__":
                with open_workers(2, fakes.TroubledEvaluator()) as workers:
                    for number in (9, 10):
                        workers.submit(fakes.candidate(number))
                    done = workers.wait()
                    while len(done) < 2:
                        done += workers.wait()
                    workers.submit(fakes.candidate(5))
                    print(*(w.process.pid for w in workers._workers), flush=True)
                    workers.wait()
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{Path.cwd()}"}
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py")],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(is_alive(pid) for pid in pids)
        parent.kill()
        parent.wait(timeout=10)
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(is_alive(pid) for pid in pids)
