"""Plain networks: what a person would write down first, as wide as the limits allow.

Convolutions of 3x3, of stride 2 until the map is small, then of stride 1, with ever more filters. A
search that begins with some knows from the start what is easily had; random networks of a few
kilobytes are seldom as good, and morphisms must find their way out of them first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from .architecture import Architecture, Conv2D, ConvBlock, HeadKind, InputTransform
from .candidate import Candidate
from .search.features import capacity

if TYPE_CHECKING:
    from .forecast import Forecaster
    from .space import SearchSpace
    from .target import Limits

_HEADS: tuple[HeadKind, ...] = ("average", "flatten")
# Fractions of the limit of the size.
_SIZES = (1.0, 0.5)
# What is tried: layers, filters of a layer as a multiple of those of the one before, and the side
# of a map from which on a layer has stride 2.
_LAYERS = (3, 4, 5)
_GROWTHS = (1.0, 1.5, 2.0)
_LARGE_SIDES = (8, 5)
# Filters of the first layer.
_LARGEST_BASE = 16


def plain_networks(forecaster: "Forecaster", limits: "Limits") -> tuple[Architecture, ...]:
    """For both heads, the most capable network within the limits, and within half of the size.

    Args:
        forecaster: Of the space and the kernels.
        limits: What the networks keep. Where the size has no limit, they have few filters.

    Returns:
        Canonical members of the space; none where it has nothing of the kind or nothing fits.
    """
    found: list[Architecture] = []
    for size, head in product(_SIZES, _HEADS):
        bound = limits
        if limits.model_bytes is not None:
            bound = replace(limits, model_bytes=max(1, round(size * limits.model_bytes)))
        fitting = [
            (capacity(forecaster.plan(candidate)), number, candidate.architecture)
            for number, candidate in enumerate(_widest(forecaster, bound, head))
        ]
        best = max(fitting, default=None)
        if best is not None and best[2] not in found:
            found.append(best[2])
    return tuple(found)


def _widest(forecaster: "Forecaster", limits: "Limits", head: HeadKind) -> Iterator[Candidate]:
    """Of each form, the network with the most filters that keeps the limits."""
    space = forecaster.space
    forms = product(space.input_pools[:2], _LARGE_SIDES, _LAYERS, _GROWTHS)
    for pool, large_side, layers, growth in forms:
        widest = None
        for base in range(1, _LARGEST_BASE + 1):
            network = space.canonical_member(
                _plain(
                    space, pool, large_side, [round(base * growth**i) for i in range(layers)], head
                )
            )
            if network is None or forecaster.violations(Candidate(0, network), limits):
                break
            widest = Candidate(0, network)
        if widest is not None:
            yield widest


def _plain(
    space: "SearchSpace", pool: int, large_side: int, filters: Sequence[int], head: HeadKind
) -> Architecture:
    side = min(space.input_shape[:2]) // pool
    layers = []
    for count in filters:
        stride = 2 if side >= large_side else 1
        side = -(-side // stride)
        layers.append(Conv2D(count, 3, stride))
    blocks = (
        ConvBlock(tuple(layers[first : first + space.max_layers]))
        for first in range(0, len(layers), space.max_layers)
    )
    return Architecture(tuple(blocks), head=head, input=InputTransform(pool))
