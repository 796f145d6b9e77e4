"""Presets: every one is of a known data set, feasible, and the same from both command lines."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.__main__ import run_arguments
from sparse_search.augmentation import parse_augmentation
from sparse_search.dataset import Dataset
from sparse_search.datasets.registry import source_names
from sparse_search.evaluation import EvaluationConfig
from sparse_search.inspection import find_feasibility
from sparse_search.presets import OWN_DATA, PRESETS, USUAL_BUDGET, find_preset
from sparse_search.space import SearchSpace
from sparse_search.target import Core, Target

FORMS = {
    "digits": ((8, 8, 1), 10),
    "mnist": ((28, 28, 1), 10),
    "fashion-mnist": ((28, 28, 1), 10),
    "cifar10": ((32, 32, 3), 10),
    "cifar10-binary": ((32, 32, 3), 2),
    "cifar10-binary-b": ((20, 20, 1), 2),
    "curet": ((32, 32, 1), 61),
    "curet-features": ((1, 1, 610), 61),
    "chars74k": ((20, 20, 3), 62),
    "keywords": ((49, 10, 1), 12),
}


def test_every_published_data_set_has_a_preset():
    """Names of presets are names of data sets, and the other way round."""
    assert {*PRESETS} == {*source_names()} == {*FORMS}


@pytest.mark.parametrize("name", PRESETS)
def test_limits_leave_room_for_a_search(name):
    """The smallest networks are well within the limits."""
    limits = PRESETS[name].limits
    ram, flash = limits.ram_bytes, limits.model_bytes
    assert ram is not None
    assert flash is not None
    board = Target("made", "made", Core.M0, ram, flash, 0, 0)
    found = find_feasibility(SearchSpace.for_input(*FORMS[name]), [board])
    assert found.boards == (board,)
    assert found.least_flash.flash_bytes < 0.6 * flash


@pytest.mark.parametrize("name", PRESETS)
def test_augmentations_can_be_read(name):
    """As ``run --augment`` reads them; the colours of letters mean nothing."""
    text = PRESETS[name].augmentation
    assert (text is not None) == (name == "chars74k")
    if text is not None:
        assert parse_augmentation(text).recolour


@pytest.mark.parametrize("preset", [*PRESETS.values(), OWN_DATA])
def test_budgets_grow(preset):
    """Standard spends more of everything than quick, and paper more than standard."""
    quick, standard, paper = (preset.budgets[name] for name in ("quick", "standard", "paper"))
    for field in ("candidates", "final_models", "effort"):
        values = [getattr(budget, field) for budget in (quick, standard, paper)]
        assert values == sorted(values)
        assert values[0] < values[2]


def test_a_budget_scales_every_training():
    """Each number of epochs is the default times the effort; 0 stays 0; the rest is the default."""
    images = np.zeros((60, 4, 4, 1), np.uint8)
    data = Dataset.from_arrays(images, np.arange(60) % 2)
    base, budget = EvaluationConfig.for_dataset(data), OWN_DATA.budgets["quick"]
    config = budget.config(data)
    assert config.training.epochs == round(base.training.epochs * budget.effort)
    for field in dataclasses.fields(EvaluationConfig):
        value = getattr(base, field.name)
        expected = value
        if field.name.endswith("epochs"):
            expected = max(1, round(value * budget.effort)) if value else 0
        elif field.name == "training":
            expected = base.training.with_epochs(config.training.epochs)
        assert getattr(config, field.name) == expected


def test_without_a_budget_a_study_has_its_defaults():
    """The usual budget changes no training."""
    images = np.zeros((60, 4, 4, 1), np.uint8)
    data = Dataset.from_arrays(images, np.arange(60) % 2)
    assert USUAL_BUDGET.config(data) == EvaluationConfig.for_dataset(data)


def test_any_other_name_has_the_preset_of_own_data():
    """A path is no preset's name."""
    assert find_preset("./mnist/images") is OWN_DATA


def test_experiments_are_runs():
    """Python -m experiments hands its options on, and those that are not given stay away."""
    assert run_arguments(["mnist"]) == [
        "run", "mnist", "--budget", "standard", "--workers", "1", "--seed", "0",
    ]  # fmt: skip
    assert run_arguments(
        ["curet", "--budget", "quick", "--data-dir", "d", "--workers", "2", "--out", "o"]
    ) == [
        "run", "curet", "--budget", "quick", "--data-dir", "d", "--workers", "2", "--seed", "0",
        "--out", "o",
    ]  # fmt: skip
    with pytest.raises(SystemExit):
        run_arguments(["imagenet"])


def test_an_experiment_without_its_data_says_what_is_missing(tmp_path):
    """Python -m experiments ends like sparse-search: one line and exit code 1."""
    done = subprocess.run(
        [sys.executable, "-m", "experiments", "chars74k", "--data-dir", str(tmp_path)],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "chars74k_kaggle20_rgb.npz in it, which is not there" in done.stderr
    assert "Traceback" not in done.stderr
