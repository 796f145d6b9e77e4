"""Random members of a search space.

What does not fit the input is drawn again as a whole, so networks keep their relative frequency.
Blocks with a second path are drawn such that both fit: with padding "same", and where the path is a
shortcut, behind the first block, with the shape of their input.
"""

from bisect import bisect
from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import exp, log
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .architecture import (
    POOL_SIDES,
    Architecture,
    Branch,
    ConvBlock,
    ConvLayer,
    DepthwiseConv2D,
    FcBranch,
    InputTransform,
    LayerKind,
    make_layer,
)
from .builder import place_window
from .candidate import PruningStep, Recipe
from .errors import ArchitectureError
from .graph import Graph
from .sparsity import sparsity_targets

if TYPE_CHECKING:
    from .space import RecipeRange, SearchSpace

_T = TypeVar("_T")

_ATTEMPTS = 400
_BRANCH_PROBABILITY = 0.25
_FC_BRANCH_PROBABILITY = 0.25
_INPUT_FC_BRANCH_PROBABILITY = 0.1
_RARE_KINDS = {"depthwise": 0.35}
_OWN_RECIPE_PROBABILITY = 0.5
_PRUNING_PROBABILITY = 0.5
_LAYER_SPARSITY_PROBABILITY = 0.2


class Dice:
    """Uniform numbers, drawn in advance: a call of a numpy generator takes longer than its work."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._numbers: list[float] = []

    def uniform(self) -> float:
        """A number in [0, 1)."""
        if not self._numbers:
            self._numbers = self._generator.random(128).tolist()
        return self._numbers.pop()

    def choose(self, options: "tuple[_T, ...]") -> _T:
        """Any option."""
        return options[int(self.uniform() * len(options))]

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + int(self.uniform() * (high - low + 1))

    def log_integer(self, low: int, high: int) -> int:
        """An integer in [low, high] whose logarithm is about uniform."""
        start, end = log(low - 0.5), log(high + 0.5)
        return min(max(round(exp(start + self.uniform() * (end - start))), low), high)

    def rarely(self, options: "tuple[_T, ...]", usual: _T, probability: float) -> _T:
        """Another option than the usual one with this probability, if there is one."""
        others = tuple(option for option in options if option != usual)
        if usual in options and not (others and self.uniform() < probability):
            return usual
        return self.choose(others)


def sample(space: "SearchSpace", generator: np.random.Generator) -> Architecture:
    """A random architecture of the space, canonical.

    Raises:
        ArchitectureError: No network of the space fits the input.
    """
    dice = Dice(generator)
    for _ in range(_ATTEMPTS):
        drawn = draw(space, dice)
        if drawn is not None:
            try:
                return space.canonical(drawn)
            except ArchitectureError:
                continue
    return space.smallest()


def draw(space: "SearchSpace", dice: Dice) -> Architecture | None:
    """A random architecture, not canonical; None if it does not fit the input.

    Two paths of a block may still not fit each other, where the space lacks padding "same".
    """
    pool, colour = dice.choose(space.input_pools), dice.choose(space.colours)
    tap: FcBranch = dice.rarely(space.fc_branches, "none", _INPUT_FC_BRANCH_PROBABILITY)
    size = space.input_shape[0] // pool, space.input_shape[1] // pool
    channels: int | None = None
    blocks: list[ConvBlock] = []
    for _ in range(dice.integer(1, space.max_blocks)):
        drawn = _draw_block(space, dice, size, channels)
        if drawn is None:
            return None
        block, size = drawn
        blocks.append(block)
        wide = [layer for layer in block.layers if not isinstance(layer, DepthwiseConv2D)]
        channels = wide[-1].filters if wide else channels
    hidden = tuple(
        dice.log_integer(*space.hidden_units) for _ in range(dice.integer(0, space.max_hidden))
    )
    head = dice.choose(space.heads)
    return Architecture(tuple(blocks), hidden, head, InputTransform(pool, colour, tap))


def _draw_block(
    space: "SearchSpace", dice: Dice, size: tuple[int, int], channels: int | None
) -> tuple[ConvBlock, tuple[int, int]] | None:
    """A block and the size of its output; None if it does not fit a map of this size.

    Args:
        space: What is drawn from.
        dice: Source of randomness.
        size: (height, width) of the block's input.
        channels: Filters that made the block's input; None for the image.
    """
    branch: Branch = dice.rarely(space.branches, "none", _BRANCH_PROBABILITY)
    layers = [_draw_layer(space, dice) for _ in range(dice.integer(1, space.max_layers))]
    if branch != "none" and "same" in space.paddings:
        layers = [replace(layer, padding="same") for layer in layers]
    if branch == "shortcut" and channels is not None and 1 in space.strides:
        layers = _keep_shape(layers, channels)
    for layer in layers:
        placed = place_window(size, layer.kernel, (layer.stride, layer.stride), layer.padding)
        if placed is None:
            return None
        size = placed[1]
    pool = dice.choose(space.pools)
    size = size[0] // POOL_SIDES[pool], size[1] // POOL_SIDES[pool]
    if min(size) < 1:
        return None
    tap: FcBranch = dice.rarely(space.fc_branches, "none", _FC_BRANCH_PROBABILITY)
    return ConvBlock(tuple(layers), pool, branch, tap), size


def _keep_shape(layers: list[ConvLayer], channels: int) -> list[ConvLayer]:
    """Layers that end with this many channels, so that a shortcut needs no convolution."""
    wide = [i for i, layer in enumerate(layers) if not isinstance(layer, DepthwiseConv2D)]
    return [
        replace(layer, stride=1, filters=channels)
        if [i] == wide[-1:] and not isinstance(layer, DepthwiseConv2D)
        else replace(layer, stride=1)
        for i, layer in enumerate(layers)
    ]


def _draw_layer(space: "SearchSpace", dice: Dice) -> ConvLayer:
    kinds, bounds = _kind_bounds(space.kinds)
    kind = kinds[bisect(bounds, dice.uniform())]
    filters = dice.choose(space.widths) if space.widths else dice.log_integer(1, space.max_filters)
    kernel, stride = dice.choose(space.kernels), dice.choose(space.strides)
    padding = dice.choose(space.paddings)
    reduction = dice.choose(space.reductions_percent) if kind == "downsampled" else 0
    return make_layer(kind, filters, kernel, stride, padding, reduction)


@lru_cache(maxsize=64)
def _kind_bounds(kinds: tuple[LayerKind, ...]) -> tuple[tuple[LayerKind, ...], list[float]]:
    """Layer types and the upper bounds, in (0, 1), of all but the last one's share."""
    weights = np.array([_RARE_KINDS.get(kind, 1.0) for kind in kinds])
    return kinds, (weights.cumsum() / weights.sum())[:-1].tolist()


@lru_cache(maxsize=64)
def smallest(space: "SearchSpace") -> Architecture:
    """The valid architecture with the fewest weights, of those with equal blocks of one layer.

    Where a head reduces the last map to one number for each channel, a block is enough, and no
    network of the space has fewer weights.

    Raises:
        ArchitectureError: No network of the space fits the input.
    """

    def smallness(architecture: Architecture) -> tuple[int, int]:
        graph = space.build(architecture)
        return graph.parameters, graph.macs

    return space.canonical(min(simple_architectures(space), key=smallness))


def simple_architectures(space: "SearchSpace") -> list[Architecture]:
    """The valid architectures with equal blocks of one layer that is as narrow as can be.

    Raises:
        ArchitectureError: No network of the space fits the input.
    """
    pooled = tuple(head for head in space.heads if head != "flatten")
    width = space.filter_limits[0]
    options = (
        Architecture(
            (ConvBlock((make_layer(kind, width, kernel, stride, padding),), pool, branch),) * depth,
            head=head,
            input=InputTransform(input_pool, colour),
        )
        for kind, kernel, stride, padding, pool, branch, head, input_pool, colour, depth in product(
            space.kinds,
            space.kernels[:1] if pooled else space.kernels,
            space.strides,
            space.paddings,
            space.pools,
            ("none",) if "none" in space.branches else space.branches,
            pooled or space.heads,
            space.input_pools,
            space.colours,
            (1,) if pooled else range(1, space.max_blocks + 1),
        )
    )
    valid = [a for a in options if space.contains(a)]
    if not valid:
        raise ArchitectureError(
            f"no network of the space fits an input of {space.input_shape}; "
            "use larger images or smaller kernels"
        )

    return valid


def sample_recipe(ranges: "RecipeRange", generator: np.random.Generator) -> Recipe:
    """A random recipe; each parameter is the study's own half of the time."""
    dice = Dice(generator)
    return Recipe(
        dice.rarely(ranges.learning_rate_scales, 1.0, 1.0 - _OWN_RECIPE_PROBABILITY),
        dice.rarely(ranges.batch_scales, 1.0, 1.0 - _OWN_RECIPE_PROBABILITY),
        dice.rarely(ranges.weight_decays, None, 1.0 - _OWN_RECIPE_PROBABILITY),
        dice.rarely(ranges.dropouts, 0.0, 1.0 - _OWN_RECIPE_PROBABILITY),
    )


def sample_pruning(
    space: "SearchSpace", generator: np.random.Generator, graph: Graph | None
) -> tuple[PruningStep, ...]:
    """Random sparsities; now and then one operator of the graph has another one."""
    dice = Dice(generator)
    sparsities: dict[str, float] = {}
    exceptions: dict[str, dict[str, float]] = {}
    for r in space.pruning:
        if dice.uniform() >= _PRUNING_PROBABILITY:
            continue
        method = dice.choose(r.methods) if r.alternatives else r.method
        sparsities[method] = dice.choose(r.levels)
        if graph is None or not r.per_layer or dice.uniform() >= _LAYER_SPARSITY_PROBABILITY:
            continue
        targets = sparsity_targets(graph, method)
        if targets and sparsities[method] > 0:
            exceptions[method] = {dice.choose(targets): dice.choose(r.levels)}
    return space.pruning_steps(sparsities, exceptions)
