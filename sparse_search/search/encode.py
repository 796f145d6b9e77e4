"""Candidates as points of a conditional space: values in [0, 1] and which of them exist.

Every block, layer and hidden layer that the space allows has its own dimensions. They are active
only where the candidate has that block or layer; what does not exist has no value (0 is stored).
So have the single operators that lose another fraction of their weights than the others.
Ordered choices are spread evenly over [0, 1], widths and factors lie on a log scale, and unordered
choices have one dimension each. A choice of one is left out.

The dimensions come in groups of one meaning. The surrogate learns how much each group matters,
which a few dozen evaluations can tell, while they could not for a hundred single dimensions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..architecture import Architecture, ConvBlock, ConvLayer, DepthwiseConv2D, DownsampledConv2D
from ..builder import BRANCH, OUTPUT
from ..candidate import Candidate, PruningStep, Recipe
from ..space import RecipeRange, SearchSpace
from ..sparsity import STRUCTURED

_T = TypeVar("_T")

_REMEMBERED_BLOCKS = 10_000


@dataclass(frozen=True, slots=True)
class Dimension:
    """One coordinate of the encoding.

    Attributes:
        name: Unique, such as "block2.layer1.filters".
        group: What the coordinate is about, such as "filters".
    """

    name: str
    group: str


class Encoder:
    """Encodes the candidates of one space; remembers the codes of blocks.

    Attributes:
        dimensions: Every dimension, in the order of the values.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._blocks: dict[ConvBlock | None, NDArray[np.float64]] = {}
        a = Architecture()
        names = [f"block{i + 1}" for i in range(space.max_blocks)]
        walked = list(_walk_network(space, a, Recipe(), ()))
        self._block_start = len(walked)
        walked += [c for name in names for c in _walk_block(space, name, None)]
        self._exceptions_start = len(walked)
        walked += _walk_exceptions(space, a, ())
        self.dimensions = tuple(Dimension(name, group) for name, group, _ in walked)

    def encode(self, candidate: Candidate) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The candidate as a point; see ``encode``."""
        space, a, pruning = self._space, candidate.architecture, candidate.pruning
        values = np.full(len(self.dimensions), np.nan)
        values[: self._block_start] = _values(_walk_network(space, a, candidate.recipe, pruning))
        start = self._block_start
        for i in range(space.max_blocks):
            code = self._block(a.blocks[i] if i < len(a.blocks) else None)
            values[start : start + len(code)] = code
            start += len(code)
        if any(step.layers for step in pruning):
            values[self._exceptions_start :] = _values(_walk_exceptions(space, a, pruning))
        active = ~np.isnan(values)
        values[~active] = 0.0
        return values, active

    def _block(self, block: ConvBlock | None) -> NDArray[np.float64]:
        """Values of a block's dimensions, NaN where inactive."""
        code = self._blocks.get(block)
        if code is None:
            code = _values(_walk_block(self._space, "block", block))
            if len(self._blocks) >= _REMEMBERED_BLOCKS:
                self._blocks.clear()
            self._blocks[block] = code
        return code


@lru_cache(maxsize=8)
def encoder(space: SearchSpace) -> Encoder:
    """The encoder of a space."""
    return Encoder(space)


def dimensions(space: SearchSpace) -> tuple[Dimension, ...]:
    """Every dimension of a space, in the order of ``encode``'s values."""
    return encoder(space).dimensions


def dimension_names(space: SearchSpace) -> tuple[str, ...]:
    """Names of the dimensions, in the order of ``encode``'s values."""
    return tuple(dimension.name for dimension in dimensions(space))


def encode(
    space: SearchSpace, candidate: Candidate
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The candidate as a point; different networks, prunings or recipes give different points.

    Args:
        space: The space that the candidate is from.
        candidate: Its architecture is canonical.

    Returns:
        Values [d] in [0, 1], 0 where inactive, and the activity [d].
    """
    return encoder(space).encode(candidate)


def slots(architecture: Architecture) -> dict[str, str]:
    """Where the operators are that may have a sparsity of their own, by the builder's names.

    >>> from sparse_search.architecture import SeparableConv2D
    >>> slots(Architecture((ConvBlock((SeparableConv2D(8, 3),), branch="conv1"),), (20,)))
    {'conv1': 'block1.layer1', 'branch1': 'block1.branch', 'dense1': 'hidden1', 'output': 'output'}
    """
    found: dict[str, str] = {}
    convolutions = sums = 0
    for i, block in enumerate(architecture.blocks, start=1):
        for j, layer in enumerate(block.layers, start=1):
            if isinstance(layer, DownsampledConv2D):
                convolutions += 1
                found[f"conv{convolutions}"] = f"block{i}.layer{j}.bottleneck"
            if not isinstance(layer, DepthwiseConv2D):
                convolutions += 1
                found[f"conv{convolutions}"] = f"block{i}.layer{j}"
        if block.branch != "none":
            sums += 1
            found[f"{BRANCH}{sums}"] = f"block{i}.branch"
    found |= {f"dense{i}": f"hidden{i}" for i in range(1, len(architecture.hidden) + 1)}
    return found | {OUTPUT: OUTPUT}


def _all_slots(space: SearchSpace, method: str) -> tuple[str, ...]:
    """Every slot that a candidate of the space can have."""
    found: list[str] = []
    for i in range(1, space.max_blocks + 1):
        for j in range(1, space.max_layers + 1):
            if "downsampled" in space.kinds:
                found.append(f"block{i}.layer{j}.bottleneck")
            if any(kind != "depthwise" for kind in space.kinds):
                found.append(f"block{i}.layer{j}")
        if any(branch != "none" for branch in space.branches):
            found.append(f"block{i}.branch")
    found += [f"hidden{i}" for i in range(1, space.max_hidden + 1)]
    return tuple(found if method in STRUCTURED else [*found, OUTPUT])


_Coordinate = tuple[str, str, float | None]


def _values(coordinates: Iterator[_Coordinate]) -> NDArray[np.float64]:
    """The values [n] of coordinates; NaN where inactive."""
    return np.array([np.nan if v is None else v for _, _, v in coordinates], dtype=np.float64)


def _walk_network(
    space: SearchSpace, a: Architecture, recipe: Recipe, pruning: Sequence[PruningStep]
) -> Iterator[_Coordinate]:
    """What there is one of in every candidate."""
    yield from _ranked("input.pool", "input", space.input_pools, a.input.pool)
    if len(space.colours) > 1:
        yield "input.grey", "input", float(a.input.colour == "grey")
    yield from _one_hot("input.fc_branch", "fc_branch", space.fc_branches, a.input.fc_branch)
    if space.max_blocks > 1:
        yield "blocks", "depth", len(a.blocks) / space.max_blocks
    yield from _one_hot("head", "head", space.heads, a.head)
    if space.max_hidden > 0:
        yield "hidden", "head", len(a.hidden) / space.max_hidden
    for i in range(space.max_hidden):
        units = a.hidden[i] if i < len(a.hidden) else None
        yield from _log_scaled(f"hidden{i + 1}.units", "head", space.hidden_units, units)
    yield from _walk_recipe(space.recipes, recipe)
    for r in space.pruning:
        step = r.step_of(pruning)
        if r.maximum > 0:
            sparsity = step.sparsity if step else 0.0
            yield f"pruning.{r.method}", "pruning", sparsity / r.maximum
            method = step.method if step else None
            yield from _one_hot(f"pruning.{r.method}.by", "pruning_method", r.methods, method)


def _walk_recipe(ranges: RecipeRange, recipe: Recipe) -> Iterator[_Coordinate]:
    """Without a weight decay of its own, the candidate has the study's, which is not known."""
    decays = [decay for decay in ranges.weight_decays if decay is not None]
    for name, options, value in (
        ("learning_rate", ranges.learning_rate_scales, recipe.learning_rate_scale),
        ("batch", ranges.batch_scales, recipe.batch_scale),
        ("weight_decay", decays, recipe.weight_decay),
        ("dropout", ranges.dropouts, recipe.dropout),
    ):
        if len(options) > 1 and min(options) > 0:
            yield from _log_scaled(f"recipe.{name}", "recipe", (options[0], options[-1]), value)
        elif len(options) > 1:
            place = None if value is None else (value - options[0]) / (options[-1] - options[0])
            yield f"recipe.{name}", "recipe", place
    if decays and len(ranges.weight_decays) > 1:
        yield "recipe.own_weight_decay", "recipe", float(recipe.weight_decay is not None)


def _walk_exceptions(
    space: SearchSpace, architecture: Architecture, pruning: Sequence[PruningStep]
) -> Iterator[_Coordinate]:
    """Sparsities of single operators; active only where they are not that of all others."""
    places = slots(architecture)
    for r in space.pruning:
        if r.maximum > 0 and r.per_layer:
            step = r.step_of(pruning)
            exceptions = step.layers if step else ()
            own = {places[name]: fraction / r.maximum for name, fraction in exceptions}
            for slot in _all_slots(space, r.method):
                yield f"{slot}.{r.method}", "layer_pruning", own.get(slot)


def _walk_block(space: SearchSpace, name: str, block: ConvBlock | None) -> Iterator[_Coordinate]:
    layers = block.layers if block else ()
    if space.max_layers > 1:
        yield f"{name}.layers", "depth", len(layers) / space.max_layers
    for j in range(space.max_layers):
        layer = layers[j] if j < len(layers) else None
        yield from _walk_layer(space, f"{name}.layer{j + 1}", layer)
    yield from _one_hot(f"{name}.pool", "pool", space.pools, block.pool if block else None)
    branch, fc_branch = (block.branch, block.fc_branch) if block else (None, None)
    yield from _one_hot(f"{name}.branch", "branch", space.branches, branch)
    yield from _one_hot(f"{name}.fc_branch", "fc_branch", space.fc_branches, fc_branch)


def _walk_layer(space: SearchSpace, name: str, layer: ConvLayer | None) -> Iterator[_Coordinate]:
    yield from _one_hot(f"{name}.kind", "kind", space.kinds, layer.kind if layer else None)
    if "downsampled" in space.kinds:
        reduction = layer.reduction_percent if isinstance(layer, DownsampledConv2D) else None
        yield from _ranked(f"{name}.reduction", "kind", space.reductions_percent, reduction)
    filters = None if layer is None or isinstance(layer, DepthwiseConv2D) else layer.filters
    yield from _log_scaled(f"{name}.filters", "filters", space.filter_limits, filters)
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
    name: str, group: str, limits: tuple[float, float], value: float | None
) -> Iterator[_Coordinate]:
    """The place of the value between the limits on a log scale; inactive without a value."""
    low, high = limits
    if high > low:
        yield name, group, None if value is None else log(value / low) / log(high / low)
