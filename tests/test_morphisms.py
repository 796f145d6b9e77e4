"""Morphisms: the contract that each of them passes, and what inheritance preserves."""

import heapq
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import members, seeds

from morphisms import MORPHISMS
from sparse_search.architecture import (
    Architecture,
    Conv2D,
    ConvBlock,
    DepthwiseConv2D,
    SeparableConv2D,
)
from sparse_search.inheritance import align, inherit
from sparse_search.interfaces import Site, morph
from sparse_search.network import Network
from sparse_search.space import SearchSpace

BY_NAME = {m.name: m for m in MORPHISMS}
SMALL = SearchSpace(
    (12, 12, 3),
    3,
    max_blocks=2,
    max_layers=2,
    max_filters=6,
    kernels=(1, 2, 3),
    reductions_percent=(0, 50),
    input_pools=(1, 2),
    hidden_units=(10, 14),
)


def children(morphism, architecture, space):
    """Every child of one morphism."""
    found = (morph(morphism, architecture, s, space) for s in morphism.sites(architecture, space))
    return [child for child in found if child is not None]


def test_names_are_unique():
    """A lineage can be read back by name."""
    assert len(BY_NAME) == len(MORPHISMS)


@pytest.mark.parametrize("morphism", MORPHISMS, ids=lambda m: m.name)
class TestMorphismContract:
    """What every morphism must keep."""

    def test_it_applies_somewhere(self, morphism):
        """Each morphism has a site on some of 60 samples."""
        rng = np.random.default_rng(0)
        assert any(children(morphism, SMALL.sample(rng), SMALL) for _ in range(60))

    @settings(deadline=None, max_examples=15)
    @given(member=members())
    def test_children_are_new_members_and_the_parent_is_unchanged(self, morphism, member):
        """The parent's text is the same before and after; children are canonical and differ."""
        space, parent = member
        before = parent.to_json()
        for child in children(morphism, parent, space):
            assert space.contains(child)
            assert space.canonical(child) == child
            assert space.build(child) != space.build(parent)
        assert parent.to_json() == before

    def test_the_parent_can_be_reached_back(self, morphism):
        """Morphisms lead from a child back to its parent."""
        rng = np.random.default_rng(7)
        tried = 0
        while tried < 4:
            parent = SMALL.sample(rng)
            options = children(morphism, parent, SMALL)
            if options:
                tried += 1
                child = options[int(rng.integers(len(options)))]
                assert reaches(child, parent, SMALL), (child.to_json(), parent.to_json())


def reaches(start: Architecture, goal: Architecture, space: SearchSpace) -> bool:
    """Best-first search over morphisms by the difference between graphs; 300 expansions."""
    queue = [(0.0, 0, start)]
    seen = {start}
    for expansions in range(300):
        if not queue:
            return False
        architecture = heapq.heappop(queue)[2]
        for morphism in MORPHISMS:
            for child in children(morphism, architecture, space):
                if child == goal:
                    return True
                if child not in seen:
                    seen.add(child)
                    order = (expansions + 1) * 10000 + len(seen)
                    heapq.heappush(queue, (difference(child, goal), order, child))
    return False


def difference(a: Architecture, b: Architecture) -> float:
    """Edit distance between two architectures' parts, widths on a log scale."""

    def parts(x):
        layers = [("layer", i.kind, getattr(i, "filters", 1), i.kernel, i.stride, i.padding,
                   b.pool, b.branch, b.fc_branch) for b in x.blocks for i in b.layers]  # fmt: skip
        return [*layers, *(("dense", units) for units in x.hidden)]

    def cost(p, q):
        if p[0] != q[0]:
            return 8.0
        return sum(
            abs(math.log2(u / v)) if isinstance(u, int) else float(u != v)
            for u, v in zip(p[1:], q[1:], strict=True)
        )

    p, q = parts(a), parts(b)
    table = np.zeros((len(p) + 1, len(q) + 1))
    table[:, 0], table[0] = 4 * np.arange(len(p) + 1), 4 * np.arange(len(q) + 1)
    for i in range(1, len(p) + 1):
        for j in range(1, len(q) + 1):
            table[i, j] = min(
                table[i - 1, j] + 4, table[i, j - 1] + 4,
                table[i - 1, j - 1] + cost(p[i - 1], q[j - 1]),
            )  # fmt: skip
    rest = (a.head != b.head) + (a.input != b.input) + 2 * abs(len(a.blocks) - len(b.blocks))
    return float(table[-1, -1]) + rest


def test_a_new_layer_is_as_wide_as_what_is_before_it():
    """Depthwise layers have no width: it is that of the closest layer before, or else after."""
    space = SearchSpace((12, 12, 3), 3, widths=(2, 5, 7))
    dw = DepthwiseConv2D(3)
    blocks = (ConvBlock((dw,), "max"), ConvBlock((Conv2D(5, 3), dw), "max"), ConvBlock((dw,)))
    architecture = Architecture(blocks)
    sites = BY_NAME["set_layer_type"].sites(architecture, space)
    edited = [BY_NAME["set_layer_type"].apply(architecture, s) for s in sites if "conv" in s.value]
    assert [a.blocks[i].layers[-1].filters for i, a in enumerate(edited)] == [5, 5, 5]
    only = Architecture((ConvBlock((dw,)),))
    children_ = children(BY_NAME["set_layer_type"], only, space)
    assert {c.blocks[0].layers[0].filters for c in children_} == {2}


def test_widths_step_along_the_list_of_the_space():
    """Up and down by one or two places; a depthwise layer has no width to change."""
    space = SearchSpace((12, 12, 3), 3, widths=(2, 5, 7, 9, 20))
    architecture = Architecture((ConvBlock((Conv2D(7, 3), DepthwiseConv2D(3))),))
    for name, widths in (("widen", [9, 20]), ("narrow", [2, 5])):
        found = children(BY_NAME[name], architecture, space)
        assert [c.blocks[0].layers[0].filters for c in found] == widths


def test_a_shortcut_becomes_a_projection_when_widths_part():
    """Narrowing one layer of a residual block, or removing it, keeps the second path."""
    space = SearchSpace((12, 12, 3), 3)
    first = ConvBlock((Conv2D(8, 3),))
    parent = Architecture((first, ConvBlock((Conv2D(6, 3), Conv2D(8, 3)), "none", "shortcut")))
    narrow = morph(BY_NAME["narrow"], parent, Site(1, 1, 5), space)
    shorter = morph(BY_NAME["remove_layer"], parent, Site(1, 1), space)
    assert parent.blocks[1].branch == "shortcut"
    assert narrow.blocks[1].branch == shorter.blocks[1].branch == "conv1"
    back = morph(BY_NAME["set_branch"], narrow, Site(1, -1, "shortcut"), space)
    assert back is None


def test_what_is_sent_can_be_set_at_the_input_and_every_block():
    """What the head sends already is no change."""
    space = SearchSpace((12, 12, 3), 3)
    parent = Architecture((ConvBlock((Conv2D(8, 3),), "max"), ConvBlock((Conv2D(8, 3),))))
    morphism = BY_NAME["set_fc_branch"]
    sent = [
        (c.input.fc_branch, *(b.fc_branch for b in c.blocks))
        for c in children(morphism, parent, space)
    ]
    kinds = ("average", "max", "flatten")
    assert sent == [
        *((kind, "none", "none") for kind in kinds),
        *(("none", kind, "none") for kind in kinds),
        *(("none", "none", kind) for kind in kinds if kind != parent.head),
    ]


def trained_like(graph, seed):
    """A network whose batch norms have statistics as after training."""
    generator = torch.Generator().manual_seed(seed)
    network = Network(graph, generator)
    for _, unit in network:
        if unit.norm is not None:
            unit.norm.running_mean.normal_(generator=generator)
            unit.norm.running_var.uniform_(0.5, 2.0, generator=generator)
            with torch.no_grad():
                unit.norm.weight.uniform_(0.5, 1.5, generator=generator)
                unit.norm.bias.normal_(std=0.3, generator=generator)
    return network.eval()


def assert_same_function(child, parent, space, seed):
    """An inheriting child equals its parent on random images, relative to the logits' size."""
    old = trained_like(space.build(parent), seed)
    generator = torch.Generator().manual_seed(seed + 1)
    new = Network(space.build(child), generator)
    inherit(new, old, np.random.default_rng(seed))
    images = torch.rand(4, space.input_shape[2], *space.input_shape[:2], generator=generator)
    with torch.no_grad():
        expected, found = old(images), new.eval()(images)
    scale = max(1.0, float(expected.abs().max()))
    assert float((expected - found).abs().max()) <= 1e-5 * scale


@settings(deadline=None, max_examples=40)
@given(members(), seeds(), st.data())
def test_widening_keeps_the_function(member, seed, data):
    """Net2WiderNet: the wider child computes what its parent computes."""
    space, parent = member
    options = children(BY_NAME["widen"], parent, space)
    if options:
        assert_same_function(data.draw(st.sampled_from(options)), parent, space, seed % 2**31)


@settings(deadline=None, max_examples=40)
@given(members(), seeds(), st.data())
def test_deepening_keeps_the_function(member, seed, data):
    """Net2DeeperNet: a layer inserted behind another starts as the identity."""
    space, parent = member
    options = [
        child
        for site in BY_NAME["insert_layer"].sites(parent, space)
        if site.layer > 0
        and (child := morph(BY_NAME["insert_layer"], parent, site, space)) is not None
        and preserves(child, parent, space)
    ]
    if options:
        assert_same_function(data.draw(st.sampled_from(options)), parent, space, seed % 2**31)


def preserves(child, parent, space):
    """Whether the child can compute the same: no channel is lost, and no activation is inserted.

    Behind the last layer of a path that is added to another, the inserted layer takes its place:
    what was the last one now has an activation.
    """
    graph, old = space.build(child), space.build(parent)
    matched = align(graph, old)
    activations = {op.name: op.activation for op in old.weighted}
    inserted = [op for op in graph.weighted if op.name not in matched]
    return (
        all(graph.shape(op.output)[2] >= graph.shape(op.inputs[0])[2] for op in inserted)
        and len(graph.weighted) == len(old.weighted) + len(inserted)
        and all(
            op.activation == activations[matched[op.name]]
            for op in graph.weighted
            if op.name in matched
        )
    )


def test_narrowing_keeps_the_most_important_channels():
    """Silent channels go first: removing them does not change the function."""
    space = SearchSpace((8, 8, 1), 4)
    parent = Architecture((ConvBlock((Conv2D(6, 3), SeparableConv2D(5, 3))),))
    child = Architecture((ConvBlock((Conv2D(4, 3), SeparableConv2D(5, 3))),))
    old = trained_like(space.build(parent), 3)
    with torch.no_grad():
        for silent in (1, 4):
            old.unit("conv1").weight[silent] = 0
            old.unit("conv1").norm.weight[silent] = 0
            old.unit("conv1").norm.bias[silent] = 0
            old.unit("depthwise1").weight[silent] = 0
            old.unit("conv2").weight[:, silent] = 0
    new = inherit(
        Network(space.build(child), torch.Generator().manual_seed(0)),
        old,
        np.random.default_rng(0),
    ).eval()
    images = torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(new(images), old(images), atol=1e-5, rtol=1e-5)


def test_exchanging_average_and_flatten_keeps_the_function():
    """A flattened head that inherits an averaged one spreads its weights over the positions."""
    space = SearchSpace((8, 8, 1), 4)
    parent = Architecture((ConvBlock((Conv2D(3, 3, 2),)),), head="average")
    child = Architecture((ConvBlock((Conv2D(3, 3, 2),)),), head="flatten")
    assert_same_function(child, parent, space, 5)


def test_a_child_that_is_its_parent_inherits_everything():
    """Inheritance between equal graphs copies every parameter."""
    space = SearchSpace((28, 28, 1), 10)
    rng = np.random.default_rng(11)
    for seed in range(10):
        architecture = space.sample(rng)
        assert_same_function(architecture, architecture, space, seed)
