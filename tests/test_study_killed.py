"""A study that is killed or interrupted: the same history, nothing lost and nothing done twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import study_fakes as fakes

from sparse_search.candidate import Evaluation, Rejection
from sparse_search.errors import StudyLockedError
from sparse_search.finals import search_history
from sparse_search.record import StudyRecord

TESTS = Path(__file__).parent


def environment() -> dict[str, str]:
    """For scripts that import the test helpers."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}


@contextmanager
def running(
    folder: Path, *, workers: int = 1, candidates: int = 20, seconds: float = 0.02
) -> Iterator[subprocess.Popen[str]]:
    """A process, in a group of its own, that runs a study of fakes in ``folder``."""
    arguments = [str(folder), str(workers), str(candidates), str(seconds)]
    with subprocess.Popen(
        [sys.executable, str(TESTS / "study_script.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], finished: int) -> None:
    """Until the process has reported so many outcomes, or has ended."""
    assert process.stdout is not None
    for _ in range(finished):
        process.stdout.readline()


def fingerprint(folder: Path) -> str:
    """Of the study in ``folder``."""
    return StudyRecord.open(folder).journal.fingerprint()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> StudyRecord:
    """Twenty candidates and the final models, in this process, never stopped."""
    study = fakes.study(tmp_path_factory.mktemp("uninterrupted"))
    study.run(20)
    return study.record


def kill(process: subprocess.Popen[str], finished: int, moments: random.Random) -> None:
    """SIGKILL at a random moment after so many outcomes."""
    wait_for(process, finished)
    time.sleep(moments.uniform(0.0, 0.05))
    assert process.poll() is None
    process.kill()
    process.wait()


@pytest.mark.slow
def test_killed_and_continued_equals_uninterrupted(
    tmp_path: Path, uninterrupted: StudyRecord
) -> None:
    """SIGKILL with one worker process at work: the history is that of an undisturbed run."""
    moments = random.Random(5)
    for finished in (3, 8, 6):
        with running(tmp_path) as process:
            kill(process, finished, moments)
    assert len(StudyRecord.open(tmp_path).history().outcomes) >= 17
    fakes.study(tmp_path, workers=0).run(20)
    assert fingerprint(tmp_path) == uninterrupted.journal.fingerprint()
    assert len(fakes.calls(tmp_path)) <= len(uninterrupted.history().outcomes) + 3


def killed(folder: Path, seed: int, kills: int, kind: str) -> list[int]:
    """Runs a study that is killed so many times; the outcomes recorded after each kill."""
    done = subprocess.run(
        [sys.executable, str(TESTS / "study_killer.py"), str(folder), str(seed), str(kills), kind],
        capture_output=True,
        text=True,
        timeout=180,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


@pytest.mark.slow
def test_killed_at_any_step_equals_uninterrupted(
    tmp_path: Path, uninterrupted: StudyRecord
) -> None:
    """SIGKILL every few milliseconds, between any two writes."""
    outcomes_after_kill = killed(tmp_path, 7, 15, "fake")
    assert len(set(outcomes_after_kill)) >= 3  # On a busy machine more of them hit one step.
    assert fingerprint(tmp_path) == uninterrupted.journal.fingerprint()


@pytest.mark.slow
def test_killed_at_20_moments_the_surrogate_proposes_the_same(tmp_path: Path) -> None:
    """Also while a proposal is computed; candidates that are stopped early are history too."""
    outcomes_after_kill = killed(tmp_path / "killed", 1, 20, "sparse")
    assert len(outcomes_after_kill) == 20
    assert len(set(outcomes_after_kill)) >= 5
    study = fakes.sparse_study(tmp_path / "uninterrupted")
    study.run(20)
    assert fingerprint(tmp_path / "killed") == study.record.journal.fingerprint()
    search = search_history(study.record.history())
    assert sum(c.origin == "morph" for c in search.candidates) > 5
    assert {o.kind for o in search.outcomes if isinstance(o, Rejection)} == {"stopped"}


@pytest.mark.slow
def test_killed_while_it_prunes_the_front_equals_uninterrupted(tmp_path: Path) -> None:
    """The paths go on where they were: same ids, same steps, same ends."""
    fakes.study(tmp_path / "killed").run(20)
    before = len(StudyRecord.open(tmp_path / "killed").history().outcomes)
    outcomes_after_kill = killed(tmp_path / "killed", 3, 8, "pruned")
    assert len({count for count in outcomes_after_kill if count > before}) >= 2
    fakes.study(tmp_path / "uninterrupted").run(20)
    assert fakes.prune(tmp_path / "uninterrupted") > 5
    assert fingerprint(tmp_path / "killed") == fingerprint(tmp_path / "uninterrupted")


@pytest.mark.slow
def test_killed_with_two_workers_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """What was recorded before a kill is never evaluated again; what was proposed is evaluated."""
    moments = random.Random(9)
    kills = []
    for finished in (1, 5, 3, 4):
        with running(tmp_path, workers=2) as process:
            kill(process, finished, moments)
        recorded = StudyRecord.open(tmp_path).history().outcomes
        kills.append((recorded, len(fakes.calls(tmp_path))))
    fakes.study(tmp_path, workers=2).run(20)
    history = StudyRecord.open(tmp_path).history()
    assert [c.id for c in search_history(history).candidates] == list(range(20))
    assert history.pending == []
    assert len({c.key for c in history.candidates}) == len(history.candidates)
    for recorded, calls_before in kills:
        assert all(outcome in history.outcomes for outcome in recorded)
        done = {outcome.candidate.id for outcome in recorded}
        assert not done & set(fakes.calls(tmp_path)[calls_before:])
    # Each kill costs at most what its two workers were doing.
    assert len(fakes.calls(tmp_path)) <= len(history.outcomes) + 2 * len(kills)


def test_ctrl_c_leaves_a_study_that_continues(tmp_path: Path, uninterrupted: StudyRecord) -> None:
    """An interrupt to all processes of the terminal ends with KeyboardInterrupt, and one only."""
    with running(tmp_path) as process:
        wait_for(process, 4)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode != 0
    assert errors.count("Traceback") == 1
    assert errors.strip().endswith("KeyboardInterrupt")
    outcomes = StudyRecord.open(tmp_path).history().outcomes
    assert all(isinstance(outcome, Evaluation) for outcome in outcomes)
    fakes.study(tmp_path).run(20)
    assert fingerprint(tmp_path) == uninterrupted.journal.fingerprint()


def test_a_second_process_is_refused_and_may_read(tmp_path: Path) -> None:
    """The message names the process that works; a report reads meanwhile."""
    with running(tmp_path, workers=0, candidates=400) as process:
        wait_for(process, 2)
        with pytest.raises(StudyLockedError, match=f"process {process.pid} on "):
            fakes.study(tmp_path).run(400)
        assert len(StudyRecord.open(tmp_path).history().outcomes) >= 2
        process.kill()
        process.wait()
    history = StudyRecord.open(tmp_path).history()
    assert fakes.study(tmp_path).run(len(search_history(history).candidates)) > 0
