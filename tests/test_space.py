"""Architecture, SearchSpace, builder and canonical form."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SHAPES, members, restricted_spaces, seeds, spaces

from sparse_search.architecture import (
    Architecture,
    Conv2D,
    ConvBlock,
    DepthwiseConv2D,
    DownsampledConv2D,
    InputTransform,
    SeparableConv2D,
)
from sparse_search.builder import build_graph
from sparse_search.errors import ArchitectureError
from sparse_search.graph import Graph
from sparse_search.sampling import Dice, draw
from sparse_search.space import SearchSpace

MNIST = SearchSpace((28, 28, 1), 10)
POINT = ConvBlock((Conv2D(4, 7, 4, "valid"), Conv2D(4, 5, 1, "valid")), "max")
"""Leaves one position of a 28x28 map."""


@settings(deadline=None)
@given(members())
def test_samples_are_canonical_members_and_survive_json(member):
    """What is sampled is in the space, in canonical form, and equal after a JSON round trip."""
    space, architecture = member
    assert space.objection(architecture) is None
    assert space.canonical(architecture) == architecture
    assert Architecture.from_json(architecture.to_json()) == architecture
    graph = space.build(architecture)
    assert Graph.from_json(graph.to_json()) == graph


@settings(deadline=None)
@given(st.one_of(spaces(), restricted_spaces()), seeds())
def test_the_canonical_form_describes_the_same_network(space, seed):
    """Whatever the spelling: an equal graph, in the space, in no more blocks and layers, stable."""
    dice = Dice(np.random.default_rng(seed))
    for drawn in filter(None, (draw(space, dice) for _ in range(20))):
        if space.contains(drawn):
            canonical = space.canonical(drawn)
            assert space.build(canonical) == space.build(drawn)
            assert space.objection(canonical) is None
            assert space.canonical(canonical) == canonical
            assert len(canonical.blocks) <= len(drawn.blocks)
            assert canonical.layer_count <= drawn.layer_count
            return


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            Architecture((ConvBlock((Conv2D(4, 3), Conv2D(5, 3)), "max"),)),
            Architecture((ConvBlock((Conv2D(4, 3),)), ConvBlock((Conv2D(5, 3),), "max"))),
        ),
        (
            Architecture((ConvBlock((Conv2D(4, 1, padding="valid"),)),)),
            Architecture((ConvBlock((Conv2D(4, 1),)),)),
        ),
        (
            Architecture((ConvBlock((Conv2D(8, 3), Conv2D(4, 1), Conv2D(6, 3))),)),
            Architecture(
                (ConvBlock((Conv2D(8, 3), DownsampledConv2D(6, 3, reduction_percent=50))),)
            ),
        ),
        (
            Architecture((ConvBlock((Conv2D(4, 3),)),), input=InputTransform(1, "grey")),
            Architecture((ConvBlock((Conv2D(4, 3),)),)),
        ),
        (
            Architecture((ConvBlock((Conv2D(4, 4, 2, "valid"), Conv2D(2, 7, 4, "valid"))),)),
            Architecture((ConvBlock((Conv2D(4, 4, 2, "valid"), Conv2D(2, 7, 4, "valid"))),)),
        ),
        (
            Architecture((ConvBlock((DepthwiseConv2D(3, 2), Conv2D(4, 1))),)),
            Architecture((ConvBlock((SeparableConv2D(4, 3, 2),)),)),
        ),
        (
            Architecture((ConvBlock((Conv2D(4, 3, 2),), branch="shortcut"),)),
            Architecture((ConvBlock((Conv2D(4, 3, 2),), branch="conv1"),)),
        ),
        (
            Architecture((ConvBlock((Conv2D(4, 3),)), ConvBlock((Conv2D(4, 3),), "max", "conv3"))),
            Architecture((ConvBlock((Conv2D(4, 3),)), ConvBlock((Conv2D(4, 3),), "max", "conv3"))),
        ),
        (
            Architecture((ConvBlock((Conv2D(4, 3),), fc_branch="average"),), head="average"),
            Architecture((ConvBlock((Conv2D(4, 3),)),), head="average"),
        ),
        (
            Architecture((ConvBlock((Conv2D(4, 3),), fc_branch="flatten"),)),
            Architecture((ConvBlock((Conv2D(4, 3),)),)),
        ),
        (
            Architecture((POINT, ConvBlock((Conv2D(4, 3),), "none", "conv3")), head="max"),
            Architecture((POINT, ConvBlock((Conv2D(4, 3, 2),), "none", "conv3"))),
        ),
        (
            Architecture((replace(POINT, fc_branch="max"), ConvBlock((Conv2D(4, 3),)))),
            Architecture((replace(POINT, fc_branch="flatten"), ConvBlock((Conv2D(4, 3),)))),
        ),
    ],
    ids=[
        "block cut",
        "padding of 1x1",
        "spelled-out bottleneck",
        "grey of grey",
        "itself",
        "spelled-out separable",
        "projection",
        "cut before a sum",
        "sent by the head, averaged",
        "sent by the head, whole",
        "head and strides of a point",
        "sent from a point",
    ],
)
def test_two_spellings_of_one_network_are_one(one, other):
    """Different spellings have one canonical form."""
    space = SearchSpace((28, 28, 1), 10, strides=(1, 2, 4))
    assert space.canonical(one) == space.canonical(other)
    assert space.canonical(one).hash() == space.canonical(other).hash()


def test_a_graph_has_the_shapes_macs_and_parameters_of_pen_and_paper():
    """Conv 3x3x4 stride 2, separable 3x3x8, max pool, dense 10 on 28x28x1."""
    architecture = Architecture(
        (ConvBlock((Conv2D(4, 3, 2), SeparableConv2D(8, 3)), "max"),), hidden=(16,)
    )
    graph = MNIST.build(architecture)
    assert [t.shape for t in graph.tensors] == [
        (28, 28, 1),
        (14, 14, 4),
        (14, 14, 4),
        (14, 14, 8),
        (7, 7, 8),
        (1, 1, 16),
        (1, 1, 10),
    ]
    weights = [36, 36, 32, 7 * 7 * 8 * 16, 160]
    biases = [4, 4, 8, 16, 10]
    assert graph.parameters == sum(weights) + sum(biases)
    assert graph.macs == 196 * 36 + 196 * 36 + 196 * 32 + 7 * 7 * 8 * 16 + 160


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        (Architecture((ConvBlock((Conv2D(4, 3),)),) * 5), "5 blocks"),
        (Architecture((ConvBlock((Conv2D(101, 3),)),)), "101 filters"),
        (Architecture((ConvBlock((Conv2D(4, 6),)),)), "kernel 6"),
        (Architecture((ConvBlock((Conv2D(4, 3),)),), hidden=(5,)), "5 hidden units"),
        (Architecture((ConvBlock((Conv2D(4, 3, 2),), "max"),) * 4), "does not fit"),
        (Architecture((ConvBlock((Conv2D(4, 3),), branch="conv5"),)), "branch 'conv5'"),
        (
            Architecture((ConvBlock((Conv2D(4, 3),), fc_branch="flatten"),)),
            "fully connected branch 'flatten'",
        ),
        (
            Architecture((ConvBlock((Conv2D(4, 3),)),), input=InputTransform(fc_branch="flatten")),
            "'flatten' of the input",
        ),
        (Architecture((ConvBlock((DepthwiseConv2D(3, 3),)),)), "stride 3"),
        (
            Architecture((ConvBlock((Conv2D(4, 3, 1, "valid"),), branch="shortcut"),)),
            "block 1: its layers give a 26x26 map and branch 'shortcut' a 28x28 one; use padding "
            "'same'",
        ),
    ],
)
def test_an_objection_says_what_the_space_does_not_contain(architecture, words):
    """Membership fails with the reason in words."""
    space = replace(
        MNIST, branches=("none", "shortcut", "conv1"), fc_branches=("none", "average", "max")
    )
    assert words in (space.objection(architecture) or "")


def test_widths_are_a_list_where_there_is_one():
    """Every layer has a width of the list; the list says what is nearest below."""
    space = replace(MNIST, widths=(3, 6, 12))
    assert "4 filters" in (space.objection(Architecture((ConvBlock((Conv2D(4, 3),)),))) or "")
    assert space.contains(Architecture((ConvBlock((Conv2D(6, 3), DepthwiseConv2D(3))),)))
    rng = np.random.default_rng(0)
    for _ in range(100):
        blocks = space.sample(rng).blocks
        wide = [x for b in blocks for x in b.layers if not isinstance(x, DepthwiseConv2D)]
        assert all(layer.filters in space.widths for layer in wide)
    assert [MNIST.nearest_width(n) for n in (0, 7, 200)] == [1, 7, 100]


def operators(architecture, space=MNIST):
    """What each operator of the graph reads and the shape that it writes."""
    graph = space.build(architecture)
    return {op.name: (op.inputs, graph.shape(op.output)) for op in graph.operators}


def test_a_shortcut_adds_the_blocks_input_before_the_pooling():
    """The last operator of the main path has no activation, the sum has; then comes the pooling."""
    blocks = (
        ConvBlock((Conv2D(4, 3),), "max"),
        ConvBlock((Conv2D(6, 3), Conv2D(4, 3)), "average", "shortcut"),
    )
    graph = MNIST.build(Architecture(blocks))
    assert operators(Architecture(blocks)) == {
        "conv1": (("input",), (28, 28, 4)),
        "pool1": (("conv1",), (14, 14, 4)),
        "conv2": (("pool1",), (14, 14, 6)),
        "conv3": (("conv2",), (14, 14, 4)),
        "add1": (("conv3", "pool1"), (14, 14, 4)),
        "pool2": (("add1",), (7, 7, 4)),
        "output": (("pool2",), (1, 1, 10)),
    }
    activations = {op.name: getattr(op, "activation", None) for op in graph.operators}
    assert [activations[n] for n in ("conv1", "conv2", "conv3", "add1")] == [
        "relu",
        "relu",
        "none",
        "relu",
    ]


def test_a_shortcut_between_different_shapes_is_a_projection():
    """It strides as far as the main path and has as many filters; its number is that of the sum."""
    same = ConvBlock((DepthwiseConv2D(3),), branch="shortcut")
    block = ConvBlock((Conv2D(6, 3, 2), SeparableConv2D(5, 3, 2)), branch="shortcut")
    architecture = Architecture((same, block))
    assert operators(architecture) == {
        "depthwise1": (("input",), (28, 28, 1)),
        "add1": (("depthwise1", "input"), (28, 28, 1)),
        "conv1": (("add1",), (14, 14, 6)),
        "depthwise2": (("conv1",), (7, 7, 6)),
        "conv2": (("depthwise2",), (7, 7, 5)),
        "branch2": (("add1",), (7, 7, 5)),
        "add2": (("conv2", "branch2"), (7, 7, 5)),
        "output": (("add2",), (1, 1, 10)),
    }
    branch = next(op for op in MNIST.build(architecture).operators if op.name == "branch2")
    assert (branch.kernel, branch.stride, branch.activation) == ((1, 1), (4, 4), "none")
    assert branch.batch_norm


@pytest.mark.parametrize(("branch", "side"), [("conv1", 1), ("conv3", 3), ("conv5", 5)])
def test_a_parallel_convolution_is_added(branch, side):
    """Where the shapes are equal too; the canonical form keeps it apart from the identity."""
    architecture = Architecture((ConvBlock((Conv2D(1, 3),), branch=branch),))
    graph = MNIST.build(architecture)
    assert graph.weight_shape(graph.operators[1]) == (1, side, side, 1)
    assert MNIST.canonical(architecture) == architecture


def test_a_branch_follows_each_axis_of_the_main_path():
    """Along the short axis of a 49x2 map, the path leaves one position, and so does the branch."""
    space = SearchSpace((49, 2, 1), 2)
    block = ConvBlock((Conv2D(3, 3, 2), Conv2D(3, 3, 2)), branch="conv1")
    graph = space.build(Architecture((block,)))
    branch = next(op for op in graph.operators if op.name == "branch1")
    assert branch.stride == (4, 2)
    assert graph.shape("add1") == (13, 1, 3)


def test_features_lists_what_goes_to_the_first_fully_connected_layer():
    """Input, blocks in order, and what the head sends last; whole maps are not pooled."""
    architecture = Architecture(
        (
            ConvBlock((Conv2D(2, 3, 2),), fc_branch="max"),
            ConvBlock((Conv2D(3, 3),), "max", fc_branch="flatten"),
            ConvBlock((Conv2D(4, 3),), fc_branch="average"),
        ),
        (20,),
        "max",
        InputTransform(2, fc_branch="average"),
    )
    assert operators(architecture) == {
        "input_pool": (("input",), (14, 14, 1)),
        "tap_input": (("input_pool",), (1, 1, 1)),
        "conv1": (("input_pool",), (7, 7, 2)),
        "tap1": (("conv1",), (1, 1, 2)),
        "conv2": (("conv1",), (7, 7, 3)),
        "pool1": (("conv2",), (3, 3, 3)),
        "conv3": (("pool1",), (3, 3, 4)),
        "tap2": (("conv3",), (1, 1, 4)),
        "head_pool": (("conv3",), (1, 1, 4)),
        "features": (("tap_input", "tap1", "pool1", "tap2", "head_pool"), (1, 1, 38)),
        "dense1": (("features",), (1, 1, 20)),
        "output": (("dense1",), (1, 1, 10)),
    }
    graph = MNIST.build(architecture)
    kinds = {op.name: op.kind for op in graph.operators}
    assert kinds["tap1"] == kinds["head_pool"] == "max_pool2d"
    assert kinds["tap2"] == kinds["tap_input"] == "avg_pool2d"


@pytest.mark.parametrize("kind", ["flatten", "average", "max"])
@pytest.mark.parametrize("head", ["flatten", "average", "max"])
def test_the_last_block_sends_nothing_that_the_head_sends(kind, head):
    """Only another view of the last map is sent beside the head's."""
    architecture = Architecture((ConvBlock((Conv2D(2, 3),), fc_branch=kind),), head=head)
    names = operators(architecture)
    assert ("features" in names) == (kind != head)
    sent = MNIST.canonical(architecture).blocks[0].fc_branch
    assert sent == ("none" if kind == head else kind)


def test_a_block_whose_output_is_sent_ends_there():
    """Blocks of one run are cut where an output is sent, at sums, and else as late as possible."""
    layer = Conv2D(4, 3)
    blocks = (
        ConvBlock((layer,)),
        ConvBlock((layer,), fc_branch="max"),
        ConvBlock((layer,), branch="shortcut"),
        ConvBlock((layer,)),
    )
    assert MNIST.canonical(Architecture(blocks)).blocks == (
        ConvBlock((layer, layer), fc_branch="max"),
        ConvBlock((layer,), branch="shortcut"),
        ConvBlock((layer,)),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_the_smallest_network_is_no_larger_than_any_sample(shape):
    """``smallest`` is a lower bound on the parameters of 200 samples."""
    space = SearchSpace(shape, 10)
    smallest = space.build(space.smallest()).parameters
    rng = np.random.default_rng(0)
    assert all(space.build(space.sample(rng)).parameters >= smallest for _ in range(200))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a valid architecture"),
        ('{"blocks":[{"layers":[{"kind":"conv","filters":0,"kernel":3}]}]}', "filters >= 1"),
        ('{"blocks":[{"layers":[{"kind":"conv3d","filters":4,"kernel":3}]}]}', "conv3d"),
    ],
)
def test_damaged_json_is_refused_in_words(text, words):
    """Reading an architecture names what is wrong."""
    with pytest.raises(ArchitectureError, match=words):
        Architecture.from_json(text)


def test_a_window_that_does_not_fit_names_the_layer_and_the_remedy():
    """build_graph explains a kernel larger than its input."""
    with pytest.raises(ArchitectureError, match=r"conv1: a 7x7 window .* 4x4 .*smaller kernel"):
        build_graph(Architecture((ConvBlock((Conv2D(1, 7, padding="valid"),)),)), (4, 4, 1), 2)


def test_poolings_are_no_wider_than_the_c_can_hold():
    """The record of a pooling has a byte for each side; wider maps must be reduced before."""
    wide = SearchSpace((300, 300, 1), 2)
    whole = Architecture((ConvBlock((Conv2D(2, 3),)),), head="average")
    assert "at most 255x255, got 300x300" in (wide.objection(whole) or "")
    halved = Architecture((ConvBlock((Conv2D(2, 3, 2),)),), head="average")
    assert wide.contains(halved)
    assert wide.contains(wide.smallest())
