"""Bayesian compression: scales of channels and features, and what of them is removed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from pruning_networks import BRANCHING, CONFIG, generator, made_dataset, train_quickly
from strategies import members, seeds

from pruning.bayesian import BayesianPruner, compress
from pruning.channel_noise import ChannelNoise, fold_means, reads_features
from pruning.groups import keep
from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset, load_dataset
from sparse_search.graph import Dense, Graph, Tensor
from sparse_search.groups import channel_groups
from sparse_search.network import Network, to_input
from sparse_search.training import error_rate, train


def noise_of(network: Network, *, features: bool = True) -> ChannelNoise:
    """Scales of a network; settings as by default."""
    return ChannelNoise(network, BayesianPruner(), 0.1, 100, generator(5), features=features)


def silence(noise: ChannelNoise) -> None:
    """Takes the randomness away, and leaves the means."""
    with torch.no_grad():
        for parameter in noise.parameters():
            parameter.fill_(-60.0)


def set_means(noise: ChannelNoise, rng: np.random.Generator) -> None:
    """Random means between a third and three."""
    for scales in (*noise.channels.values(), *noise.features.values()):
        with torch.no_grad():
            draws = rng.uniform(-1, 1, len(scales.log_mean)) / 0.25
            scales.learned_mean.copy_(torch.from_numpy(draws))


@settings(deadline=None, max_examples=40)
@given(member=members(), seed=seeds())
def test_folded_means_are_scales_without_noise(member, seed):
    """On any network of the space, with batch norm or without, depthwise and added paths too."""
    space, architecture = member
    network = Network(space.build(architecture), generator(seed % 2**31)).eval()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for _, unit in network:
            bias = unit.bias if unit.norm is None else unit.norm.bias
            bias.copy_(torch.from_numpy(rng.normal(0, 0.3, len(bias))))
    noise = noise_of(network)
    silence(noise)
    set_means(noise, rng)
    folded = network.copy().eval()
    fold_means(folded, noise)
    images = to_input(rng.integers(0, 256, (2, *space.input_shape), dtype=np.uint8))
    with torch.no_grad():
        expected = network(images, None, noise).numpy()
        found = folded(images).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, np.abs(expected).max()))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The embedded data set."""
    return load_dataset("digits", seed=0)


@pytest.fixture(scope="module")
def branching(digits) -> Network:
    """A trained network with sums and a concatenation."""
    return train_quickly(BRANCHING, digits)


def test_operators_of_a_group_share_their_samples(branching):
    """A depthwise operator multiplies by what its producer multiplied by; images differ."""
    noise, operators = noise_of(branching), {op.name: op for op, _ in branching}
    ones = torch.ones(7, branching.graph.shape("conv1")[2], 2, 2)
    first = noise.output(operators["conv1"], ones)
    assert torch.equal(noise.output(operators["depthwise1"], ones), first)
    assert len(first[:, 0, 0, 0].unique()) == 7
    again = noise.output(operators["conv1"], ones)
    assert not torch.equal(again, first)
    assert torch.equal(noise.output(operators["output"], ones[:, :3]), ones[:, :3])


def test_features_are_what_no_channel_stands_for(branching):
    """Flattened maps, concatenations and the network's input, but not a hidden layer."""
    operators = {op.name: op for op, _ in branching}
    graph = branching.graph
    assert reads_features(graph, operators["dense1"])
    assert not reads_features(graph, operators["output"])
    assert not reads_features(graph, operators["conv1"])
    tensors = (Tensor("x", (1, 1, 4)), Tensor("a", (1, 1, 4)), Tensor("b", (1, 1, 2)))
    vectors = Graph(tensors, (Dense("a", ("x",), "a"), Dense("b", ("a",), "b")))
    assert [reads_features(vectors, op) for op in vectors.weighted] == [True, False]


@pytest.mark.parametrize("threshold", [-1e9, -4.0, 0.0, 1e9])
def test_what_lies_above_the_threshold_goes(branching, threshold):
    """Exactly that, but for the best channel of a group and the best feature of an operator."""
    network, rng = branching.copy(), np.random.default_rng(0)
    noise = noise_of(network)
    for scales in (*noise.channels.values(), *noise.features.values()):
        with torch.no_grad():
            draws = rng.uniform(-9, 9, len(scales.log_mean))
            scales.log_variance.copy_(torch.from_numpy(draws))
    smaller = compress(network, noise, PruningStep("bayesian", 0.0, threshold=threshold))
    for group in channel_groups(network.graph):
        if group.tensors[0] in noise.channels:
            alive = int((noise.channels[group.tensors[0]].log_alpha <= threshold).sum())
            assert smaller.graph.shape(group.tensors[0])[2] == max(1, alive)
    columns = (smaller.unit("dense1").weight != 0).any(0)
    alive = noise.features["dense1"].log_alpha <= threshold
    assert 1 <= int(columns.sum()) <= max(1, int(alive.sum()))
    if threshold == 1e9:
        assert smaller.graph == network.graph
        assert bool(columns.all())


def made_network(made: Dataset) -> Network:
    """Eight hidden units trained on meaningful inputs, of which three are made constant."""
    graph = Graph(
        (Tensor("image", (1, 12, 1)), Tensor("hidden", (1, 1, 8)), Tensor("logits", (1, 1, 3))),
        (Dense("hidden", ("image",), "hidden", "relu"), Dense("out", ("hidden",), "logits")),
    )
    network = Network(graph, generator(0))
    train(network, made, CONFIG, generator(1))
    unit = network.unit("hidden")
    unit.mask = torch.ones_like(unit.weight)
    unit.mask[5:] = 0.0
    unit.apply_mask()
    with torch.no_grad():
        unit.bias[5:] = 1.0
    return network


def test_useless_channels_and_features_are_removed():
    """Constant channels and inputs of pure noise have more noise than all that matters."""
    made = made_dataset()
    network = made_network(made)
    step = PruningStep("bayesian", 0.0, threshold=0.0)
    pruned = BayesianPruner().prune(network, made, step, CONFIG, generator(2))
    assert pruned.graph.shape("hidden")[2] <= 5
    alive = (pruned.unit("hidden").weight != 0).any(0)
    assert int(alive[:6].sum()) >= 3
    assert not bool(alive[6:].any())
    assert error_rate(pruned, made.validation) <= error_rate(network, made.validation) + 0.02


def test_a_sparsity_removes_the_channels_of_most_noise(branching):
    """Those of largest log alpha in each group, as many as every structured method removes."""
    network, rng = branching.copy(), np.random.default_rng(1)
    noise = noise_of(network, features=False)
    order = {}
    for name, scales in noise.channels.items():
        order[name] = rng.permutation(len(scales.log_mean))
        with torch.no_grad():
            scales.log_variance.copy_(torch.from_numpy(order[name].astype(np.float32)))
    step = PruningStep("bayesian", 0.5, (("conv1", 0.25),))
    expected = keep(
        network.graph, step, lambda group, n: np.flatnonzero(order[group.tensors[0]] < n)
    )
    smaller = compress(network, noise, step)
    folded = network.copy()
    fold_means(folded, noise)
    rows = folded.unit("conv1").weight.detach()[torch.from_numpy(expected["conv1"])]
    assert torch.equal(smaller.unit("conv1").weight.detach(), rows)
    assert all(unit.mask is None for _, unit in smaller)
