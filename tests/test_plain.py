"""Plain networks: what a search begins with."""

from dataclasses import replace

import pytest

from sparse_search.api import defaults
from sparse_search.candidate import Candidate
from sparse_search.forecast import Forecaster
from sparse_search.plain import plain_networks
from sparse_search.presets import PRESETS
from sparse_search.space import SearchSpace
from sparse_search.target import Limits

FORMS = {"mnist": ((28, 28, 1), 10), "cifar10": ((32, 32, 3), 10), "chars74k": ((20, 20, 3), 62)}


def forecaster(space: SearchSpace) -> Forecaster:
    """With every method of pruning."""
    return Forecaster(space, defaults()["pruners"])


@pytest.mark.parametrize(
    ("shape", "limits"),
    [
        ((28, 28, 1), Limits(2048, 2048)),
        ((32, 32, 3), Limits(16384, 12288)),
        ((49, 10, 1), Limits(8192, 16384)),
        ((28, 28, 1), Limits(488, 480, "nonzeros", "live-no-input")),
        ((16, 16, 3), Limits(1280, 780, "nonzeros", "in+weights")),
        ((8, 8, 1), Limits(512, None)),
    ],
)
def test_they_fill_the_limits(shape, limits):
    """Canonical members, all different; the first takes most of the size, the last half at most."""
    source = forecaster(SearchSpace.for_input(shape, 10))
    found = plain_networks(source, limits)
    assert len(found) == len({*found}) >= 2
    for network in found:
        assert source.space.canonical_member(network) == network
        assert source.violations(Candidate(0, network), limits) == []
    if limits.model_bytes is not None:
        sizes = [limits.model_size_bytes(source.plan(Candidate(0, n))) for n in found]
        assert 0.7 * limits.model_bytes < sizes[0] <= limits.model_bytes
        assert sizes[-1] <= 0.5 * limits.model_bytes + 1


def test_where_there_is_no_room_there_is_none():
    """Nor where the space has nothing of the kind; the search draws random networks then."""
    space = SearchSpace.for_input((28, 28, 1), 10)
    assert plain_networks(forecaster(space), Limits(40, 300)) == ()
    assert plain_networks(forecaster(replace(space, kernels=(1, 5))), Limits()) == ()
    assert plain_networks(forecaster(SearchSpace.for_input((1, 1, 9), 2)), Limits()) == ()


def test_widths_may_have_gaps():
    """Forms whose narrowest networks are not in the space are tried wider."""
    space = replace(SearchSpace.for_input((28, 28, 1), 10), widths=(4, 8, 16, 32))
    found = plain_networks(forecaster(space), Limits(4096, 4096))
    assert len(found) >= 2
    assert all(space.canonical_member(network) == network for network in found)


def test_they_pool_where_the_space_does():
    """The largest map is pooled by the convolution that writes it; else layers have strides."""
    space = SearchSpace.for_input((28, 28, 1), 10)
    limits = Limits(2048, 2048)
    for network in plain_networks(forecaster(space), limits):
        assert network.blocks[0].pool.startswith("max")
        assert {layer.stride for block in network.blocks for layer in block.layers} == {1}
    for network in plain_networks(forecaster(replace(space, pools=("none",))), limits):
        assert {block.pool for block in network.blocks} == {"none"}
        assert network.blocks[0].layers[0].stride == 2


@pytest.mark.parametrize("name", FORMS)
def test_presets_have_some(name):
    """Within the limits of a preset, for its form of images."""
    found = plain_networks(forecaster(SearchSpace.for_input(*FORMS[name])), PRESETS[name].limits)
    assert [network.head for network in found] == ["average", "flatten"] * 2
