"""The study: search and final phase, events, settings, and what ends it."""

import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import study_fakes as fakes

from sparse_search.candidate import Candidate, Evaluation, History, Outcome, Rejection
from sparse_search.errors import InfeasibleError, StudyError
from sparse_search.finals import FIRST_FINAL_ID, search_history
from sparse_search.pareto import objective_values
from sparse_search.phases import Event, Finished, PhaseStarted, Started
from sparse_search.record import StudyRecord
from sparse_search.target import Limits


def fingerprint(folder: Path) -> str:
    """Of the study in ``folder``."""
    return StudyRecord.open(folder).journal.fingerprint()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> StudyRecord:
    """Twenty candidates and the final models, in this process, never stopped."""
    study = fakes.study(tmp_path_factory.mktemp("uninterrupted"))
    study.run(20)
    return study.record


def test_a_run_is_a_search_and_a_final_phase(uninterrupted: StudyRecord) -> None:
    """Search ids from 0 on, final ids apart, all with outcomes; children inherited weights."""
    history = uninterrupted.history()
    search = search_history(history)
    finals = [c for c in history.candidates if c.effort == "final"]
    assert [c.id for c in search.candidates] == list(range(20))
    assert [c.id for c in finals] == list(range(FIRST_FINAL_ID, FIRST_FINAL_ID + len(finals)))
    assert len(finals) > 3
    assert history.pending == []
    assert sum(c.parent is not None for c in search.candidates) > 3
    assert fakes.calls(uninterrupted.folder) == [c.id for c in history.candidates]


def test_the_front_is_of_all_models(uninterrupted: StudyRecord) -> None:
    """No evaluation, of the search or final, dominates a member of the front."""
    front = uninterrupted.front()
    evaluations = uninterrupted.history().evaluations
    assert {e.candidate.effort for e in evaluations} == {"search", "final"}
    assert {e.candidate.effort for e in uninterrupted.search_front().evaluations} == {"search"}
    assert front.objectives == ("val_error", "flash_bytes")
    assert len(front) > 0
    for member in front.values:
        for other in objective_values(evaluations, front.objectives):
            assert not ((other <= member).all() and (other < member).any())


@dataclass(frozen=True)
class PatientEvaluator(fakes.FakeEvaluator):
    """Finishes candidate 0 when five later ones have begun."""

    def __call__(self, candidate: Candidate) -> Outcome:
        """Fails where the others wait for candidate 0."""
        deadline = time.monotonic() + 30
        while candidate.id == 0 and len(fakes.calls(self.folder.parent)) < 5:
            if time.monotonic() > deadline:
                raise TimeoutError("the other worker waits for this one")
            time.sleep(0.01)
        return super().__call__(candidate)


@dataclass(frozen=True)
class WatchedStrategy:
    """The fake strategy; notes the ids of pending candidates at each proposal."""

    pending: list[list[int]]
    name: str = "watched"

    def propose(
        self, history: History, candidate_id: int, generator: np.random.Generator
    ) -> Candidate:
        """The fake strategy's."""
        self.pending.append([candidate.id for candidate in history.pending])
        return fakes.FakeStrategy().propose(history, candidate_id, generator)


def test_workers_never_wait_for_each_other(tmp_path: Path) -> None:
    """While one trains for long, the other goes on; proposals know what is being trained."""
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "calls.txt").touch()
    strategy = WatchedStrategy([])
    evaluate = PatientEvaluator(tmp_path / "fake")
    study = fakes.study(tmp_path, workers=2, evaluate=evaluate, strategy=strategy)
    finished: list[int] = []

    def observer(event: Event) -> None:
        if isinstance(event, Finished):
            finished.append(event.outcome.candidate.id)

    study.run(8, observer)
    assert all(isinstance(o, Evaluation) for o in study.record.history().outcomes)
    assert finished[:4] == [1, 2, 3, 4]
    assert strategy.pending[:6] == [[], [0], [0], [0], [0], [0]]


def test_the_time_of_proposals_is_recorded_beside_them(tmp_path: Path) -> None:
    """For search candidates; equal histories have equal fingerprints whatever they took."""
    study = fakes.study(tmp_path)
    study.run(3)
    seconds = study.record.proposal_seconds()
    assert sorted(seconds) == [0, 1, 2]
    assert all(0 < value < 5 for value in seconds.values())


@dataclass(frozen=True)
class StoppingEvaluator:
    """Stops every training."""

    def __call__(self, candidate: Candidate) -> Outcome:
        """A rejection."""
        return Rejection(candidate, "stopped", "a smaller model is better", (0.5,), 0.4, 1.0)


def test_trainings_stopped_early_are_no_failures(tmp_path: Path) -> None:
    """However many there are in a row, the study goes on; they are history and not on the front."""
    study = fakes.study(tmp_path, evaluate=StoppingEvaluator())
    assert study.run(15) == 15
    history = StudyRecord.open(tmp_path).history()
    assert {o.kind for o in history.outcomes if isinstance(o, Rejection)} == {"stopped"}
    assert len(study.front()) == 0


def test_searching_in_two_steps_equals_searching_at_once(
    tmp_path: Path, uninterrupted: StudyRecord
) -> None:
    """Final models in between do not disturb the search; done ones are not repeated."""
    study = fakes.study(tmp_path)
    first = study.run(8)
    finals = [c for c in study.record.history().candidates if c.effort == "final"]
    assert first == 8 + len(finals)
    study.run(20)
    history = study.record.history()
    timeless = [
        [replace(o, seconds=0.0) if isinstance(o, Evaluation) else o for o in h.outcomes]
        for h in (search_history(history), search_history(uninterrupted.history()))
    ]
    assert timeless[0] == timeless[1]
    assert len({c.key for c in history.candidates}) == len(history.candidates)
    assert max(Counter(fakes.calls(tmp_path)).values()) == 1


def test_a_complete_study_does_nothing(tmp_path: Path) -> None:
    """Also when asked for fewer candidates than it has."""
    fakes.study(tmp_path).run(5)
    before = fingerprint(tmp_path)
    assert fakes.study(tmp_path, workers=2).run(5) == 0
    assert fakes.study(tmp_path).run(3) == 0
    assert fingerprint(tmp_path) == before


def test_observers_see_every_step_in_order(tmp_path: Path) -> None:
    """Phases with their totals; each candidate starts, then finishes."""
    events: list[Event] = []
    study = fakes.study(tmp_path)
    study.run(3, events.append)
    phases = [e for e in events if isinstance(e, PhaseStarted)]
    finals = len(study.record.history().candidates) - 3
    assert phases == [PhaseStarted("search", 3, 0), PhaseStarted("final", finals, 0)]
    steps = [e for e in events if not isinstance(e, PhaseStarted)]
    for started, finished in zip(steps[::2], steps[1::2], strict=True):
        assert isinstance(started, Started)
        assert isinstance(finished, Finished)
        assert started.candidate == finished.outcome.candidate
    events.clear()
    study.run(3, events.append)
    assert events == [PhaseStarted("search", 3, 3), PhaseStarted("final", finals, finals)]


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    """Each difference with both values, and what to do; the study is unchanged."""
    fakes.study(tmp_path).run(2)
    before = fingerprint(tmp_path)
    with pytest.raises(StudyError) as caught:
        fakes.study(
            tmp_path,
            seed=1,
            space=replace(fakes.SPACE, max_blocks=2),
            limits=Limits(ram_bytes=2048),
            dataset=fakes.tiny_dataset(1),
            objectives=fakes.OBJECTIVES[:1],
        )
    message = str(caught.value)
    for part in (
        "seed: the study has 0, this call has 1",
        "space.max_blocks: the study has 4, this call has 2",
        "limits.ram_bytes: the study has None, this call has 2048",
        "dataset.fingerprint: the study has",
        "objectives: the study has ['val_error', 'flash_bytes'], this call has ['val_error']",
        "another folder",
    ):
        assert part in message
    assert "version" not in message
    assert "max_layers" not in message
    assert fingerprint(tmp_path) == before


def test_what_does_not_fit_is_never_evaluated(tmp_path: Path) -> None:
    """It counts as a candidate, is recorded with its reason, and no final model is like it."""
    limits = Limits(ram_bytes=2048, model_bytes=3000)
    study = fakes.study(tmp_path, limits=limits)
    study.run(12)
    history = study.record.history()
    rejections = {o.candidate.id: o for o in history.outcomes if isinstance(o, Rejection)}
    assert len(search_history(history).outcomes) == 12
    assert len(rejections) > 2
    assert {r.kind for r in rejections.values()} == {"infeasible"}
    assert all("flash_bytes" in r.reason or "arena_bytes" in r.reason for r in rejections.values())
    assert not rejections.keys() & set(fakes.calls(tmp_path))
    assert all(number < FIRST_FINAL_ID for number in rejections)
    assert study.record.limits == limits


def test_a_worker_that_dies_costs_one_candidate(tmp_path: Path) -> None:
    """The study goes on and its history says why."""
    study = fakes.study(
        tmp_path, workers=1, evaluate=fakes.TroubledEvaluator(), objectives=fakes.OBJECTIVES[:1]
    )
    study.run(2)
    kinds = [o.kind for o in study.record.history().outcomes if isinstance(o, Rejection)]
    assert kinds == ["failed", "crashed"]


@dataclass(frozen=True)
class BrokenEvaluator:
    """Fails whatever it is given."""

    def __call__(self, candidate: Candidate) -> Outcome:
        """Raises."""
        raise OSError("no space left on device")


@dataclass(frozen=True)
class FailingEvaluator:
    """Fails on some candidates."""

    folder: Path
    accidents: tuple[int, ...]

    def __call__(self, candidate: Candidate) -> Outcome:
        """The fake outcome, or an error."""
        if candidate.id in self.accidents:
            raise OSError("no space left on device")
        return fakes.FakeEvaluator(self.folder)(candidate)


def test_a_study_stops_when_nothing_works(tmp_path: Path) -> None:
    """Ten failures in a row are no property of ten candidates."""
    study = fakes.study(tmp_path, evaluate=BrokenEvaluator())
    with pytest.raises(StudyError, match=r"10 evaluations failed .* no space left on device"):
        study.run(50)
    history = study.record.history()
    assert (len(history.outcomes), len(history.pending)) == (0, 10)
    # With space again the same candidates are evaluated.
    fakes.study(tmp_path).run(12)
    assert [o.candidate.id for o in study.record.history().evaluations][:12] == [*range(12)]


def test_a_final_that_met_an_accident_gets_one_more_attempt(tmp_path: Path) -> None:
    """In the next call, under an id of its own."""
    accidents = (FIRST_FINAL_ID, FIRST_FINAL_ID + 2)
    study = fakes.study(tmp_path, evaluate=FailingEvaluator(tmp_path / "fake", accidents))
    study.run(8)
    first = [o.candidate for o in study.record.history().outcomes if isinstance(o, Rejection)]
    assert tuple(c.id for c in first) == accidents
    second = fakes.study(tmp_path)
    planned = second.record.history().candidates[-1].id + 1
    assert second.run(8) == 2
    repeated = {c.key: c.id for c in second.record.history().candidates if c.id >= planned}
    assert repeated == {c.key: planned + number for number, c in enumerate(first)}
    assert second.run(8) == 0


@dataclass(frozen=True)
class ExhaustedStrategy:
    """Has a number of proposals and no more."""

    proposals: int
    name: str = "exhausted"

    def propose(
        self, history: History, candidate_id: int, generator: np.random.Generator
    ) -> Candidate:
        """The fake strategy's, while there are some."""
        if candidate_id >= self.proposals:
            raise InfeasibleError("nothing fits the limit of ram_bytes")
        return fakes.FakeStrategy().propose(history, candidate_id, generator)


def test_a_space_without_further_candidates_ends_the_search(tmp_path: Path) -> None:
    """With some evaluated the final phase follows; with none the error is passed on."""
    study = fakes.study(tmp_path / "some", strategy=ExhaustedStrategy(4))
    study.run(20)
    history = study.record.history()
    assert len(search_history(history).outcomes) == 4
    assert len(history.outcomes) > 4
    with pytest.raises(InfeasibleError, match="ram_bytes"):
        fakes.study(tmp_path / "none", strategy=ExhaustedStrategy(0)).run(20)


def test_strategies_are_known_by_name(tmp_path: Path) -> None:
    """The name is what is stored; an unknown one is answered with those there are."""
    study = fakes.study(tmp_path, strategy="random")
    study.run(3)
    assert study.record.settings["strategy"] == "random"
    with pytest.raises(StudyError, match=r"among sparse, random, .*got 'magic'"):
        fakes.study(tmp_path, strategy="magic")
    with pytest.raises(StudyError, match="strategy: the study has 'random'"):
        fakes.study(tmp_path)


def test_impossible_arguments_are_refused(tmp_path: Path) -> None:
    """Counts and seeds say what was expected."""
    with pytest.raises(StudyError, match="seed of 0 or more"):
        fakes.study(tmp_path, seed=-1)
    for count in (0, FIRST_FINAL_ID):
        with pytest.raises(StudyError, match="expected 1 to"):
            fakes.study(tmp_path).run(count)
