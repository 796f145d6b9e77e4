"""Evaluation on a Ray cluster: files travel, a node may die, nothing is lost or done twice."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import study_fakes as fakes
from conftest import requires_module

from sparse_search.candidate import Candidate, Evaluation, PruningStep, read_outcome
from sparse_search.errors import StudyError
from sparse_search.finals import FIRST_FINAL_ID, search_history
from sparse_search.record import StudyRecord
from sparse_search.workers import open_workers

TESTS = Path(__file__).parent


def environment() -> dict[str, str]:
    """For scripts that import the test helpers; no cluster is known."""
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_a_node_killed_while_it_trains_costs_nothing_but_time(tmp_path: Path) -> None:
    """Its candidate is evaluated on the other node; every outcome is that of a local evaluation."""
    requires_module("ray")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(TESTS / "ray_script.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=180,
        # What a killed worker leaves is removed with the test's folder; Ray's own paths are short.
        env=environment() | {"TMPDIR": str(tmp_path), "RAY_TMPDIR": tempfile.gettempdir()},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    nodes: dict[str, list[str]] = found["nodes"]
    second, first = nodes.pop(str(found["killed"]))
    assert first != second
    assert {node for (node,) in nodes.values()} == {first, second}

    history = StudyRecord.open(tmp_path).history()
    assert [c.id for c in search_history(history).candidates] == list(range(8))
    assert history.pending == []
    assert sum(c.parent is not None for c in history.candidates) > 3
    local = fakes.FakeEvaluator(tmp_path / "local")
    for outcome in history.outcomes:
        assert isinstance(outcome, Evaluation)
        again = local(outcome.candidate)
        assert outcome == replace(again, seconds=outcome.seconds)
    files = {p.name: p.read_text() for p in (tmp_path / "local").iterdir() if p.stem != "calls"}
    assert files == {p.name: p.read_text() for p in (tmp_path / "fake").iterdir()}

    assert found["accidents"]["0"] == "failed: ValueError: expected this"
    assert found["accidents"]["1"].startswith("crashed: its Ray worker died in each of 3 attempts")
    assert found["accidents"]["9"] == "evaluation"


def test_files_travel_with_a_candidate_and_only_new_ones_come_back(tmp_path: Path) -> None:
    """A child is evaluated where nothing but its parent's file is known, and leaves no trace."""
    requires_module("ray")
    from sparse_search.ray_workers import _evaluate_remotely, _read_files, _write_files

    evaluate = fakes.FakeEvaluator(tmp_path)
    parent = fakes.candidate(0)
    child = Candidate(1, fakes.architecture(5), parent=0)
    text, trace, files = _evaluate_remotely(evaluate, parent.to_json(), {})
    assert (list(files), trace) == (["0.txt"], "")
    _write_files(tmp_path, files)
    known = _read_files(tmp_path, evaluate.reads(child))
    assert known == files
    text, trace, files = _evaluate_remotely(evaluate, child.to_json(), known)
    assert list(files) == ["1.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["0.txt"]
    local = evaluate(child)
    assert isinstance(local, Evaluation)
    remote = read_outcome(text)
    assert remote == replace(local, seconds=remote.seconds)
    assert (tmp_path / "1.txt").read_bytes() == files["1.txt"]
    unchanged = _evaluate_remotely(evaluate, child.to_json(), known | files)[2]
    assert unchanged == {}


def test_networks_are_trained_elsewhere_as_here(tmp_path: Path) -> None:
    """Inherited weights and the training that final candidates share travel; images may be locked.

    Ray gives an evaluation arrays that cannot be written to.
    """
    requires_module("ray")
    from objectives import DEFAULT_OBJECTIVES
    from pruning import PRUNERS
    from sparse_search.evaluation import EvaluationConfig, Evaluator
    from sparse_search.ray_workers import _evaluate_remotely, _read_files, _write_files
    from sparse_search.training import TrainingConfig

    dataset = fakes.tiny_dataset()
    config = EvaluationConfig(TrainingConfig(2, 8), 1, 1, 2, 1)
    parts = (dataset.without_test(), fakes.SPACE, PRUNERS, DEFAULT_OBJECTIVES, config)
    here, there = (Evaluator(*parts, tmp_path / name, 0) for name in ("here", "there"))
    for split in (dataset.train, dataset.validation):
        split.images.flags.writeable = False
    pruning = (PruningStep("magnitude", 0.5),)
    final = Candidate(FIRST_FINAL_ID, fakes.architecture(5), pruning, parent=1, effort="final")
    for candidate, files_back in (
        (fakes.candidate(0), 3),
        (Candidate(1, fakes.architecture(5), pruning, parent=0), 3),
        (final, 3),
        (replace(final, id=FIRST_FINAL_ID + 1, pruning=()), 1),
    ):
        known = _read_files(there.folder, there.reads(candidate))
        text, trace, files = _evaluate_remotely(there, candidate.to_json(), known)
        assert trace == ""
        assert len(files) == files_back
        _write_files(there.folder, files)
        local, remote = here(candidate), read_outcome(text)
        assert isinstance(local, Evaluation)
        assert remote == replace(local, seconds=remote.seconds)
    names, copied = (
        # Locks stay where they were taken.
        {p.relative_to(folder) for p in folder.rglob("*.*") if p.suffix != ".lock"}
        for folder in (here.folder, there.folder)
    )
    assert names == copied
    for name in names:
        assert (here.folder / name).read_bytes() == (there.folder / name).read_bytes()


def test_a_failure_on_a_machine_comes_back_as_a_rejection(tmp_path: Path) -> None:
    """With the traceback for the log, and no files."""
    requires_module("ray")
    from sparse_search.ray_workers import _evaluate_remotely

    child = Candidate(1, fakes.architecture(5), parent=0)
    text, trace, files = _evaluate_remotely(fakes.FakeEvaluator(tmp_path), child.to_json(), {})
    assert '"kind":"failed"' in text
    assert "FileNotFoundError" in text
    assert "Traceback" in trace
    assert files == {}


def test_without_a_cluster_the_message_says_how_to_start_one() -> None:
    """And names the alternative."""
    requires_module("ray")
    script = (
        "import study_fakes as fakes\n"
        "from sparse_search.workers import open_workers\n"
        "with open_workers('ray', fakes.TroubledEvaluator()): pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment() | {"RAY_TMPDIR": "/nowhere"},
    )
    assert done.returncode == 1
    assert "StudyError" in done.stderr.splitlines()[-1]
    assert "ray start --head" in done.stderr.splitlines()[-1]
    assert "number of workers" in done.stderr.splitlines()[-1]


def test_without_the_package_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of Ray is needed to be told so."""
    monkeypatch.setattr("sparse_search.workers.find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"pip install 'sparse_search\[ray\]'"):
        open_workers("ray", fakes.TroubledEvaluator())
