"""The evaluation of one candidate: recipes, early stopping, and going on after an interruption."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from objectives import DEFAULT_OBJECTIVES
from pruning import PRUNERS
from sparse_search import evaluation
from sparse_search.architecture import Architecture, Conv2D, ConvBlock, SeparableConv2D
from sparse_search.candidate import Candidate, Evaluation, PruningStep, Recipe, Rejection
from sparse_search.dataset import Dataset, load_dataset
from sparse_search.distillation import Distillation
from sparse_search.evaluation import EvaluationConfig, Evaluator, model_path
from sparse_search.forecast import Forecaster
from sparse_search.quantized import QuantizedModel
from sparse_search.rungs import Rungs
from sparse_search.space import SearchSpace
from sparse_search.stopping import expected_error, is_rung
from sparse_search.training import Progress, TrainingConfig

SMALL = Architecture((ConvBlock((Conv2D(4, 3, 2), Conv2D(6, 3))),))
TRAINING = TrainingConfig(epochs=5, batch_size=64)
PRUNED = (PruningStep("magnitude", 0.4),)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """A part of the embedded data set."""
    torch.set_num_threads(1)
    data = load_dataset("digits", seed=0)
    part = replace(data.train, images=data.train.images[:400], labels=data.train.labels[:400])
    return replace(data, train=part)


@pytest.fixture
def evaluator(digits, tmp_path) -> Evaluator:
    """One that trains very briefly."""
    space = SearchSpace(digits.input_shape, digits.class_count)
    config = EvaluationConfig(TRAINING, 2, 1, 6, 2)
    return Evaluator(digits, space, PRUNERS, DEFAULT_OBJECTIVES, config, tmp_path, 0)


class TestRecipes:
    """How a candidate's training departs from the study's."""

    def test_a_recipe_changes_every_training_of_its_candidate(self):
        """Rate and batch are scaled, decay and dropout set; the epochs are the study's."""
        config = EvaluationConfig(TRAINING, fine_tuning_rate=0.5)
        candidate = Candidate(0, SMALL, PRUNED, Recipe(2.0, 0.5, 0.1, 0.3))
        dense, tuning = config.dense(candidate), config.fine_tuning(candidate)
        assert dense.learning_rate == 2.0 * TRAINING.learning_rate
        assert tuning.learning_rate == TRAINING.learning_rate
        for found in (dense, tuning):
            assert (found.batch_size, found.weight_decay, found.dropout) == (32, 0.1, 0.3)
        assert (dense.epochs, tuning.epochs) == (5, config.fine_tuning_epochs)
        assert config.dense(Candidate(0, SMALL)) == TRAINING

    def test_a_child_that_knows_little_is_trained_as_long_as_one_without_a_parent(self, evaluator):
        """An equal child starts where its parent ended, and one of another kind by guessing."""
        assert isinstance(evaluator(Candidate(0, SMALL)), Evaluation)
        twin = evaluator(Candidate(1, SMALL, origin="morph", parent=0))
        other = Architecture((ConvBlock((SeparableConv2D(4, 5, 2), Conv2D(9, 3), Conv2D(9, 3))),))
        stranger = evaluator(Candidate(2, other, origin="morph", parent=0))
        assert len(twin.curve) == evaluator.config.inherited_epochs
        assert len(stranger.curve) == TRAINING.epochs

    def test_a_recipe_shows_in_the_outcome_and_in_what_finals_share(self, evaluator):
        """Two finals of one architecture share a training if, and only if, the recipe is equal."""
        parent = Candidate(0, SMALL)
        assert isinstance(evaluator(parent), Evaluation)
        final = Candidate(100, SMALL, effort="final", parent=0)
        changed = replace(final, recipe=Recipe(0.25))
        outcomes = [
            evaluator(final),
            evaluator(replace(final, id=101, pruning=PRUNED)),
            evaluator(replace(changed, id=102)),
        ]
        curves = [outcome.curve for outcome in outcomes]
        assert curves[0] == curves[1] != curves[2]
        assert len(list(evaluator.folder.glob("weights/final-*.safetensors"))) == 2


class TestCutting:
    """Channels that pruning has left without use."""

    def test_they_go_after_the_search(self, evaluator):
        """A search measures what was forecast; a final model is smaller, and no worse for it."""
        wide = Architecture((ConvBlock((Conv2D(8, 3, 2), Conv2D(60, 3))),), head="average")
        searched = Candidate(0, wide, (PruningStep("magnitude", 0.96),))
        final = replace(searched, id=100, effort="final", parent=0)
        outcomes = [evaluator(searched), evaluator(final)]
        models = [QuantizedModel.load(model_path(evaluator.folder, i)) for i in (0, 100)]
        widths = [max(t.shape[2] for t in model.graph.tensors) for model in models]
        assert widths[0] == 60 > widths[1] > 0
        plan = Forecaster(evaluator.space, PRUNERS).plan(searched)
        arena, smaller = (outcome.metrics["arena_bytes"] for outcome in outcomes)
        assert smaller < arena == plan.arena_bytes
        assert outcomes[1].metrics["flash_bytes"] < plan.flash_bytes


class TestQuantization:
    """From the pruned network to the int8 model: rounded, trained as int8, or clustered."""

    def test_training_as_int8_is_for_finals_unless_asked_for(self):
        """Epochs by effort; rate and recipe as in other trainings."""
        config = EvaluationConfig(
            TRAINING,
            final_quantized_epochs=7,
            clustering_epochs=3,
            final_clustering_epochs=9,
            quantized_rate=0.1,
        )
        search = Candidate(0, SMALL, recipe=Recipe(2.0))
        final, pruned = (replace(search, effort=effort) for effort in ("final", "pruned"))
        tunings = [config.quantized_tuning(c) for c in (search, final, pruned)]
        assert [t.epochs for t in tunings] == [0, 7, 7]
        few = [replace(c, codebook_bits=4) for c in (search, final, pruned)]
        clustering = [config.quantized_tuning(c) for c in few]
        assert [t.epochs for t in clustering] == [3, 9, 9]
        assert clustering[0].learning_rate == pytest.approx(0.2 * TRAINING.learning_rate)
        assert tunings[0].learning_rate == pytest.approx(0.2 * TRAINING.learning_rate)
        always = replace(config, quantized_epochs=5)
        assert always.quantized_tuning(search).epochs == 5

    def test_a_candidate_with_a_codebook_has_few_values_and_its_own_outcome(self, evaluator):
        """In every layer that has a codebook; the float network it came from is the same."""
        plain = evaluator(Candidate(0, SMALL, PRUNED))
        first = QuantizedModel.load(model_path(evaluator.folder, 0))
        clustered = evaluator(Candidate(0, SMALL, PRUNED, codebook_bits=3))
        model = QuantizedModel.load(model_path(evaluator.folder, 0))
        assert model.hash() != first.hash()
        for held in model.weights.values():
            assert len(np.unique(held.weights)) <= 8
        assert clustered.curve == plain.curve
        assert clustered.metrics["float_val_error"] == plain.metrics["float_val_error"]
        again = evaluator(Candidate(0, SMALL, PRUNED, codebook_bits=3))
        assert again == replace(clustered, seconds=again.seconds)
        stored = Candidate.from_json(clustered.candidate.to_json())
        assert stored.codebook_bits == 3

    def test_training_as_int8_is_never_worse(self, evaluator):
        """On the validation split, for a candidate that is otherwise the same."""
        tuning = replace(evaluator.config, quantized_epochs=4)
        candidate = Candidate(0, SMALL, PRUNED)
        rounded = evaluator(candidate)
        tuned = replace(evaluator, config=tuning)(candidate)
        assert tuned.objectives["val_error"] < rounded.objectives["val_error"]
        assert tuned.metrics["float_val_error"] == rounded.metrics["float_val_error"]


class TestLongTraining:
    """Candidates after the search: one dense training, from which their fine-tuning learns."""

    def test_a_path_of_further_pruning_costs_only_fine_tunings(self, evaluator):
        """Its steps share the dense weights of the final model, whose curve they show."""
        assert isinstance(evaluator(Candidate(0, SMALL)), Evaluation)
        final = evaluator(Candidate(100, SMALL, effort="final", parent=0))
        files = {path: path.stat().st_mtime_ns for path in evaluator.folder.glob("weights/*")}
        step = Candidate(200, SMALL, PRUNED, effort="pruned", parent=0, pruned_from=100)
        pruned = evaluator(step)
        assert pruned.curve == final.curve
        assert {p: p.stat().st_mtime_ns for p in evaluator.folder.glob("weights/*")} == files
        assert pruned.metrics["nonzeros"] < final.metrics["nonzeros"]
        config = evaluator.config
        assert config.fine_tuning(step).epochs == config.final_fine_tuning_epochs
        assert config.dense(step).epochs == config.final_epochs

    def test_only_fine_tuning_after_the_search_has_a_teacher(self, evaluator):
        """By default; another weight changes the pruned model of one and not of the other."""
        plain = replace(
            evaluator, config=replace(evaluator.config, final_distillation=Distillation(0.0))
        )
        searched = Candidate(0, SMALL, PRUNED)
        final = Candidate(100, SMALL, PRUNED, effort="final", parent=0)
        for candidate, changes in ((searched, False), (final, True)):
            models = []
            for one in (evaluator, plain):
                assert isinstance(one(candidate), Evaluation)
                models.append(model_path(one.folder, candidate.id).read_bytes())
            assert (models[0] != models[1]) == changes


class TestStopping:
    """A training ends once it is clear that the candidate does not win."""

    def test_a_stopped_training_is_a_rejection_with_its_curve(self, evaluator):
        """At the first rung already, where nothing can be as good; no file is left."""
        outcome = evaluator(Candidate(0, SMALL, error_to_beat=1e-6))
        assert isinstance(outcome, Rejection)
        assert outcome.kind == "stopped"
        assert "epoch 1 of 5" in outcome.reason
        assert len(outcome.curve) == 1
        assert outcome.expected_error == expected_error(outcome.curve, 5)
        assert outcome.seconds > 0
        assert not [path for path in evaluator.folder.rglob("*") if path.is_file()]

    def test_there_is_no_fine_tuning_for_a_model_that_is_not_good_enough(self, evaluator):
        """The whole training is needed to know; pruning comes after it."""
        curve = evaluator(Candidate(0, SMALL)).curve
        bound = 0.8 * min(curve)
        stopped = evaluator(Candidate(0, SMALL, PRUNED, error_to_beat=bound))
        assert isinstance(stopped, Rejection)
        assert stopped.curve == curve
        assert stopped.expected_error == min(curve)
        # The same without pruning is measured: there is nothing left to save.
        assert isinstance(evaluator(Candidate(0, SMALL, error_to_beat=bound)), Evaluation)

    def test_what_may_win_is_not_changed_by_being_watched(self, evaluator):
        """An error that is easy to beat makes no difference."""
        free, watched = (
            evaluator(Candidate(0, SMALL, PRUNED, error_to_beat=bound)) for bound in (None, 1.0)
        )
        assert watched == replace(free, candidate=watched.candidate, seconds=watched.seconds)


class TestInterruption:
    """An evaluation that is killed goes on from its last rung."""

    @pytest.mark.parametrize("effort", ["search", "final"])
    @pytest.mark.parametrize("epoch", [1, 3, 4])
    def test_the_outcome_is_that_of_an_evaluation_in_one_go(
        self, evaluator, tmp_path, monkeypatch, epoch, effort
    ):
        """Same curve, figures and model bytes; what was saved is not trained again, and goes."""
        candidate = Candidate(3, SMALL, PRUNED, Recipe(dropout=0.2), effort=effort)
        whole = evaluator(candidate)
        expected = model_path(evaluator.folder, 3).read_bytes()
        again = evaluator.at(tmp_path / "again")
        trained: list[int] = []

        class Interrupted(Rungs):
            """Saves at every rung, and is killed after an epoch."""

            def __call__(self, progress: Progress) -> bool:
                trained.append(len(progress.curve))
                goes_on = super().__call__(progress)
                if len(progress.curve) == epoch and trained.count(epoch) == 1:
                    raise KeyboardInterrupt
                return goes_on

        always = partial(Interrupted, save_interval_seconds=0.0)
        monkeypatch.setattr(evaluation, "Rungs", always)
        with pytest.raises(KeyboardInterrupt):
            again(candidate)
        outcome = again(candidate)
        assert outcome == replace(whole, seconds=outcome.seconds)
        assert model_path(again.folder, 3).read_bytes() == expected
        epochs = again.config.dense(candidate).epochs
        assert trained == list(range(1, epochs))
        assert not list(again.folder.rglob("*.state"))

    def test_what_another_study_left_is_not_used(self, evaluator, monkeypatch):
        """A file with the same name but of another training is ignored, and so is a damaged one."""
        candidate = Candidate(0, SMALL)
        curve = evaluator(candidate).curve
        path = evaluator.folder / "weights" / "0.state"
        others: list[Path] = []

        class Leaving(Rungs):
            """Leaves its file behind."""

            def clear(self) -> None:
                others.append(path)

        monkeypatch.setattr(evaluation, "Rungs", partial(Leaving, save_interval_seconds=0.0))
        replace(evaluator, seed=1)(candidate)
        assert path.is_file()
        monkeypatch.setattr(evaluation, "Rungs", Rungs)
        assert evaluator(candidate).curve == curve
        assert not path.is_file()
        path.write_bytes(np.arange(100, dtype=np.uint8).tobytes())
        assert evaluator(candidate).curve == curve

    def test_short_trainings_are_not_saved(self, tmp_path):
        """A file is written when so much was trained since the last one that losing it hurts."""
        now, saved = [0.0], []

        class State:
            """Instead of a state: remembers when it was saved."""

            def save(self, path: Path, key: str) -> None:
                saved.append(now[0])

        rungs = Rungs(
            Candidate(0, SMALL),
            tmp_path / "state",
            "key",
            save_interval_seconds=10.0,
            clock=lambda: now[0],
        )
        for epoch in range(1, 40):
            now[0] = 1.0 * epoch
            assert rungs(Progress(40, (0.5,) * epoch, State))
        assert all(is_rung(round(second), 40) for second in saved)
        assert saved == [10.0, 20.0, 30.0]
