"""Objectives: the contract of each of them, and that predictions are what is measured."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from random_models import random_images, random_model

from objectives import DEFAULT_OBJECTIVES, OBJECTIVES, ModelSize, ValidationError
from sparse_search.dataset import Dataset
from sparse_search.evaluation import plan_metrics
from sparse_search.memory import plan_memory
from sparse_search.space import SearchSpace

CLASSES = 3
SPACE = SearchSpace((10, 10, 1), CLASSES, max_filters=8)


def dense_model(seed):
    """A quantized model of a random architecture, none of whose weights is zero."""
    rng = np.random.default_rng(seed)
    model = random_model(rng, SPACE.build(SPACE.sample(rng)), 0.0, narrow=True)
    filled = {
        name: replace(held, weights=np.where(held.weights == 0, 1, held.weights).astype(np.int8))
        for name, held in model.weights.items()
    }
    return replace(model, weights=filled)


def dataset(model):
    """Random images; both splits hold every class."""
    images = random_images(np.random.default_rng(0), model.graph, 4 * CLASSES)
    labels = np.arange(len(images)) % CLASSES
    return Dataset.from_arrays(images, labels, validation=(images, labels))


def test_names_are_unique():
    """A column of a table belongs to one objective."""
    assert len({objective.name for objective in OBJECTIVES}) == len(OBJECTIVES)


def test_the_error_comes_first_by_default():
    """The default objectives are error, flash and arena, in this order."""
    names = [objective.name for objective in DEFAULT_OBJECTIVES]
    assert names == ["val_error", "flash_bytes", "arena_bytes"]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
class TestObjectiveContract:
    """What every objective must keep."""

    def test_it_says_what_it_is(self, objective):
        """A name that a CSV column can have, a unit, and a docstring that is its own."""
        assert objective.name.isidentifier()
        assert objective.unit
        assert inspect.getdoc(type(objective))
        assert hash(objective) == hash(replace(objective))

    def test_measured_values_are_finite_and_not_negative(self, objective):
        """Every objective can be minimised, plotted and stored."""
        for seed in range(3):
            model = dense_model(seed)
            value = objective.measure(model, plan_memory(model), dataset(model))
            assert isinstance(value, float)
            assert np.isfinite(value)
            assert value >= 0

    def test_predictions_are_what_is_measured(self, objective):
        """From the graph alone, all but the error is known exactly; the error is not guessed."""
        for seed in range(10):
            model = dense_model(seed)
            predicted = objective.predict(plan_memory(model.graph))
            if isinstance(objective, ValidationError):
                assert predicted is None
            else:
                assert predicted == objective.measure(model, plan_memory(model), dataset(model))

    def test_values_have_the_name_of_the_recorded_metric(self, objective):
        """An objective and the metric of its name never disagree."""
        if isinstance(objective, ValidationError):
            return
        plan = plan_memory(dense_model(0))
        assert objective.predict(plan) == plan_metrics(plan)[objective.name]


def test_the_error_is_that_of_the_integer_model_on_the_validation_split():
    """Image by image, a validation label that is not the largest logit is an error."""
    model = dense_model(1)
    held = dataset(model)
    validation = held.validation
    wrong = [
        int(model.forward(image[None])[0].argmax()) != label
        for image, label in zip(validation.images, validation.labels, strict=True)
    ]
    held = replace(held, train=replace(held.train, labels=np.roll(held.train.labels, 1)))
    error = ValidationError().measure(model, plan_memory(model), held)
    assert 0 < error == sum(wrong) / len(wrong)


def test_pruned_weights_count_where_the_definition_says_so():
    """Zeros lower the flash and the nonzeros, and leave the dense size as it is."""
    rng = np.random.default_rng(4)
    graph = SPACE.build(SPACE.sample(rng))
    plan, pruned = plan_memory(graph), plan_memory(graph, sparsity=0.8)
    assert ModelSize("flash").predict(pruned) < ModelSize("flash").predict(plan)
    assert ModelSize("nonzeros").predict(pruned) < ModelSize("nonzeros").predict(plan)
    assert ModelSize("int8-dense").predict(pruned) == ModelSize("int8-dense").predict(plan)
