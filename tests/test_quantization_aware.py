"""Int8 models trained as such: never worse, masks and codebooks kept, decided by the seed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pruning import PRUNERS
from sparse_search.architecture import Architecture, Conv2D, ConvBlock, SeparableConv2D
from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset, load_dataset
from sparse_search.fake_quantized import FakeQuantizedNetwork
from sparse_search.graph import DepthwiseConv2d
from sparse_search.network import Network, deployed_layout
from sparse_search.quantization_aware import fine_tune_quantized
from sparse_search.quantize import quantize
from sparse_search.quantized import QuantizedModel, error_rate
from sparse_search.space import SearchSpace
from sparse_search.training import TrainingConfig, train

TRAINING = TrainingConfig(epochs=12, batch_size=32, clip_norm=2.0)
TUNING = TRAINING.with_epochs(3).with_learning_rate(0.003)
NET = Architecture((ConvBlock((Conv2D(8, 3), SeparableConv2D(12, 3, 2), Conv2D(12, 3)), "max"),))
SPARSITY = 0.6


def generator(seed: int) -> torch.Generator:
    """A torch generator with a seed."""
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The embedded data set."""
    return load_dataset("digits", seed=0)


@pytest.fixture(scope="module")
def calibration(digits) -> np.ndarray:
    """Images that fix the ranges."""
    return digits.train.images[:200]


@pytest.fixture(scope="module")
def pruned(digits) -> Network:
    """A trained network with masks."""
    space = SearchSpace(digits.input_shape, digits.class_count)
    network = Network(space.build(NET), generator(0))
    train(network, digits, TRAINING, generator(1))
    pruner = next(p for p in PRUNERS if p.name == "magnitude")
    step = PruningStep("magnitude", SPARSITY)
    return pruner.prune(network, digits, step, TRAINING.with_epochs(4), generator(2))


def tuned(pruned, digits, calibration, config=TUNING, seed=0, **options) -> QuantizedModel:
    """The network after quantization-aware fine-tuning."""
    return fine_tune_quantized(pruned, digits, config, calibration, generator(seed), **options)


@pytest.mark.parametrize("bits", [None, 4, 3, 2])
def test_what_is_pruned_stays_zero_and_values_stay_few(pruned, digits, calibration, bits) -> None:
    """In the model that comes out; the network that went in is what it was."""
    before = {name: value.clone() for name, value in pruned.state_dict().items()}
    model = tuned(pruned, digits, calibration, codebook_bits=bits)
    start = quantize(pruned, calibration)
    assert model.hash() != start.hash()
    for operator, unit in pruned:
        weights = model.weights[operator.name].weights
        if unit.mask is not None:
            mask = deployed_layout(operator, unit.mask).numpy()
            assert not weights[mask == 0].any()
        if bits is not None and not isinstance(operator, DepthwiseConv2d):
            assert len(np.unique(weights)) <= 2**bits
    depthwise = next(op.name for op, _ in pruned if isinstance(op, DepthwiseConv2d))
    # Its values are free, and it has more of them than a codebook would leave.
    assert len(np.unique(model.weights[depthwise].weights)) > 16
    after = pruned.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_it_returns_a_model_that_is_best_on_the_validation_split(
    pruned, digits, calibration
) -> None:
    """Not worse than without training, nor than any epoch of the training that it saw."""
    seen = FakeQuantizedNetwork(pruned, quantize(pruned, calibration))
    curve = train(seen, digits, replace(TUNING, weight_decay=0.0), generator(0)).curve
    found = error_rate(tuned(pruned, digits, calibration), digits.validation)
    start = error_rate(quantize(pruned, calibration), digits.validation)
    assert found == pytest.approx(min(start, *curve), abs=1e-9)


@pytest.mark.parametrize(
    "config",
    [TUNING.with_epochs(0), TUNING.with_learning_rate(30.0), TUNING.with_learning_rate(1e30)],
)
def test_a_training_that_does_not_help_changes_nothing(pruned, digits, calibration, config) -> None:
    """None at all, one that destroys the network, one that diverges: quantized as it was."""
    model = tuned(pruned, digits, calibration, config)
    assert model.hash() == quantize(pruned, calibration).hash()


def test_training_recovers_most_of_what_two_bits_cost(pruned, digits, calibration) -> None:
    """Clustered without training the network fails; with it, little of the error remains."""
    options = {"codebook_bits": 2}
    error = [
        error_rate(tuned(pruned, digits, calibration, config, **options), digits.validation)
        for config in (TUNING.with_epochs(0), TUNING.with_epochs(10))
    ]
    plain = error_rate(quantize(pruned, calibration), digits.validation)
    assert error[0] - plain > 0.1
    assert error[1] - plain < 0.3 * (error[0] - plain)


def test_the_seed_decides(pruned, digits, calibration) -> None:
    """Equal models for equal seeds, and others for another one."""
    hashes = [
        tuned(pruned, digits, calibration, seed=seed, codebook_bits=3).hash() for seed in (5, 5, 6)
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_criterion_is_what_is_minimised(pruned, digits, calibration) -> None:
    """It gets images in [0, 1]; a constant one teaches nothing."""
    seen = []

    def constant(logits, images, labels):
        seen.append((float(images.min()), float(images.max()), len(labels)))
        return 0.0 * logits.sum()

    model = tuned(pruned, digits, calibration, TUNING.with_epochs(1), criterion=constant)
    assert model.hash() == quantize(pruned, calibration).hash()
    assert sum(count for _, _, count in seen) == len(digits.train.labels)
    assert min(low for low, _, _ in seen) == 0.0
    assert max(high for _, high, _ in seen) == 1.0
