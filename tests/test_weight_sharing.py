"""Shared weights: few values in each layer, trained for, and exactly those of the int8 model."""

import numpy as np
import pytest
import torch

from pruning import PRUNERS
from sparse_search.architecture import Architecture, Conv2D, ConvBlock, SeparableConv2D
from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset, load_dataset
from sparse_search.graph import DepthwiseConv2d
from sparse_search.network import Network, to_input
from sparse_search.quantize import quantize
from sparse_search.space import SearchSpace
from sparse_search.training import TrainingConfig, error_rate, train
from sparse_search.weight_sharing import share_weights

TRAINING = TrainingConfig(epochs=10, batch_size=32, clip_norm=2.0)
TUNING = TRAINING.with_epochs(6).with_learning_rate(0.015)
NET = Architecture((ConvBlock((Conv2D(8, 3), SeparableConv2D(12, 3, 2), Conv2D(12, 3)), "max"),))


def generator(seed: int) -> torch.Generator:
    """A torch generator with a seed."""
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The embedded data set."""
    return load_dataset("digits", seed=0)


@pytest.fixture(scope="module")
def dense(digits) -> Network:
    """A trained network."""
    network = Network(SearchSpace(digits.input_shape, digits.class_count).build(NET), generator(0))
    train(network, digits, TRAINING, generator(1))
    return network


def levels(network: Network, calibration: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of the int8 model, but for depthwise operators, by operator."""
    model = quantize(network, calibration, narrow=False)
    return {
        op.name: model.weights[op.name].weights
        for op, _ in network
        if not isinstance(op, DepthwiseConv2d)
    }


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_the_values_survive_quantization(dense, digits, bits) -> None:
    """Scales of channels do not move, so few levels stay few; the given network is untouched."""
    before = {name: value.clone() for name, value in dense.state_dict().items()}
    shared = share_weights(
        dense, digits, TUNING.with_epochs(1), digits.train.images, generator(2), bits
    )
    for unit in (unit for op, unit in shared if not isinstance(op, DepthwiseConv2d)):
        # A negative scale of a batch norm mirrors levels, which is no new value of the network.
        with torch.no_grad():
            if unit.norm is not None:
                unit.norm.weight.abs_()
    for values in levels(shared, digits.train.images[:100]).values():
        assert len(np.unique(values)) <= 2**bits
    after = dense.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_training_with_shared_weights_beats_rounding_to_them(dense, digits) -> None:
    """Two bits cost accuracy; most of it comes back."""
    rounded = share_weights(
        dense, digits, TUNING.with_epochs(0), digits.train.images, generator(2), 2
    )
    trained = share_weights(dense, digits, TUNING, digits.train.images, generator(2), 2)
    lost = [error_rate(network, digits.validation) for network in (dense, trained, rounded)]
    assert lost[1] < (lost[0] + lost[2]) / 2


@pytest.mark.parametrize("epochs", [0, 2])
def test_batch_norm_knows_the_new_weights(dense, digits, epochs) -> None:
    """Statistics are those of the shared weights: evaluation is what a large batch would give."""
    shared = share_weights(
        dense, digits, TUNING.with_epochs(epochs), digits.train.images, generator(2), 2
    )
    images = to_input(digits.train.images)
    with torch.no_grad():
        evaluated = shared.eval()(images)
        in_a_batch = shared.train()(images)
    torch.testing.assert_close(evaluated, in_a_batch, rtol=0.01, atol=0.01)


def test_what_is_pruned_stays_zero(dense, digits) -> None:
    """And 0 is one of the values."""
    pruner = next(p for p in PRUNERS if p.name == "magnitude")
    step = PruningStep("magnitude", 0.5)
    pruned = pruner.prune(dense, digits, step, TUNING, generator(3))
    shared = share_weights(pruned, digits, TUNING, digits.train.images, generator(4), 3)
    for (_, before), (_, after) in zip(pruned, shared, strict=True):
        if before.mask is not None:
            assert not after.weight[before.mask == 0].any()


def test_the_seed_decides(dense, digits) -> None:
    """The same seed gives the same weights."""
    first, second = (
        share_weights(dense, digits, TUNING.with_epochs(2), digits.train.images, generator(5), 4)
        for _ in range(2)
    )
    for (_, a), (_, b) in zip(first, second, strict=True):
        assert torch.equal(a.weight, b.weight)
