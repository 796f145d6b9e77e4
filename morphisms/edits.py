"""What the morphisms share: walking an architecture and putting one part back changed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil, floor
from typing import TypeVar

from sparse_search.architecture import (
    Architecture,
    Branch,
    ConvBlock,
    ConvLayer,
    DepthwiseConv2D,
    LayerKind,
    WideLayer,
)
from sparse_search.interfaces import Site
from sparse_search.space import SearchSpace

T = TypeVar("T")

BRANCHES: tuple[Branch, ...] = ("none", "shortcut", "conv1", "conv3", "conv5")
KINDS: tuple[LayerKind, ...] = ("conv", "downsampled", "separable", "depthwise")


def layers(architecture: Architecture) -> Iterator[tuple[int, int, ConvLayer]]:
    """(block index, layer index, layer) of every convolutional layer."""
    for b, block in enumerate(architecture.blocks):
        for i, layer in enumerate(block.layers):
            yield b, i, layer


def wide_layers(architecture: Architecture) -> Iterator[tuple[int, int, WideLayer]]:
    """(block index, layer index, layer) of every layer that has a number of filters."""
    for b, i, layer in layers(architecture):
        if not isinstance(layer, DepthwiseConv2D):
            yield b, i, layer


def filters_at(architecture: Architecture, block: int, layer: int, space: SearchSpace) -> int:
    """Filters for a new layer at this place: those of the closest layer before it that has some.

    Without one, those of the first layer after it, or the fewest that the space has.
    """
    filters = None
    for b, i, wide in wide_layers(architecture):
        if filters is None or (b, i) < (block, layer):
            filters = wide.filters
    return space.filter_limits[0] if filters is None else filters


def set_item(items: tuple[T, ...], index: int, value: T) -> tuple[T, ...]:
    """The tuple with one item replaced.

    >>> set_item((1, 2, 3), 1, 9)
    (1, 9, 3)
    """
    return (*items[:index], value, *items[index + 1 :])


def insert_item(items: tuple[T, ...], index: int, value: T) -> tuple[T, ...]:
    """The tuple with one item more, at ``index``."""
    return (*items[:index], value, *items[index:])


def remove_item(items: tuple[T, ...], index: int) -> tuple[T, ...]:
    """The tuple without the item at ``index``."""
    return (*items[:index], *items[index + 1 :])


def set_block(architecture: Architecture, index: int, block: ConvBlock) -> Architecture:
    """The architecture with one block replaced."""
    return replace(architecture, blocks=set_item(architecture.blocks, index, block))


def set_layer(architecture: Architecture, site: Site, layer: ConvLayer) -> Architecture:
    """The architecture with the layer at ``site`` replaced."""
    block = architecture.blocks[site.block]
    block = replace(block, layers=set_item(block.layers, site.layer, layer))
    return set_block(architecture, site.block, block)


def choose(options: Sequence[T], value: object) -> T:
    """The option that a site's value stands for.

    >>> choose(("same", "valid"), "valid")
    'valid'
    """
    return next(option for option in options if option == value)


def wider(width: int, maximum: int) -> Sequence[int]:
    """Widths that a layer may grow to in one step: one more, a quarter, a half, the double.

    >>> wider(8, 100)
    [9, 10, 12, 16]
    """
    steps = {width + 1, ceil(width * 1.25), ceil(width * 1.5), 2 * width}
    return sorted(w for w in steps if w <= maximum)


def narrower(width: int, minimum: int) -> Sequence[int]:
    """Widths from which ``wider`` reaches ``width`` in one step, so every step can be undone.

    >>> narrower(8, 1)
    [4, 5, 6, 7]
    """
    start = max(minimum, floor(width / 2))
    return [w for w in range(start, width) if width in wider(w, width)]
