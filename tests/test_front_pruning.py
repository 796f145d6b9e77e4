"""The front pruned further: steps are candidates of the run, and nothing else of it changes."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import study_fakes as fakes

from sparse_search.candidate import Candidate, Evaluation, History, Outcome
from sparse_search.errors import StudyError
from sparse_search.finals import search_history
from sparse_search.front_pruning import PathOptions
from sparse_search.phases import Event, PhaseStarted, Replanned
from sparse_search.pruning_path import FIRST_PRUNED_ID
from sparse_search.record import StudyRecord

METHODS = PathOptions(methods=("channels", "magnitude"))


def run(folder: Path, candidates: int = 20) -> StudyRecord:
    """A finished study."""
    study = fakes.study(folder)
    study.run(candidates)
    return study.record


def pruned(history: History) -> list[Candidate]:
    """The candidates of the paths."""
    return [c for c in history.candidates if c.effort == "pruned"]


def without_pruned(history: History) -> list[Outcome]:
    """What ``run`` recorded, without times."""
    return [replace(o, seconds=0.0) for o in history.outcomes if o.candidate.effort != "pruned"]


def test_steps_are_ordinary_candidates_of_the_run(tmp_path: Path) -> None:
    """Ids of their own, each with an outcome, named after a model of the front, and on it."""
    record = run(tmp_path)
    models = [e.candidate for e in record.front().evaluations]
    recorded = fakes.prune(tmp_path)
    history = record.history()
    steps = pruned(history)
    assert len(steps) == recorded > 5
    assert [c.id for c in steps] == list(range(FIRST_PRUNED_ID, FIRST_PRUNED_ID + recorded))
    assert history.pending == []
    for step in steps:
        (model,) = (c for c in models if c.id == step.pruned_from)
        assert (step.architecture, step.recipe) == (model.architecture, model.recipe)
        assert step.pruning != model.pruning or model.effort == "search"
    assert {s.method for c in steps for s in c.pruning} == {"channels", "magnitude"}
    assert record.front_before_pruning().evaluations == tuple(
        e for e in record.front_before_pruning().evaluations if e.candidate.effort != "pruned"
    )
    assert [e.candidate for e in record.front_before_pruning().evaluations] == models
    assert len({(c.architecture, c.pruning) for c in steps}) == len(steps)


def test_once_all_is_there_nothing_is_done(tmp_path: Path) -> None:
    """Although the front has changed: models that were pruned further begin no path."""
    record = run(tmp_path)
    fakes.prune(tmp_path)
    before = record.journal.fingerprint()
    assert fakes.prune(tmp_path) == 0
    assert record.journal.fingerprint() == before


def test_a_longer_search_is_what_it_would_have_been(tmp_path: Path) -> None:
    """Neither the strategy nor the final phase sees what was pruned; its paths can go on later."""
    run(tmp_path / "pruned", 8)
    fakes.prune(tmp_path / "pruned")
    plain, other = run(tmp_path / "plain", 8), run(tmp_path / "pruned", 20)
    assert fakes.study(tmp_path / "plain").run(20) > 10
    assert without_pruned(other.history()) == without_pruned(plain.history())
    assert search_history(other.history()).pending == []
    fakes.prune(tmp_path / "pruned")
    assert fakes.study(tmp_path / "pruned").run(20) == 0


@dataclass(frozen=True)
class Interrupting:
    """Stops everything at the second step."""

    folder: Path

    def __call__(self, candidate: Candidate) -> Outcome:
        """The fake outcome, or an interrupt."""
        if candidate.id == FIRST_PRUNED_ID + 1:
            raise KeyboardInterrupt
        return fakes.FakeEvaluator(self.folder)(candidate)


def test_an_unfinished_step_waits_for_the_next_pruning(tmp_path: Path) -> None:
    """A run in between leaves it alone; then it is evaluated first, and all is as in one go."""
    record, whole = run(tmp_path / "a"), run(tmp_path / "b")
    with pytest.raises(KeyboardInterrupt):
        fakes.prune(tmp_path / "a", evaluate=Interrupting(tmp_path / "a" / "fake"))
    assert [c.id for c in record.history().pending] == [FIRST_PRUNED_ID + 1]
    assert fakes.study(tmp_path / "a").run(20) == 0
    assert [c.id for c in record.history().pending] == [FIRST_PRUNED_ID + 1]
    fakes.prune(tmp_path / "a")
    fakes.prune(tmp_path / "b")
    assert record.journal.fingerprint() == whole.journal.fingerprint()


def test_observers_see_the_phase_shrink_to_what_was_done(tmp_path: Path) -> None:
    """The total is that of all paths at first, and ends at the number of outcomes."""
    run(tmp_path)
    events: list[Event] = []
    recorded = fakes.prune(tmp_path, observer=events.append)
    assert isinstance(events[0], PhaseStarted)
    assert (events[0].phase, events[0].done) == ("pruned", 0)
    totals = [events[0].total, *(e.total for e in events if isinstance(e, Replanned))]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] > totals[-1] == recorded
    events.clear()
    fakes.prune(tmp_path, observer=events.append)
    assert events == [PhaseStarted("pruned", recorded, recorded)]


def test_one_model_can_be_chosen(tmp_path: Path) -> None:
    """Also one that is not on the front; later the front's other models follow."""
    record = run(tmp_path)
    front = {e.candidate.id for e in record.front().evaluations}
    others = [e for e in record.history().evaluations if e.candidate.id not in front]
    model = min(others, key=lambda e: e.objectives["val_error"]).candidate
    options = replace(METHODS, candidate=model.id)
    assert fakes.prune(tmp_path, options=options) > 0
    assert {c.pruned_from for c in pruned(record.history())} == {model.id}
    assert fakes.prune(tmp_path, options=options) == 0
    assert fakes.prune(tmp_path) > 0


def test_options_choose_methods_codebooks_and_the_number_of_models(tmp_path: Path) -> None:
    """Fewer models, one method, and each path twice."""
    record = run(tmp_path)
    options = PathOptions(("magnitude",), (None, 4), models=1)
    assert fakes.prune(tmp_path, options=options) > 1
    steps = pruned(record.history())
    best = record.front_before_pruning().evaluations[0].candidate
    assert {c.pruned_from for c in steps} == {best.id}
    assert {c.codebook_bits for c in steps} == {None, 4}
    assert {s.method for c in steps for s in c.pruning if s not in best.pruning} == {"magnitude"}


def test_what_does_not_fit_the_run_is_refused(tmp_path: Path) -> None:
    """Each mistake is named with what there is; the run is unchanged."""
    record = run(tmp_path)
    fakes.prune(tmp_path, options=replace(METHODS, models=1))
    before = record.journal.fingerprint()
    first = pruned(record.history())[0]
    for changes, words in (
        ({"options": PathOptions(candidate=999)}, "got 999; the front has candidates 1"),
        (
            {"options": PathOptions(candidate=first.id)},
            f"candidate {first.id} was itself pruned from candidate {first.pruned_from}",
        ),
        ({"options": PathOptions(methods=("magic",))}, "channels.*, got magic"),
        ({"options": PathOptions(sparsities=(0.5, 1.5))}, r"below 1, got \(0.5, 1.5\)"),
        ({"dataset": fakes.tiny_dataset(1)}, "fingerprint"),
        ({"objectives": fakes.OBJECTIVES[:1]}, "expected the objectives val_error, flash_bytes"),
    ):
        with pytest.raises(StudyError, match=words):
            fakes.prune(tmp_path, **changes)
    assert record.journal.fingerprint() == before


def test_a_run_without_models_has_nothing_to_prune(tmp_path: Path) -> None:
    """The message says what to do first."""
    fakes.study(tmp_path)
    with pytest.raises(StudyError, match="continue the run first"):
        fakes.prune(tmp_path)


def test_the_front_is_that_of_everything(tmp_path: Path) -> None:
    """A pruned model that is better replaces others."""
    record = run(tmp_path)
    model = record.front().evaluations[0]

    @dataclass(frozen=True)
    class Better:
        """Every step is as good as the model, and smaller."""

        def __call__(self, candidate: Candidate) -> Outcome:
            """Smaller by its sparsity."""
            size = model.objectives["flash_bytes"] * (1 - candidate.pruning[-1].sparsity)
            objectives = {**model.objectives, "flash_bytes": size}
            return Evaluation(candidate, objectives, {**model.metrics, "flash_bytes": size})

    options = PathOptions(("magnitude",), candidate=model.candidate.id)
    fakes.prune(tmp_path, options=options, evaluate=Better())
    best = record.front().evaluations[0].candidate
    assert best == pruned(record.history())[-1]
    assert model not in record.front()
    assert model in record.front_before_pruning()
