"""What a child takes over from its parent, on networks of the whole space."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_models import trainable_graph
from strategies import members, seeds

from sparse_search.alignment import align
from sparse_search.architecture import (
    Architecture,
    Conv2D,
    ConvBlock,
    DepthwiseConv2D,
    DownsampledConv2D,
    InputTransform,
    SeparableConv2D,
)
from sparse_search.errors import ArchitectureError
from sparse_search.graph import Graph
from sparse_search.inheritance import inherit
from sparse_search.network import Network, to_input
from sparse_search.space import SearchSpace
from sparse_search.transfer import fit_positions, split

SPACE = SearchSpace((12, 12, 3), 4)
BLOCK = ConvBlock((Conv2D(6, 3), Conv2D(6, 3)), "max")


def generator(seed: int) -> torch.Generator:
    """A torch generator with a seed."""
    return torch.Generator().manual_seed(seed)


def trained_like(graph: Graph, seed: int) -> Network:
    """A network whose batch norms have statistics and factors as after training."""
    random = generator(seed)
    network = Network(graph, random)
    for _, unit in network:
        if unit.norm is not None:
            unit.norm.running_mean.normal_(generator=random)
            unit.norm.running_var.uniform_(0.5, 2.0, generator=random)
            with torch.no_grad():
                unit.norm.weight.uniform_(0.5, 1.5, generator=random)
                unit.norm.bias.normal_(std=0.3, generator=random)
    return network.eval()


def inherited(graph: Graph, parent: Network, seed: int, images: np.ndarray | None = None):
    """A child on ``graph``."""
    child = Network(graph, generator(seed + 1))
    return inherit(child, parent, np.random.default_rng(seed), images)


def images(space: SearchSpace, seed: int, count: int = 4) -> np.ndarray:
    """Random images of the space."""
    shape = (count, *space.input_shape)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def assert_same_function(
    space: SearchSpace, child: Architecture, parent: Architecture, seed: int
) -> None:
    """The child has its parent's logits."""
    old = trained_like(space.build(parent), seed)
    new = inherited(space.build(child), old, seed)
    batch = images(space, seed)
    expected, found = (n.activations(batch)["output"] for n in (old, new))
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def with_layers(architecture: Architecture, block: int, layers: tuple) -> Architecture:
    """The architecture with other layers in one block."""
    blocks = list(architecture.blocks)
    blocks[block] = replace(blocks[block], layers=layers)
    return replace(architecture, blocks=tuple(blocks))


def widened(a: Architecture) -> list[Architecture]:
    """Every layer, and every hidden layer, with more channels."""
    found = [
        with_layers(a, b, (*x.layers[:i], replace(x.layers[i], filters=n), *x.layers[i + 1 :]))
        for b, x in enumerate(a.blocks)
        for i in range(len(x.layers))
        if not isinstance(x.layers[i], DepthwiseConv2D)
        for n in (x.layers[i].filters + 1, 3 * x.layers[i].filters)
    ]
    hidden = a.hidden
    return found + [
        replace(a, hidden=(*hidden[:i], 2 * hidden[i], *hidden[i + 1 :]))
        for i in range(len(hidden))
    ]


def deepened(a: Architecture) -> list[Architecture]:
    """A layer inserted behind each one that ends in ReLU; hidden layers; blocks with a shortcut."""
    found = []
    for b, block in enumerate(a.blocks):
        for i, layer in enumerate(block.layers):
            if isinstance(layer, DepthwiseConv2D):
                continue
            new = [Conv2D(layer.filters, 3), SeparableConv2D(layer.filters + 2, 1)]
            new += [DepthwiseConv2D(5), Conv2D(layer.filters, 1)]
            if block.branch == "none" or i < len(block.layers) - 1:
                layers = block.layers
                found += [with_layers(a, b, (*layers[: i + 1], x, *layers[i + 1 :])) for x in new]
        if not isinstance(block.layers[-1], DepthwiseConv2D):
            residual = ConvBlock((Conv2D(block.layers[-1].filters, 3),) * 2, branch="shortcut")
            found.append(replace(a, blocks=(*a.blocks[: b + 1], residual, *a.blocks[b + 1 :])))
    return [*found, *(replace(a, hidden=(*a.hidden, n + 3)) for n in a.hidden[-1:])]


def branched(a: Architecture) -> list[Architecture]:
    """A second path in each block that has none."""
    return [
        replace(a, blocks=(*a.blocks[:i], replace(b, branch=branch), *a.blocks[i + 1 :]))
        for i, b in enumerate(a.blocks)
        if b.branch == "none"
        for branch in ("conv1", "conv3", "conv5")
    ]


def tapped(a: Architecture) -> list[Architecture]:
    """One more tensor sent to the first fully connected layer."""
    kinds = ("average", "max", "flatten")
    found = [
        replace(a, blocks=(*a.blocks[:i], replace(b, fc_branch=kind), *a.blocks[i + 1 :]))
        for i, b in enumerate(a.blocks)
        if b.fc_branch == "none"
        for kind in kinds
    ]
    if a.input.fc_branch == "none":
        found += [replace(a, input=replace(a.input, fc_branch=kind)) for kind in kinds]
    return found


def fitting(space: SearchSpace, architecture: Architecture) -> Architecture | None:
    """The canonical form, if it fits the input."""
    try:
        return space.canonical(architecture)
    except ArchitectureError:
        return None


def test_a_layer_in_front_of_a_second_path_stays_there():
    """It is no continuation of an equal layer behind the start of that path."""
    space = SearchSpace((8, 8, 1), 2)
    first = (DownsampledConv2D(1, 5, 2, reduction_percent=0),)
    second = ConvBlock((SeparableConv2D(1, 1), SeparableConv2D(17, 3)), branch="conv1")
    pooled = InputTransform(4)
    parent = Architecture((ConvBlock(first), second), input=pooled)
    child = Architecture((ConvBlock((*first, SeparableConv2D(3, 1))), second), input=pooled)
    assert_same_function(space, child, parent, 0)


@pytest.mark.parametrize("edit", [widened, deepened, branched, tapped], ids=lambda e: e.__name__)
class TestFunctionIsKept:
    """Children that only grow compute what their parents compute."""

    @settings(deadline=None, max_examples=40)
    @given(member=members(), seed=seeds(), data=st.data())
    def test_of_any_member(self, edit, member, seed, data):
        """Growth of one part of a network of the space."""
        space, parent = member
        children = [c for c in (fitting(space, c) for c in edit(parent)) if c is not None]
        children = [c for c in children if c != parent]
        assume(children)
        child = data.draw(st.sampled_from(children))
        assert_same_function(space, child, parent, seed % 2**31)

    @settings(deadline=None, max_examples=25)
    @given(seed=seeds(), data=st.data())
    def test_of_a_residual_network_with_taps(self, edit, seed, data):
        """Growth of a network with every kind of branch at once."""
        parent = SPACE.canonical(
            Architecture(
                (
                    replace(BLOCK, branch="conv3", fc_branch="average"),
                    replace(BLOCK, branch="shortcut", pool="none"),
                    ConvBlock((DepthwiseConv2D(3), Conv2D(4, 1)), fc_branch="max"),
                ),
                (14,),
                "flatten",
                InputTransform(2, "grey", "flatten"),
            )
        )
        children = [c for c in (fitting(SPACE, c) for c in edit(parent)) if c is not None]
        assume([c for c in children if c != parent])
        child = data.draw(st.sampled_from([c for c in children if c != parent]))
        assert_same_function(SPACE, child, parent, seed % 2**31)


def test_a_hidden_layer_starts_as_the_identity_of_its_features():
    """Also where the features come from several tensors and there are units to spare."""
    block = replace(BLOCK, fc_branch="average")
    parent = Architecture((block, BLOCK), (), "average", InputTransform(fc_branch="max"))
    for units in (15, 40):
        assert_same_function(SPACE, replace(parent, hidden=(units,)), parent, units)


def test_widening_a_residual_block_turns_its_shortcut_into_an_identity_convolution():
    """The 1 x 1 convolution copies the channels that the main path copies."""
    parent = Architecture((BLOCK, replace(BLOCK, branch="shortcut")))
    wide = ConvBlock((Conv2D(6, 3), Conv2D(9, 3)), "max", "conv1")
    assert_same_function(SPACE, replace(parent, blocks=(BLOCK, wide)), parent, 3)


@pytest.mark.parametrize("edit", [branched, tapped], ids=lambda e: e.__name__)
def test_what_starts_at_zero_learns_from_the_first_step(edit):
    """The loss has a gradient with respect to a parameter of each new part."""
    parent = Architecture((BLOCK, BLOCK), (12,))
    old = trained_like(SPACE.build(parent), 0)
    graphs = [SPACE.build(child) for child in edit(parent)]
    for graph in (graph for graph in graphs if graph != old.graph):
        new = inherited(graph, old, 0).train()
        batch = torch.rand(8, 3, 12, 12, generator=generator(1))
        new(batch).square().sum().backward()
        for unit in (new.unit(name) for name in ("branch1", "branch2") if name in new.units):
            assert float(unit.norm.weight.detach().abs().max()) == 0
            assert float(unit.norm.weight.grad.abs().min()) > 0
        if edit is tapped:
            weight = new.unit("dense1").weight
            silent = (weight.detach() == 0).all(0)
            assert bool(silent.any())
            assert float(weight.grad[:, silent].abs().max()) > 0


@settings(deadline=None, max_examples=150)
@given(member=members(), seed=seeds())
def test_any_member_can_inherit_from_any_other(member, seed):
    """Weights, biases and statistics are finite, and the child can be evaluated."""
    space, parent = member
    rng = np.random.default_rng(seed)
    child = space.sample(rng)
    old = trained_like(space.build(parent), seed % 2**31)
    new = inherited(space.build(child), old, seed % 2**31, images(space, 0))
    assert all(bool(torch.isfinite(v).all()) for v in new.state_dict().values())
    assert np.isfinite(new.activations(images(space, 1))["output"]).all()


@settings(deadline=None, max_examples=60)
@given(one=seeds(), other=seeds())
def test_any_graph_can_inherit_from_any_other(one, other):
    """Also where sums and concatenations are laid out as the space never does."""
    child, parent = (
        Network(trainable_graph(np.random.default_rng(seed)), generator(seed % 2**31))
        for seed in (one, other)
    )
    inherit(child, parent, np.random.default_rng(one))
    assert all(bool(torch.isfinite(v).all()) for v in child.state_dict().values())


@settings(deadline=None, max_examples=40)
@given(member=members(), seed=seeds())
def test_a_child_that_is_its_parent_has_its_weights(member, seed):
    """Every parameter and statistic is copied as it is."""
    space, architecture = member
    old = trained_like(space.build(architecture), seed % 2**31)
    new = inherited(old.graph, old, seed % 2**31, images(space, 0))
    for name, value in old.state_dict().items():
        assert torch.equal(new.state_dict()[name], value), name


@pytest.mark.parametrize("position", [1, 2])
def test_an_inserted_layer_changes_nothing_in_training(position):
    """Batches are normalised there; images fix the statistics so that they cancel."""
    parent = Architecture((BLOCK, BLOCK), (), "average")
    layers = (*BLOCK.layers[:position], Conv2D(6, 3), *BLOCK.layers[position:])
    child = with_layers(parent, 0, layers)
    old = trained_like(SPACE.build(parent), 1)
    batch = images(SPACE, 2, 64)
    with torch.no_grad():
        for _ in range(100):  # Until the running statistics are those of the batch.
            old.train()(to_input(batch))
    logits = []
    for network in (
        old,
        inherited(SPACE.build(child), old, 1, batch),
        inherited(SPACE.build(child), old, 1),
    ):
        with torch.no_grad():
            network.eval()
            in_evaluation = network.activations(batch)["output"]
            in_training = network.train()(to_input(batch))
        logits.append((in_evaluation.squeeze(), in_training.numpy()))
    np.testing.assert_allclose(logits[1][0], logits[0][0], atol=1e-4)
    distance = [float(np.abs(found - logits[0][1]).mean()) for _, found in logits]
    assert distance[1] < 0.2 * distance[2]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 8), (10, 7)])
def test_positions_share_a_weight_by_area(size):
    """The sum of each pair of channels is kept, also where sizes are no multiples."""
    weight = torch.rand(3, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    moved = fit_positions(weight, size)
    assert moved.shape == (3, 2, *size)
    torch.testing.assert_close(moved.sum((2, 3)), weight.sum((2, 3)))


class TestSplit:
    """How a weight is divided between copies of what it reads."""

    def test_shares_of_a_source_sum_to_one(self):
        """For every weight, and in other proportions for each; what has no copy is read whole."""
        source = np.array([0, 1, 2, 1, 0, 1])
        shares = split(source, (5, 6, 3, 2), np.random.default_rng(0))
        for channel in range(3):
            total = shares[:, source == channel].sum(1)
            np.testing.assert_allclose(total, np.ones((5, 3, 2)), atol=1e-5)
        assert (shares[:, 2] == 1).all()
        assert len(np.unique(shares[:, 0])) == 30

    def test_copies_part_under_adam(self):
        """A wide network whose copies stayed equal could do no more than a narrow one."""
        parent = Architecture((ConvBlock((Conv2D(4, 3), Conv2D(4, 3)), "max"),), (), "average")
        wide = ConvBlock((Conv2D(8, 3), Conv2D(4, 3)), "max")
        old = trained_like(SPACE.build(parent), 0)
        new = inherited(SPACE.build(replace(parent, blocks=(wide,))), old, 0).train()
        before = new.unit("conv1").weight.detach().flatten(1).clone()
        optimizer = torch.optim.AdamW(new.parameters(), lr=0.01)
        batch = torch.rand(32, 3, 12, 12, generator=generator(1))
        labels = torch.arange(32) % 4
        for _ in range(20):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(new(batch), labels).backward()
            optimizer.step()
        after = new.unit("conv1").weight.detach().flatten(1)
        copies = [(i, j) for i in range(8) for j in range(i) if torch.equal(before[i], before[j])]
        assert len(copies) >= 4
        moved = float((after - before).norm(dim=1).mean())
        for i, j in copies:
            assert float((after[i] - after[j]).norm()) > 0.3 * moved


class TestAlignment:
    """Which operators continue which."""

    def test_second_paths_continue_second_paths(self):
        """A new branch is not taken for the layer behind it, nor an old one for a new layer."""
        plain = SPACE.build(Architecture((BLOCK, BLOCK)))
        residual = SPACE.build(Architecture((replace(BLOCK, branch="conv3"), BLOCK)))
        names = {"conv1", "conv2", "conv3", "conv4", "output"}
        for child, parent in ((plain, residual), (residual, plain)):
            assert align(child, parent) == {name: name for name in names}

    def test_an_inserted_layer_is_told_from_equal_neighbours_by_what_is_sent_from_it(self):
        """The layer behind a tensor that is sent to the features stays the one behind it."""
        tap = ConvBlock((Conv2D(6, 3),), fc_branch="average")
        more = ConvBlock((Conv2D(6, 3), Conv2D(6, 3)), fc_branch="average")
        last = ConvBlock((Conv2D(6, 3),))
        child, parent = (SPACE.build(Architecture((first, last))) for first in (more, tap))
        assert align(child, parent) == {"conv1": "conv1", "conv3": "conv2", "output": "output"}
