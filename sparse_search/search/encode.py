"""Candidates as points of a conditional space: values in [0, 1] and which of them exist.

Every block, layer and hidden layer that the space allows has its own dimensions. They are active
only where the candidate has that block or layer; what does not exist has no value (0 is stored).
Ordered choices are spread evenly over [0, 1], widths lie on a log scale, and unordered choices
have one dimension each. A choice of one is left out.

The dimensions come in groups of one meaning. The surrogate learns how much each group matters,
which a few dozen evaluations can tell, while they could not for a hundred single dimensions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..architecture import Architecture, ConvBlock, ConvLayer, DownsampledConv2D
from ..candidate import Candidate, PruningStep
from ..space import SearchSpace

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Dimension:
    """One coordinate of the encoding.

    Attributes:
        name: Unique, such as "block2.layer1.filters".
        group: What the coordinate is about, such as "filters".
    """

    name: str
    group: str


def dimensions(space: SearchSpace) -> tuple[Dimension, ...]:
    """Every dimension of a space, in the order of ``encode``'s values."""
    return tuple(Dimension(name, group) for name, group, _ in _walk(space, None, ()))


def dimension_names(space: SearchSpace) -> tuple[str, ...]:
    """Names of the dimensions, in the order of ``encode``'s values."""
    return tuple(dimension.name for dimension in dimensions(space))


def encode(
    space: SearchSpace, candidate: Candidate
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The candidate as a point; different networks or prunings give different points.

    Args:
        space: The space that the candidate is from.
        candidate: Its architecture is canonical.

    Returns:
        Values [d] in [0, 1], 0 where inactive, and the activity [d].
    """
    coordinates = [v for _, _, v in _walk(space, candidate.architecture, candidate.pruning)]
    active = np.array([v is not None for v in coordinates], dtype=np.bool_)
    return np.array([v or 0.0 for v in coordinates], dtype=np.float64), active


_Coordinate = tuple[str, str, float | None]


def _walk(
    space: SearchSpace, architecture: Architecture | None, pruning: Sequence[PruningStep]
) -> Iterator[_Coordinate]:
    """Yields (name, group, value) of every dimension; without an architecture only the names."""
    a = architecture or Architecture()
    blocks, hidden = a.blocks, a.hidden
    yield from _ranked("input.pool", "input", space.input_pools, a.input.pool)
    if len(space.colours) > 1:
        yield "input.grey", "input", float(a.input.colour == "grey")
    if space.max_blocks > 1:
        yield "blocks", "depth", len(blocks) / space.max_blocks
    for i in range(space.max_blocks):
        block = blocks[i] if i < len(blocks) else None
        yield from _walk_block(space, f"block{i + 1}", block)
    if len(space.heads) > 1:
        yield "head", "head", float(a.head == space.heads[1])
    if space.max_hidden > 0:
        yield "hidden", "head", len(hidden) / space.max_hidden
    for i in range(space.max_hidden):
        units = hidden[i] if i < len(hidden) else None
        yield from _log_scaled(f"hidden{i + 1}.units", "head", space.hidden_units, units)
    sparsities = {step.method: step.sparsity for step in pruning}
    for r in space.pruning:
        if r.maximum > 0:
            yield f"pruning.{r.method}", "pruning", sparsities.get(r.method, 0.0) / r.maximum


def _walk_block(space: SearchSpace, name: str, block: ConvBlock | None) -> Iterator[_Coordinate]:
    layers = block.layers if block else ()
    if space.max_layers > 1:
        yield f"{name}.layers", "depth", len(layers) / space.max_layers
    for j in range(space.max_layers):
        layer = layers[j] if j < len(layers) else None
        yield from _walk_layer(space, f"{name}.layer{j + 1}", layer)
    yield from _one_hot(f"{name}.pool", "pool", space.pools, block.pool if block else None)


def _walk_layer(space: SearchSpace, name: str, layer: ConvLayer | None) -> Iterator[_Coordinate]:
    yield from _one_hot(f"{name}.kind", "kind", space.kinds, layer.kind if layer else None)
    if "downsampled" in space.kinds:
        reduction = layer.reduction_percent if isinstance(layer, DownsampledConv2D) else None
        yield from _ranked(f"{name}.reduction", "kind", space.reductions_percent, reduction)
    filters = layer.filters if layer else None
    yield from _log_scaled(f"{name}.filters", "filters", (1, space.max_filters), filters)
    yield from _ranked(f"{name}.kernel", "window", space.kernels, layer.kernel if layer else None)
    yield from _ranked(f"{name}.stride", "window", space.strides, layer.stride if layer else None)
    yield from _ranked(
        f"{name}.padding", "window", space.paddings, layer.padding if layer else None
    )


def _one_hot(
    name: str, group: str, options: Sequence[_T], value: _T | None
) -> Iterator[_Coordinate]:
    """A dimension for each option, 1 where it is the value; inactive without a value."""
    if len(options) > 1:
        for option in options:
            yield f"{name}.{option}", group, None if value is None else float(option == value)


def _ranked(
    name: str, group: str, options: Sequence[_T], value: _T | None
) -> Iterator[_Coordinate]:
    """The place of the value among ordered options; inactive without a value."""
    if len(options) > 1:
        yield name, group, None if value is None else options.index(value) / (len(options) - 1)


def _log_scaled(
    name: str, group: str, limits: tuple[int, int], value: int | None
) -> Iterator[_Coordinate]:
    """The place of the value between the limits on a log scale; inactive without a value."""
    low, high = limits
    if high > low:
        yield name, group, None if value is None else log(value / low) / log(high / low)
