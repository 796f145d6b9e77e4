"""Searches that begin with given networks: which ones, in what form, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import study_fakes as fakes
from test_cli import call

from pruning import PRUNERS
from sparse_search.architecture import Architecture, Conv2D, ConvBlock
from sparse_search.candidate import Candidate, PruningStep, Recipe
from sparse_search.cli.subjects import read_subject
from sparse_search.errors import ArchitectureError, StudyError
from sparse_search.finals import search_history
from sparse_search.forecast import Forecaster
from sparse_search.record import StudyRecord
from sparse_search.space import SearchSpace
from sparse_search.target import Limits
from sparse_search.warm_start import fit_start, read_start

SPACE = SearchSpace((8, 8, 1), 10)
FORECASTER = Forecaster(SPACE, PRUNERS)
SMALL = Architecture((ConvBlock((Conv2D(4, 3),)),), head="average")
LARGE = Architecture((ConvBlock((Conv2D(40, 3), Conv2D(40, 3))),), head="average")
PRUNED = Candidate(
    7, LARGE, (PruningStep("magnitude", 0.5),), Recipe(2.0), "morph", 3, ("widen",), codebook_bits=4
)


def test_the_first_candidates_are_those_given(tmp_path: Path) -> None:
    """Pruning and recipe go with them, lineage does not; then the strategy goes on."""
    given = [fakes.architecture(5), replace(fakes.candidate(8, 0.5), parent=2)]
    study = fakes.study(tmp_path, start=given)
    study.run(6)
    first, second, *others = (o.candidate for o in study.record.history().outcomes[:6])
    assert (first.id, first.architecture, first.pruning) == (0, fakes.architecture(5), ())
    assert (second.id, second.key) == (1, fakes.candidate(8, 0.5).key)
    assert [c.origin for c in (first, second)] == ["given"] * 2
    assert first.parent is second.parent is None
    assert "given" not in {c.origin for c in others}


def test_a_study_goes_on_with_its_own_start(tmp_path: Path) -> None:
    """Unless another one is asked for: that is another study."""
    given = [fakes.architecture(5), fakes.architecture(6), fakes.architecture(7)]
    fakes.study(tmp_path / "parts", start=given).run(1)
    fakes.study(tmp_path / "parts").run(8)
    whole = fakes.study(tmp_path / "whole", start=given)
    whole.run(8)
    histories = (StudyRecord.open(tmp_path / name).history() for name in ("parts", "whole"))
    parts, at_once = (search_history(history).candidates for history in histories)
    assert parts == at_once
    assert [c.architecture for c in parts[:3]] == given
    with pytest.raises(StudyError, match=r"other settings:\n  start"):
        fakes.study(tmp_path / "parts", start=given[:2])


def test_what_breaks_a_limit_is_narrowed_and_doubles_go(tmp_path: Path) -> None:
    """A front of one board is a beginning for a smaller one."""
    limits = Limits(None, 2000)
    large, small = fit_start([LARGE, SMALL, SMALL], FORECASTER, limits)
    assert [large.id, small.id] == [0, 1]
    assert small.architecture == SPACE.canonical(SMALL)
    assert limits.check(FORECASTER.plan(large)) == []
    assert large.architecture.layer_count == 2
    assert limits.check(FORECASTER.plan(Candidate(0, LARGE))) != []


@pytest.mark.parametrize(
    ("start", "limits", "message"),
    [
        ([SMALL, replace(SMALL, hidden=(5,))], Limits(), "does not contain 5 hidden units"),
        ([replace(PRUNED, pruning=(PruningStep("luck", 0.5),))], Limits(), "not prune by luck"),
        ([LARGE], Limits(None, 100), "can keep the limits"),
    ],
)
def test_what_cannot_be_searched_from_is_refused(
    start: list[Architecture | Candidate], limits: Limits, message: str
) -> None:
    """Outside the space, or too large however narrow."""
    with pytest.raises(StudyError, match=message):
        fit_start(start, FORECASTER, limits)


def test_files_hold_architectures_or_candidates(tmp_path: Path) -> None:
    """One, or a list."""
    file = tmp_path / "start.json"
    file.write_text(SMALL.to_json())
    assert [c.architecture for c in read_start(file)] == [SMALL]
    file.write_text(f"[{SMALL.to_json()}, {PRUNED.to_json()}]")
    small, pruned = read_start(file)
    assert small.architecture == SMALL
    assert pruned.key == PRUNED.key
    assert (pruned.origin, pruned.parent, pruned.morphisms) == ("given", None, ())
    file.write_text(json.dumps({"architecture": json.loads(SMALL.to_json())}))
    assert [c.architecture for c in read_start(file)] == [SMALL]


@pytest.mark.parametrize("text", ["{", "3", '{"architecture": 3}', '[{"blocks": 3}]'])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    """By name."""
    file = tmp_path / "start.json"
    file.write_text(text)
    with pytest.raises(StudyError, match=r"start\.json"):
        read_start(file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "found no blocks"),
        ({"a": 1}, "unknown keys: a"),
        ({"blocks": [], "hidn": [4]}, "unknown keys: hidn"),
        ([{"architecture": {"blocsk": []}}], "unknown keys: blocsk"),
        ({"architecture": {"blocks": []}, "prune": []}, "unknown keys: prune"),
        ({"blocks": [{"layers": []}]}, "blocks.0: expected at least one layer in a block"),
    ],
)
def test_what_is_no_architecture_is_named(content: object, words: str, tmp_path: Path) -> None:
    """By its keys, in one line and in our words, for `plan` and for --start."""
    file = tmp_path / "start.json"
    file.write_text(json.dumps(content))
    with pytest.raises(StudyError) as caught:
        read_start(file)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Value error" not in str(caught.value)
    if isinstance(content, dict) and "architecture" not in content:
        with pytest.raises(ArchitectureError, match=words):
            read_subject(file, "8x8x1", 10)


def test_a_run_gives_its_front(tmp_path: Path) -> None:
    """Useful models by ascending error, as new candidates."""
    study = fakes.study(tmp_path)
    study.run(20)
    front = study.front()
    keys = {replace(e.candidate, effort="search").key for e in front.evaluations}
    start = read_start(tmp_path)
    assert 1 <= len(start) <= 8
    assert {candidate.key for candidate in start} <= keys
    best = min(front.evaluations, key=lambda e: e.objectives["val_error"])
    assert start[0].architecture == best.candidate.architecture


def test_the_command_line_starts_from_a_file(tmp_path: Path) -> None:
    """And says what became of it; a missing file is one line."""
    (tmp_path / "mine.json").write_text(SMALL.to_json())
    run = ("run", "digits", "--candidates", "1", "--final-models", "1", "--out", "r", "--start")
    done = call(*run, "mine.json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "given" in done.stdout
    first = StudyRecord.open(tmp_path / "r").history().outcomes[0].candidate
    assert first.architecture == SearchSpace.for_input((8, 8, 1), 10).canonical(SMALL)
    failed = call("run", "digits", "--out", "s", "--start", "none.json", cwd=tmp_path)
    assert failed.returncode == 1
    assert "expected a run folder or a JSON file in none.json" in failed.stderr + failed.stdout
