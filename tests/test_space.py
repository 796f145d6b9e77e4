"""Architecture, SearchSpace, builder and canonical form."""

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import SHAPES, members, seeds, spaces

from sparse_search.architecture import (
    Architecture,
    Conv2D,
    ConvBlock,
    DownsampledConv2D,
    InputTransform,
    SeparableConv2D,
)
from sparse_search.builder import build_graph
from sparse_search.errors import ArchitectureError
from sparse_search.graph import Graph
from sparse_search.space import SearchSpace

MNIST = SearchSpace((28, 28, 1), 10)


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
@given(spaces(), seeds())
def test_the_canonical_form_describes_the_same_network(space, seed):
    """Whatever the spelling, the canonical form builds an equal graph and stays in the space."""
    drawn = space._draw(np.random.default_rng(seed))
    if space.contains(drawn):
        canonical = space.canonical(drawn)
        assert space.build(canonical) == space.build(drawn)
        assert space.contains(canonical)


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
    ],
    ids=["block cut", "padding of 1x1", "spelled-out bottleneck", "grey of grey", "itself"],
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
    ],
)
def test_an_objection_says_what_the_space_does_not_contain(architecture, words):
    """Membership fails with the reason in words."""
    assert words in (MNIST.objection(architecture) or "")


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
