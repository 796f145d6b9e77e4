"""Channels without use go, and the network computes what it did."""

import numpy as np
import torch
from hypothesis import given, settings
from pruning_networks import generator
from random_models import trainable_graph
from strategies import members, seeds
from test_pruning_groups import perturb

from pruning.magnitude import update_masks
from sparse_search.cutting import without_dead_channels
from sparse_search.graph import Conv2d, Dense, Graph, MaxPool2d, Tensor
from sparse_search.network import Network, to_input


def logits(network: Network, images: np.ndarray) -> np.ndarray:
    """What the network computes."""
    network.eval()
    with torch.no_grad():
        return network(to_input(images)).numpy()


def assert_nothing_changes(network: Network, seed: int) -> Network:
    """The smaller network has the same logits, and no more weights; returns it."""
    rng = np.random.default_rng(seed)
    perturb(network, rng)
    update_masks(network, {}, float(rng.choice([0.5, 0.8, 0.95, 0.99])))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    smaller = without_dead_channels(network)
    assert all(bool((network.state_dict()[n] == t).all()) for n, t in before.items())
    images = rng.integers(0, 256, (2, *network.graph.input.shape), dtype=np.uint8)
    expected = logits(network, images)
    tolerance = 1e-5 * max(1, np.abs(expected).max())
    np.testing.assert_allclose(logits(smaller, images), expected, atol=tolerance)
    left = sum(int((unit.weight != 0).sum()) for _, unit in smaller)
    assert left <= sum(int((unit.weight != 0).sum()) for _, unit in network)
    assert all(t.shape[2] >= 1 for t in smaller.graph.tensors)
    return smaller


@settings(deadline=None, max_examples=80)
@given(member=members(), seed=seeds())
def test_any_network_of_the_space_computes_the_same(member, seed):
    """At any sparsity."""
    space, architecture = member
    assert_nothing_changes(Network(space.build(architecture), generator(seed % 2**31)), seed)


@settings(deadline=None, max_examples=40)
@given(seed=seeds())
def test_any_graph_computes_the_same(seed):
    """Also where sums and concatenations are laid out as the space never does."""
    graph = trainable_graph(np.random.default_rng(seed))
    assert_nothing_changes(Network(graph, generator(seed % 2**31)), seed)


def chain(padding: int, *, batch_norm: bool = False) -> Network:
    """Two convolutions, the first one pooled, and the output; all weights and biases positive."""
    edge = (padding,) * 4
    common = {"kernel": (3, 3), "stride": (1, 1), "batch_norm": batch_norm}
    graph = Graph(
        (
            Tensor("image", (10, 10, 1)),
            Tensor("a", (8, 8, 4)),
            Tensor("p", (4, 4, 4)),
            Tensor("b", (2 + 2 * padding, 2 + 2 * padding, 3)),
            Tensor("out", (1, 1, 2)),
        ),
        (
            Conv2d("a", ("image",), "a", padding=(0, 0, 0, 0), **common),
            MaxPool2d("p", ("a",), "p", (2, 2), (2, 2)),
            Conv2d("b", ("p",), "b", padding=edge, **common),
            Dense("out", ("b",), "out", "none", batch_norm=False),
        ),
    )
    network = Network(graph, generator(0))
    for _, unit in network:
        with torch.no_grad():
            unit.weight.abs_()
            if unit.bias is not None:
                unit.bias.fill_(0.5)
            if unit.norm is not None:
                unit.norm.bias.fill_(0.5)
    return network


def widths(network: Network) -> tuple[int, int]:
    """Channels of the two convolutions."""
    return network.graph.shape("a")[2], network.graph.shape("b")[2]


def drop(network: Network, *, outputs: tuple[int, ...] = (), inputs: tuple[int, ...] = ()) -> None:
    """Removes what makes channels of a, or what b reads of them."""
    with torch.no_grad():
        network.unit("a").weight[list(outputs)] = 0.0
        network.unit("b").weight[:, list(inputs)] = 0.0


def images() -> np.ndarray:
    """A few random ones."""
    return np.random.default_rng(0).integers(0, 256, (3, 10, 10, 1), dtype=np.uint8)


def test_what_nobody_reads_goes():
    """Whatever made it. Where all is constant, one channel of each layer stays."""
    network = chain(1)
    drop(network, inputs=(0, 2))
    smaller = without_dead_channels(network)
    assert widths(smaller) == (2, 3)
    np.testing.assert_allclose(logits(smaller, images()), logits(network, images()), rtol=1e-5)
    drop(network, inputs=(0, 1, 2, 3))
    assert widths(without_dead_channels(network)) == (1, 1)


def test_constants_become_biases():
    """Where no zeros are padded, with and without batch norm, and through a pooling."""
    for batch_norm in (False, True):
        network = chain(0, batch_norm=batch_norm)
        drop(network, outputs=(1,))
        smaller = without_dead_channels(network)
        assert widths(smaller) == (3, 3)
        np.testing.assert_allclose(logits(smaller, images()), logits(network, images()), rtol=1e-4)


def test_constants_beside_zeros_stay():
    """At the border a padded convolution sees zeros; a channel that is always 0 can go."""
    network = chain(1)
    drop(network, outputs=(1, 2))
    assert widths(without_dead_channels(network)) == (4, 3)
    with torch.no_grad():
        network.unit("a").bias[1] = -0.5
    smaller = without_dead_channels(network)
    assert widths(smaller) == (3, 3)
    np.testing.assert_allclose(logits(smaller, images()), logits(network, images()), rtol=1e-5)


def test_a_dense_network_stays_as_it_is():
    """Not even a mask appears."""
    network = chain(1)
    smaller = without_dead_channels(network)
    assert smaller.graph == network.graph
    assert all(unit.mask is None for _, unit in smaller)
