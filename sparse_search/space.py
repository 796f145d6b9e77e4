"""SearchSpace: what may be proposed. Samples, checks membership, gives canonical forms."""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from .architecture import (
    Architecture,
    ConvBlock,
    ConvLayer,
    DownsampledConv2D,
    InputTransform,
    PaddingMode,
    PoolKind,
)
from .builder import build_graph
from .candidate import PruningStep
from .canonical import LAYER_CLASSES, LayerKind, parse_graph
from .errors import ArchitectureError
from .graph import Graph, Shape

_SAMPLE_ATTEMPTS = 200


@dataclass(frozen=True)
class PruningRange:
    """The sparsities that one pruning method may be asked for: 0, step, 2 step, ... maximum."""

    method: str
    maximum: float
    step: float = 0.05

    @property
    def levels(self) -> tuple[float, ...]:
        """Every allowed sparsity, ascending."""
        count = round(self.maximum / self.step)
        return tuple(round(i * self.step, 6) for i in range(count + 1))


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
        kinds: Layer types.
        kernels: Sides of square kernels, ascending.
        strides: Strides of a layer, ascending.
        paddings: Padding modes.
        reductions_percent: Channels that a DownsampledConv2D may remove, ascending, 0 to 50.
        pools: Pooling at the end of a block.
        input_pools: Average pooling factors of the input.
        heads: How the last feature map reaches the fully connected layers.
        max_hidden: Hidden fully connected layers.
        hidden_units: Fewest and most units of a hidden layer.
        pruning: Pruning methods in the order in which they are applied, and their ranges.
    """

    input_shape: Shape
    class_count: int
    max_blocks: int = 4
    max_layers: int = 3
    max_filters: int = 100
    kinds: tuple[LayerKind, ...] = ("conv", "downsampled", "separable")
    kernels: tuple[int, ...] = (1, 2, 3, 4, 5, 7)
    strides: tuple[int, ...] = (1, 2)
    paddings: tuple[PaddingMode, ...] = ("same", "valid")
    reductions_percent: tuple[int, ...] = (0, 10, 20, 30, 40, 50)
    pools: tuple[PoolKind, ...] = ("none", "max", "average")
    input_pools: tuple[int, ...] = (1, 2, 3, 4)
    heads: tuple[Literal["flatten", "average"], ...] = ("flatten", "average")
    max_hidden: int = 2
    hidden_units: tuple[int, int] = (10, 200)
    pruning: tuple[PruningRange, ...] = (
        PruningRange("channels", 0.5),
        PruningRange("magnitude", 0.9),
    )

    @property
    def colours(self) -> tuple[Literal["keep", "grey"], ...]:
        """Colour transforms that change anything for this input."""
        return ("keep", "grey") if self.input_shape[2] == 3 else ("keep",)

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
        return parse_graph(
            graph,
            max_layers=self.max_layers,
            strides=self.strides,
            reductions_percent=self.reductions_percent if "downsampled" in self.kinds else (),
        )

    def objection(self, architecture: Architecture) -> str | None:
        """Why the architecture is not in the space, in words; None if it is."""
        a = architecture
        layers = [layer for block in a.blocks for layer in block.layers]
        checks: list[tuple[bool, str]] = [
            (1 <= len(a.blocks) <= self.max_blocks, f"{len(a.blocks)} blocks"),
            (a.input.pool in self.input_pools, f"input pooling {a.input.pool}"),
            (a.input.colour in self.colours, f"input colour {a.input.colour!r}"),
            (a.head in self.heads, f"head {a.head!r}"),
            (len(a.hidden) <= self.max_hidden, f"{len(a.hidden)} hidden layers"),
        ]
        low, high = self.hidden_units
        checks += [(low <= units <= high, f"{units} hidden units") for units in a.hidden]
        for block in a.blocks:
            checks.append((len(block.layers) <= self.max_layers, f"{len(block.layers)} layers"))
            checks.append((block.pool in self.pools, f"pooling {block.pool!r}"))
        for layer in layers:
            checks += [
                (layer.kind in self.kinds, f"layer type {layer.kind!r}"),
                (layer.filters <= self.max_filters, f"{layer.filters} filters"),
                (layer.kernel in self.kernels, f"kernel {layer.kernel}"),
                (layer.stride in self.strides, f"stride {layer.stride}"),
                (layer.padding in self.paddings, f"padding {layer.padding!r}"),
            ]
            if isinstance(layer, DownsampledConv2D):
                reduction = layer.reduction_percent
                checks.append((reduction in self.reductions_percent, f"reduction {reduction} %"))
        for valid, found in checks:
            if not valid:
                return f"the space does not contain {found}"
        try:
            self.build(a)
        except ArchitectureError as error:
            return str(error)
        return None

    def contains(self, architecture: Architecture) -> bool:
        """Whether the architecture is in the space and fits the input."""
        return self.objection(architecture) is None

    def smallest(self) -> Architecture:
        """The valid architecture with the fewest weights: a reference for impossible limits."""
        options = (
            Architecture(
                blocks=(ConvBlock((LAYER_CLASSES[kind](1, kernel, stride, padding),), pool),),
                head=head,
                input=InputTransform(input_pool),
            )
            for kind, kernel, stride, padding, pool, head, input_pool in product(
                self.kinds[:1],
                self.kernels[:1],
                self.strides,
                self.paddings,
                self.pools,
                self.heads,
                self.input_pools,
            )
        )
        valid = [a for a in options if self.contains(a)]
        if not valid:
            raise ArchitectureError(
                f"no network of the space fits an input of {self.input_shape}; "
                "use larger images or smaller kernels"
            )
        return self.canonical(min(valid, key=self._smallness))

    def _smallness(self, architecture: Architecture) -> tuple[int, int]:
        graph = self.build(architecture)
        return graph.parameters, graph.macs

    def sample(self, generator: np.random.Generator) -> Architecture:
        """A random architecture, canonical; widths are log-uniform, so small ones are common.

        Raises:
            ArchitectureError: Nothing drawn fits the input (it is too small for the space).
        """
        for _ in range(_SAMPLE_ATTEMPTS):
            try:
                return self.canonical(self._draw(generator))
            except ArchitectureError:
                continue
        return self.smallest()

    def sample_pruning(self, generator: np.random.Generator) -> tuple[PruningStep, ...]:
        """Random sparsities; each method is left out half of the time."""
        return self.pruning_steps(
            {
                r.method: float(generator.choice(r.levels)) if generator.random() < 0.5 else 0.0
                for r in self.pruning
            }
        )

    def pruning_steps(self, sparsities: dict[str, float]) -> tuple[PruningStep, ...]:
        """Sparsities by method as a candidate holds them: in order, those of 0 left out."""
        return tuple(
            PruningStep(r.method, sparsities[r.method])
            for r in self.pruning
            if sparsities.get(r.method, 0.0) > 0
        )

    def _draw(self, rng: np.random.Generator) -> Architecture:
        blocks = tuple(
            ConvBlock(
                tuple(self._draw_layer(rng) for _ in range(rng.integers(1, self.max_layers + 1))),
                self.pools[rng.integers(len(self.pools))],
            )
            for _ in range(rng.integers(1, self.max_blocks + 1))
        )
        low, high = self.hidden_units
        hidden = tuple(
            log_uniform(rng, low, high) for _ in range(rng.integers(0, self.max_hidden + 1))
        )
        return Architecture(
            blocks,
            hidden,
            self.heads[rng.integers(len(self.heads))],
            InputTransform(
                self.input_pools[rng.integers(len(self.input_pools))],
                self.colours[rng.integers(len(self.colours))],
            ),
        )

    def _draw_layer(self, rng: np.random.Generator) -> ConvLayer:
        kind = self.kinds[rng.integers(len(self.kinds))]
        filters = log_uniform(rng, 1, self.max_filters)
        kernel = self.kernels[rng.integers(len(self.kernels))]
        stride = self.strides[rng.integers(len(self.strides))]
        padding = self.paddings[rng.integers(len(self.paddings))]
        if kind == "downsampled":
            reduction = self.reductions_percent[rng.integers(len(self.reductions_percent))]
            return DownsampledConv2D(filters, kernel, stride, padding, reduction)
        return LAYER_CLASSES[kind](filters, kernel, stride, padding)


def log_uniform(rng: np.random.Generator, low: int, high: int) -> int:
    """An integer in [low, high] whose logarithm is about uniform."""
    value = np.exp(rng.uniform(np.log(low - 0.5), np.log(high + 0.5)))
    return int(np.clip(round(float(value)), low, high))
