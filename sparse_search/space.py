"""SearchSpace: what may be proposed. Samples, checks membership, gives canonical forms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np

from . import sampling
from .architecture import (
    Architecture,
    Branch,
    ConvLayer,
    DepthwiseConv2D,
    DownsampledConv2D,
    FcBranch,
    HeadKind,
    LayerKind,
    PaddingMode,
    PoolKind,
)
from .builder import build_graph
from .candidate import PruningStep, Recipe
from .canonical import parse_graph
from .errors import ArchitectureError
from .graph import Graph, Shape

_T = TypeVar("_T")


@dataclass(frozen=True)
class PruningRange:
    """What one kind of pruning may be asked for: sparsities 0, step, 2 step, ... maximum.

    Attributes:
        method: Name of a pruner.
        maximum: Largest sparsity.
        step: Between sparsities.
        per_layer: Whether single layers may have a sparsity of their own.
        alternatives: Pruners of the same kind, structured or not, that a candidate may name in
            place of ``method``; it names one of them.
    """

    method: str
    maximum: float
    step: float = 0.05
    per_layer: bool = True
    alternatives: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """Every method that a candidate may name."""
        return (self.method, *self.alternatives)

    @property
    def levels(self) -> tuple[float, ...]:
        """Every allowed sparsity, ascending."""
        count = round(self.maximum / self.step)
        return tuple(round(i * self.step, 6) for i in range(count + 1))

    def step_of(self, pruning: Sequence[PruningStep]) -> PruningStep | None:
        """The step of a candidate that is of this kind; None if it has none."""
        return next((step for step in pruning if step.method in self.methods), None)


@dataclass(frozen=True)
class RecipeRange:
    """Training parameters that may be chosen; see ``Recipe``. A choice of one is no choice.

    Attributes:
        learning_rate_scales: Factors on the study's peak learning rate, ascending.
        batch_scales: Factors on its batch size, ascending.
        weight_decays: Weight decays, ascending; None is the study's.
        dropouts: Dropout fractions, ascending.
    """

    learning_rate_scales: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
    batch_scales: tuple[float, ...] = (0.5, 1.0, 2.0)
    weight_decays: tuple[float | None, ...] = (None, 1e-3, 1e-2, 1e-1)
    dropouts: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)

    @staticmethod
    def fixed() -> "RecipeRange":
        """Only the study's own recipe."""
        return RecipeRange((1.0,), (1.0,), (None,), (0.0,))

    def __contains__(self, recipe: Recipe) -> bool:
        return (
            recipe.learning_rate_scale in self.learning_rate_scales
            and recipe.batch_scale in self.batch_scales
            and recipe.weight_decay in self.weight_decays
            and recipe.dropout in self.dropouts
        )

    def neighbours(self, recipe: Recipe) -> tuple[Recipe, ...]:
        """The recipes that differ in one parameter by one step; None is next to every decay."""
        rates = _neighbours(self.learning_rate_scales, recipe.learning_rate_scale)
        batches = _neighbours(self.batch_scales, recipe.batch_scale)
        others = [decay for decay in self.weight_decays if decay != recipe.weight_decay]
        if recipe.weight_decay is None:
            decays = others
        else:
            decays = _neighbours(self.weight_decays, recipe.weight_decay)
            decays += [None] if None in others and None not in decays else []
        dropouts = _neighbours(self.dropouts, recipe.dropout)
        return (
            *(replace(recipe, learning_rate_scale=value) for value in rates),
            *(replace(recipe, batch_scale=value) for value in batches),
            *(replace(recipe, weight_decay=value) for value in decays),
            *(replace(recipe, dropout=value) for value in dropouts),
        )


def _neighbours(options: Sequence[_T], value: _T) -> list[_T]:
    """The options beside the value; all of them if it is not an option."""
    if value not in options:
        return [*options]
    place = options.index(value)
    return [*options[max(place - 1, 0) : place], *options[place + 1 : place + 2]]


@dataclass(frozen=True)
class SearchSpace:
    """Architectures and pruning settings that may be proposed, for one input shape.

    The defaults are the space of SpArSe (arXiv:1905.12107), with 1x1 and 7x7 kernels added.

    Attributes:
        input_shape: (height, width, channels) of one image.
        class_count: Number of classes.
        max_blocks: Blocks; at least one.
        max_layers: Layers in a block; at least one.
        max_filters: Filters of a layer; at least one.
        widths: Numbers of filters that a layer may have, ascending; empty for every number up to
            ``max_filters``.
        kinds: Layer types.
        kernels: Sides of square kernels, ascending.
        strides: Strides of a layer, ascending.
        paddings: Padding modes.
        reductions_percent: Channels that a DownsampledConv2D may remove, ascending, 0 to 50.
        pools: Pooling at the end of a block.
        branches: Second paths of a block.
        fc_branches: What blocks and input may send directly to the first fully connected layer;
            "none" must be among them.
        input_pools: Average pooling factors of the input.
        heads: How the last feature map reaches the fully connected layers.
        max_hidden: Hidden fully connected layers.
        hidden_units: Fewest and most units of a hidden layer.
        pruning: Kinds of pruning in the order in which they are applied, with methods and ranges.
        recipes: Training parameters.
    """

    input_shape: Shape
    class_count: int
    max_blocks: int = 4
    max_layers: int = 3
    max_filters: int = 100
    widths: tuple[int, ...] = ()
    kinds: tuple[LayerKind, ...] = ("conv", "downsampled", "separable", "depthwise")
    kernels: tuple[int, ...] = (1, 2, 3, 4, 5, 7)
    strides: tuple[int, ...] = (1, 2)
    paddings: tuple[PaddingMode, ...] = ("same", "valid")
    reductions_percent: tuple[int, ...] = (0, 10, 20, 30, 40, 50)
    pools: tuple[PoolKind, ...] = ("none", "max", "average", "max3", "max4")
    branches: tuple[Branch, ...] = ("none", "shortcut", "conv1", "conv3", "conv5")
    fc_branches: tuple[FcBranch, ...] = ("none", "average", "max", "flatten")
    input_pools: tuple[int, ...] = (1, 2, 3, 4)
    heads: tuple[HeadKind, ...] = ("flatten", "average", "max")
    max_hidden: int = 2
    hidden_units: tuple[int, int] = (10, 200)
    pruning: tuple[PruningRange, ...] = (
        PruningRange("channels", 0.5, alternatives=("taylor", "bayesian")),
        PruningRange("magnitude", 0.9, alternatives=("feedback", "variational")),
    )
    recipes: RecipeRange = RecipeRange()

    @staticmethod
    def for_input(input_shape: Shape, class_count: int) -> "SearchSpace":
        """The default space; for features of 1 x 1 without what makes no difference there.

        >>> SearchSpace.for_input((1, 1, 9), 2).kernels
        (1,)
        """
        if input_shape[:2] != (1, 1):
            return SearchSpace(input_shape, class_count)
        return SearchSpace(
            input_shape,
            class_count,
            kinds=("conv", "downsampled"),
            kernels=(1,),
            strides=(1,),
            paddings=("same",),
            pools=("none",),
            branches=("none", "shortcut", "conv1"),
            fc_branches=("none", "flatten"),
            input_pools=(1,),
            heads=("flatten",),
        )

    @property
    def colours(self) -> tuple[Literal["keep", "grey"], ...]:
        """Colour transforms that change anything for this input."""
        return ("keep", "grey") if self.input_shape[2] == 3 else ("keep",)

    def has_width(self, filters: int) -> bool:
        """Whether a layer may have this number of filters."""
        return filters in self.widths if self.widths else 1 <= filters <= self.max_filters

    @property
    def filter_limits(self) -> tuple[int, int]:
        """Fewest and most filters of a layer."""
        return (self.widths[0], self.widths[-1]) if self.widths else (1, self.max_filters)

    def nearest_width(self, filters: int) -> int:
        """The largest number of filters that a layer may have and that is no more than this.

        >>> space = SearchSpace((8, 8, 1), 10, widths=(4, 8, 16))
        >>> [space.nearest_width(n) for n in (1, 4, 15, 99)]
        [4, 4, 8, 16]
        """
        least, most = self.filter_limits
        fitting = [w for w in self.widths if w <= filters] or [least]
        return fitting[-1] if self.widths else min(max(filters, least), most)

    def build(self, architecture: Architecture) -> Graph:
        """The architecture's graph for this input; ArchitectureError where it does not fit."""
        return build_graph(architecture, self.input_shape, self.class_count)

    def canonical(self, architecture: Architecture) -> Architecture:
        """The one spelling of a network: equal graphs have equal canonical architectures.

        Raises:
            ArchitectureError: The architecture does not fit the input.
        """
        return self.parse(self.build(architecture))

    def parse(self, graph: Graph) -> Architecture:
        """The canonical architecture of a graph that ``build`` made."""
        return parse_graph(graph, self)

    def canonical_member(self, architecture: Architecture) -> Architecture | None:
        """The canonical form; None if the space does not contain the architecture."""
        if self.misfit(architecture) is not None:
            return None
        try:
            return self.canonical(architecture)
        except ArchitectureError:
            return None

    def objection(self, architecture: Architecture) -> str | None:
        """Why the architecture is not in the space, in words; None if it is."""
        found = self.misfit(architecture)
        if found is not None:
            return f"the space does not contain {found}"
        try:
            self.build(architecture)
        except ArchitectureError as error:
            return str(error)
        return None

    def contains(self, architecture: Architecture) -> bool:
        """Whether the architecture is in the space and fits the input."""
        return self.objection(architecture) is None

    def misfit(self, architecture: Architecture) -> str | None:
        """The first part that the space does not have, whether or not all fits the input."""
        a, blocks = architecture, architecture.blocks
        if not 1 <= len(blocks) <= self.max_blocks:
            return f"{len(blocks)} blocks"
        if a.input.pool not in self.input_pools:
            return f"input pooling {a.input.pool}"
        if a.input.colour not in self.colours:
            return f"input colour {a.input.colour!r}"
        if a.input.fc_branch not in self.fc_branches:
            return f"fully connected branch {a.input.fc_branch!r} of the input"
        if a.head not in self.heads:
            return f"head {a.head!r}"
        if len(a.hidden) > self.max_hidden:
            return f"{len(a.hidden)} hidden layers"
        low, high = self.hidden_units
        for units in a.hidden:
            if not low <= units <= high:
                return f"{units} hidden units"
        for block in blocks:
            if len(block.layers) > self.max_layers:
                return f"{len(block.layers)} layers"
            if block.pool not in self.pools:
                return f"pooling {block.pool!r}"
            if block.branch not in self.branches:
                return f"branch {block.branch!r}"
            if block.fc_branch not in self.fc_branches:
                return f"fully connected branch {block.fc_branch!r}"
            for layer in block.layers:
                found = self.layer_misfit(layer)
                if found is not None:
                    return found
        return None

    def layer_misfit(self, layer: ConvLayer) -> str | None:
        """The first attribute of a layer that the space does not have."""
        if layer.kind not in self.kinds:
            return f"layer type {layer.kind!r}"
        if not isinstance(layer, DepthwiseConv2D) and not self.has_width(layer.filters):
            return f"{layer.filters} filters"
        if layer.kernel not in self.kernels:
            return f"kernel {layer.kernel}"
        if layer.stride not in self.strides:
            return f"stride {layer.stride}"
        if layer.padding not in self.paddings:
            return f"padding {layer.padding!r}"
        if isinstance(layer, DownsampledConv2D):
            reduction = layer.reduction_percent
            if reduction not in self.reductions_percent:
                return f"reduction {reduction} %"
        return None

    def smallest(self) -> Architecture:
        """A valid architecture with about the fewest weights: a reference for impossible limits.

        Raises:
            ArchitectureError: No network of the space fits the input.
        """
        return sampling.smallest(self)

    def sample(self, generator: np.random.Generator) -> Architecture:
        """A random architecture, canonical; widths are log-uniform, so small ones are common.

        Raises:
            ArchitectureError: No network of the space fits the input.
        """
        return sampling.sample(self, generator)

    def sample_recipe(self, generator: np.random.Generator) -> Recipe:
        """A random recipe; each parameter is the study's own half of the time."""
        return sampling.sample_recipe(self.recipes, generator)

    def recipe_neighbours(self, recipe: Recipe) -> tuple[Recipe, ...]:
        """The recipes of the space that differ in one parameter by one step."""
        return self.recipes.neighbours(recipe)

    def sample_pruning(
        self, generator: np.random.Generator, graph: Graph | None = None
    ) -> tuple[PruningStep, ...]:
        """Random sparsities; each method is left out half of the time.

        Args:
            generator: Source of randomness.
            graph: The network that is pruned; without it, no operator gets a sparsity of its own.
        """
        return sampling.sample_pruning(self, generator, graph)

    def pruning_steps(
        self,
        sparsities: Mapping[str, float],
        layers: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
    ) -> tuple[PruningStep, ...]:
        """Pruning as a candidate holds it: in order, methods that remove nothing left out.

        Args:
            sparsities: Fraction by method, of each kind one method at most.
            layers: By method, the fractions by operator name of the operators that differ.
        """
        steps = []
        for method in (method for r in self.pruning for method in r.methods):
            common = sparsities.get(method, 0.0)
            own = layers.get(method, {})
            exceptions = tuple(sorted((n, s) for n, s in own.items() if s != common))
            if common > 0 or any(s > 0 for _, s in exceptions):
                steps.append(PruningStep(method, common, exceptions))
        return tuple(steps)
