"""Early stopping: what a candidate has to beat, and when it is clear that it does not."""

from dataclasses import dataclass, replace

import pytest
import study_fakes as fakes
from hypothesis import given
from hypothesis import strategies as st

from sparse_search.candidate import Evaluation, History, PruningStep
from sparse_search.errors import StudyError
from sparse_search.finals import plan_finals, search_history
from sparse_search.memory import MemoryPlan
from sparse_search.stopping import (
    error_to_beat,
    expected_error,
    is_rung,
    optimistic_error,
    reason_to_stop,
)

SIZES = st.tuples(st.integers(0, 5), st.integers(0, 5))
ERRORS = st.integers(0, 10).map(lambda percent: percent / 100)
CURVES = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=12)


def evaluation(error: float, flash: float, arena: float = 1.0) -> Evaluation:
    """Of some candidate."""
    objectives = {"val_error": error, "flash_bytes": flash, "arena_bytes": arena}
    return Evaluation(fakes.candidate(0), objectives)


class TestErrorToBeat:
    """The least error of the models that are no larger in anything known."""

    @given(models=st.lists(st.tuples(ERRORS, SIZES), max_size=8), size=SIZES, error=ERRORS)
    def test_whoever_stays_above_it_is_dominated(self, models, size, error):
        """An error above it, and only that, makes the candidate strictly worse than a model."""
        evaluations = [evaluation(e, *s) for e, s in models]
        bound = error_to_beat({"flash_bytes": size[0], "arena_bytes": size[1]}, evaluations)
        dominated = any(e < error and s[0] <= size[0] and s[1] <= size[1] for e, s in models)
        assert dominated == (bound is not None and error > bound)

    def test_without_a_model_or_a_known_objective_there_is_none(self):
        """Nothing to compare with, nothing to beat."""
        assert error_to_beat({"flash_bytes": 10.0}, []) is None
        assert error_to_beat({"flash_bytes": 10.0}, [evaluation(0.1, 11)]) is None
        assert error_to_beat({}, [evaluation(0.1, 11)]) is None


class TestCurves:
    """What is made of the first errors of a training."""

    @given(curve=CURVES, more=st.integers(0, 12))
    def test_optimism_is_below_the_expectation_and_both_below_the_curve(self, curve, more):
        """They meet where the training ends; another epoch of the same error lowers neither."""
        epochs = len(curve) + more
        optimistic, expected = optimistic_error(curve, epochs), expected_error(curve, epochs)
        assert 0 < optimistic <= expected <= min(curve)
        assert (optimistic == expected == min(curve)) == (more == 0)
        if more:
            assert optimistic_error([*curve, curve[-1]], epochs) > optimistic
            assert expected_error([*curve, curve[-1]], epochs) > expected

    @given(epochs=st.integers(1, 100))
    def test_rungs_are_about_an_eighth_of_the_training_apart(self, epochs):
        """At most seven, the last one before the end, none twice as far as it need be."""
        rungs = [epoch for epoch in range(1, epochs + 1) if is_rung(epoch, epochs)]
        assert len(rungs) == min(7, epochs - 1)
        gaps = [b - a for a, b in zip([0, *rungs], [*rungs, epochs], strict=True)]
        assert max(gaps) - min(gaps) <= 1


class TestStopping:
    """When a training ends."""

    def test_it_goes_on_while_it_may_still_win(self):
        """Half way, 0.2 may become 0.064: 0.065 is within reach, 0.06 is not."""
        curve = (0.6, 0.3, 0.2, 0.25)
        assert optimistic_error(curve, 8) == pytest.approx(0.0642, abs=1e-4)
        candidate = replace(fakes.candidate(0), error_to_beat=0.065)
        assert reason_to_stop(candidate, curve, 8) is None
        candidate = replace(candidate, error_to_beat=0.06)
        reason = reason_to_stop(candidate, curve, 8)
        assert reason is not None
        assert "epoch 4 of 8" in reason
        assert "25.00%" in reason
        assert "6.00%" in reason

    def test_fine_tuning_after_pruning_may_still_help(self):
        """A candidate with a pruning step is given the benefit of the doubt."""
        dense = replace(fakes.candidate(0), error_to_beat=0.09)
        pruned = replace(dense, pruning=(PruningStep("magnitude", 0.3),))
        assert reason_to_stop(dense, (0.1,), 1) is not None
        assert reason_to_stop(pruned, (0.1,), 1) is None
        assert reason_to_stop(pruned, (0.2,), 1) is not None

    def test_without_an_error_to_beat_nothing_stops(self):
        """The first candidates have none."""
        assert reason_to_stop(fakes.candidate(0), (0.9,), 1) is None

    def test_final_trainings_are_never_stopped(self):
        """What a front member had to beat in the search is forgotten."""
        member = Evaluation(
            replace(fakes.candidate(0), error_to_beat=0.5),
            {"val_error": 0.1, "flash_bytes": 1.0, "arena_bytes": 1.0},
        )
        history = History([member])
        finals = plan_finals(history, [member], fakes.SPACE, lambda candidate: True, 1)
        assert finals
        assert all(final.error_to_beat is None for final in finals)


@dataclass(frozen=True)
class Predicted:
    """An objective that is the same for every candidate, or not known beforehand."""

    name: str
    value: float | None
    unit: str = ""

    def predict(self, plan: MemoryPlan) -> float | None:
        """What was given."""
        return self.value


class TestStudy:
    """A study tells each candidate what it has to beat."""

    def outcomes(self, folder, known: dict[str, float | None], **changes) -> list[Evaluation]:
        """Those of a search whose objectives have these predictions."""
        objectives = tuple(Predicted(name, value) for name, value in known.items())
        study = fakes.study(folder, objectives=objectives, **changes)
        study.run(12)
        history = study.record.history()
        finals = [c for c in history.candidates if c.effort == "final"]
        assert {c.error_to_beat for c in finals} == {None}
        return search_history(history).evaluations

    def test_it_is_the_least_error_so_far_of_the_models_that_are_no_larger(self, tmp_path):
        """By brute force over the history at each proposal."""
        outcomes = self.outcomes(tmp_path, {"val_error": None, "flash_bytes": 70.0})
        bounds = [o.candidate.error_to_beat for o in outcomes]
        for index, bound in enumerate(bounds):
            earlier = [o.objectives for o in outcomes[:index] if o.objectives["flash_bytes"] <= 70]
            assert bound == min((o["val_error"] for o in earlier), default=None)
        assert len(set(bounds)) > 3

    def test_it_can_be_switched_off(self, tmp_path):
        """Then no candidate has one; it is a setting, which a study keeps."""
        known = {"val_error": None, "flash_bytes": 70.0}
        outcomes = self.outcomes(tmp_path, known, early_stopping=False)
        assert {o.candidate.error_to_beat for o in outcomes} == {None}
        with pytest.raises(StudyError, match="early_stopping"):
            self.outcomes(tmp_path, known)

    def test_what_else_must_be_measured_may_make_up_for_the_error(self, tmp_path):
        """With a second objective that only a training tells, nothing is stopped."""
        known = {"val_error": None, "flash_bytes": 70.0, "arena_bytes": None}
        assert {o.candidate.error_to_beat for o in self.outcomes(tmp_path, known)} == {None}
