"""From a graph back to the one architecture that spells it.

Several architectures can describe one network: blocks without pooling can be cut anywhere, a 1x1
convolution before another is a DownsampledConv2D, a stride along an axis with one window position
does nothing. Parsing the graph with fixed preferences gives each network one spelling, in no more
layers and blocks than any other, so that it stays in the space.

A block ends where the graph says so: with a pooling, with the sum of two paths, where its output
goes to the first fully connected operator, or where a block with a sum begins. Runs of layers
between such places are cut as late as the space allows.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from .architecture import (
    POOL_SIDES,
    Architecture,
    Branch,
    Conv2D,
    ConvBlock,
    ConvLayer,
    DepthwiseConv2D,
    DownsampledConv2D,
    FcBranch,
    HeadKind,
    InputTransform,
    PaddingMode,
    PoolKind,
    SeparableConv2D,
)
from .builder import BRANCH, GREY, HEAD_POOL, INPUT_POOL, OUTPUT, TAP, place_window
from .errors import GraphError
from .graph import (
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Operator,
    Padding,
    PoolOperator,
)

if TYPE_CHECKING:
    from .space import SearchSpace

_Convolution: TypeAlias = Conv2d | DepthwiseConv2d

_PADDINGS: tuple[PaddingMode, ...] = ("same", "valid")
_BRANCH_OF_KERNEL: dict[int, Branch] = {1: "conv1", 3: "conv3", 5: "conv5"}


def parse_graph(graph: Graph, space: "SearchSpace") -> Architecture:
    """The canonical architecture of a graph that ``build_graph`` made.

    Args:
        graph: Operators in the order in which ``build_graph`` lays them out.
        space: Says what there is to choose from; where there is a choice, what it does not
            contain is avoided, and of its strides and reductions the first is preferred.

    Raises:
        GraphError: The graph has an operator where no architecture has one.
    """
    return _Parser(graph, space).architecture()


class _Parser:
    """What has been read of a graph: whole blocks, and the operators of the next ones."""

    def __init__(self, graph: Graph, space: "SearchSpace") -> None:
        self.graph = graph
        self.space = space
        self.shapes = {tensor.name: tensor.shape for tensor in graph.tensors}
        self.taps = self.read_taps()
        self.blocks: list[ConvBlock] = []
        self.run: list[_Convolution] = []
        self.branch: Branch = "none"

    def read_taps(self) -> dict[str, FcBranch]:
        """By tensor: what of it goes directly to the first fully connected operator."""
        concat = next((op for op in self.graph.operators if isinstance(op, Concat)), None)
        if concat is None:
            return {}
        writers = {op.output: op for op in self.graph.operators}
        taps: dict[str, FcBranch] = {}
        for name in concat.inputs[:-1]:
            writer = writers.get(name)
            if writer is not None and writer.name.startswith(TAP):
                taps[writer.inputs[0]] = _pool_kind(writer)
            else:
                options = self.space.fc_branches
                taps[name] = self.whole(options) if self.is_point(name) else "flatten"
        return taps

    @staticmethod
    def whole(options: Sequence[FcBranch]) -> HeadKind:
        """What to call taking a map of one position: the first of the options in this order."""
        kinds: tuple[HeadKind, ...] = ("flatten", "average", "max")
        return next((kind for kind in kinds if kind in options), "flatten")

    def architecture(self) -> Architecture:
        operators = list(self.graph.operators)
        transform = self.read_transform(operators)
        tail = next((i for i, op in enumerate(operators) if _ends_blocks(op)), len(operators))
        if tail == len(operators) or operators[-1].name != OUTPUT:
            raise GraphError(
                f"expected the last operator to be fully connected and named {OUTPUT!r}"
            )
        for operator in operators[:tail]:
            if not operator.name.startswith(TAP):
                self.read(operator)
        self.end_block("none")
        head: HeadKind = "flatten"
        if self.is_point(operators[tail].inputs[-1]):
            head = self.whole(self.space.heads)
        hidden: list[int] = []
        for operator in operators[tail:]:
            if operator.name == HEAD_POOL:
                head = _pool_kind(operator)
            elif isinstance(operator, Dense):
                hidden.append(self.shapes[operator.output][2])
            elif not isinstance(operator, Concat):
                raise GraphError(f"no architecture has {operator.name} after the convolutions")
        return Architecture(tuple(self.blocks), tuple(hidden[:-1]), head, transform)

    def is_point(self, tensor: str) -> bool:
        height, width, _ = self.shapes[tensor]
        return height * width == 1

    def read_transform(self, operators: list[Operator]) -> InputTransform:
        """Takes the input transform's operators from the list."""
        factor, grey, current = 1, False, self.graph.input.name
        if operators and operators[0].name == INPUT_POOL:
            pool = operators.pop(0)
            if not isinstance(pool, AvgPool2d):
                raise GraphError(f"expected {pool.name} to be an average pooling")
            factor, current = pool.kernel[0], pool.output
        if operators and operators[0].name == GREY:
            grey, current = True, operators.pop(0).output
        return InputTransform(factor, "grey" if grey else "keep", self.taps.get(current, "none"))

    def read(self, operator: Operator) -> None:
        """Reads one operator of a block."""
        if isinstance(operator, MaxPool2d | AvgPool2d):
            self.end_block(_block_pool(operator), operator.output)
            return
        if self.branch != "none":
            self.end_block("none")
        if isinstance(operator, Add):
            self.read_sum(operator)
        elif not isinstance(operator, Conv2d | DepthwiseConv2d):
            raise GraphError(f"expected a convolution, got {operator.name}")
        else:
            self.run.append(operator)
        if operator.output in self.taps:
            self.end_block("none", operator.output)

    def read_sum(self, operator: Add) -> None:
        """Ends what comes before the two paths; the main path stays in ``run``."""
        start, branch = operator.inputs[1], None
        if self.run and self.run[-1].name.startswith(BRANCH):
            branch = self.run.pop()
            start = branch.inputs[0]
        first = next((i for i, op in enumerate(self.run) if op.inputs[0] == start), None)
        if first is None:
            raise GraphError(f"expected both paths to {operator.name} to start at one tensor")
        path, self.run = self.run[first:], self.run[:first]
        self.end_block("none")
        self.run = path
        self.branch = "shortcut" if branch is None else self.name_branch(branch, operator)

    def name_branch(self, branch: _Convolution, add: Add) -> Branch:
        """The spelling of a second path that is a convolution."""
        same_shape = self.shapes[branch.inputs[0]] == self.shapes[add.output]
        kernel = branch.kernel[0]
        if kernel == 1 and "conv1" not in self.space.branches and not same_shape:
            return "shortcut"
        if kernel not in _BRANCH_OF_KERNEL:
            raise GraphError(f"no architecture has a {kernel}x{kernel} {branch.name}")
        return _BRANCH_OF_KERNEL[kernel]

    def end_block(self, pool: PoolKind, output: str | None = None) -> None:
        """Makes blocks of ``run``; the last one pools and may send its output on."""
        tap = self.taps.get(output, "none") if output else "none"
        if not self.run:
            if pool != "none":
                raise GraphError(f"no architecture has the pooling {output} without a convolution")
            return
        layers = self.tile(self.run)
        size = self.space.max_layers if self.branch == "none" else len(layers)
        chunks = [layers[i : i + size] for i in range(0, len(layers), size)]
        self.blocks += [ConvBlock(chunk) for chunk in chunks[:-1]]
        self.blocks.append(ConvBlock(chunks[-1], pool, self.branch, tap))
        self.run, self.branch = [], "none"

    def tile(self, run: Sequence[_Convolution]) -> tuple[ConvLayer, ...]:
        """The layers that spell a run of convolutions: as few as possible.

        Taking two operators wherever possible, from the first on, gives the fewest layers. Only
        where the rest of the run could then not be spelled within the space is one taken.
        """
        return self.tile_from(run, 0, set(), True) or self.tile_from(run, 0, set(), False) or ()

    def tile_from(
        self, run: Sequence[_Convolution], start: int, failed: set[int], strict: bool
    ) -> tuple[ConvLayer, ...] | None:
        """The layers from one operator of a run on; None if the space lacks one of them.

        Args:
            run: Operators.
            start: Index of the first one.
            failed: Starts that are known to have no spelling; extended.
            strict: Whether layers must be in the space.
        """
        layers: list[ConvLayer] = []
        i = start
        while i < len(run):
            pair = self.read_pair(run[i], run[i + 1]) if i + 1 < len(run) else None
            if pair is not None:
                rest = self.tile_from(run, i + 2, failed, strict) if i + 2 not in failed else None
                if rest is not None:
                    return (*layers, pair, *rest)
            single = self.read_single(run[i])
            if strict and self.space.layer_misfit(single) is not None:
                failed.update(range(start, i + 1))
                return None
            layers.append(single)
            i += 1
        return tuple(layers)

    def read_single(self, operator: _Convolution) -> ConvLayer:
        if isinstance(operator, DepthwiseConv2d):
            return DepthwiseConv2D(*self.window(operator))
        return Conv2D(self.shapes[operator.output][2], *self.window(operator))

    def read_pair(self, first: _Convolution, second: _Convolution) -> ConvLayer | None:
        """The layer of the space that is these two operators; None if there is none."""
        if not isinstance(second, Conv2d):
            return None
        filters = self.shapes[second.output][2]
        if not self.space.has_width(filters):
            return None
        if isinstance(first, DepthwiseConv2d):
            if "separable" not in self.space.kinds or not _is_pointwise(second):
                return None
            return SeparableConv2D(filters, *self.window(first))
        if "downsampled" not in self.space.kinds or not _is_pointwise(first):
            return None
        before, after = self.shapes[first.inputs[0]][2], self.shapes[first.output][2]
        for percent in self.space.reductions_percent:
            layer = DownsampledConv2D(filters, *self.window(second), reduction_percent=percent)
            if layer.bottleneck(before) == after:
                return layer
        return None

    def window(self, operator: _Convolution) -> tuple[int, int, PaddingMode]:
        """(kernel, stride, padding) that lay out the operator, the preferred spelling first."""
        return (
            operator.kernel[0],
            *_spell_window(
                self.shapes[operator.inputs[0]][:2],
                operator.kernel[0],
                operator.stride,
                operator.padding,
                self.space.strides,
                self.space.paddings,
            ),
        )


def _ends_blocks(operator: Operator) -> bool:
    return isinstance(operator, Concat | Dense) or operator.name == HEAD_POOL


def _is_pointwise(operator: Conv2d) -> bool:
    return operator.kernel == (1, 1) and operator.stride == (1, 1)


def _block_pool(operator: PoolOperator) -> PoolKind:
    for kind, side in POOL_SIDES.items():
        average = kind == "average"
        if isinstance(operator, AvgPool2d) == average and operator.kernel == (side, side):
            return kind
    raise GraphError(f"no block ends with the {operator.kernel} pooling {operator.name}")


def _pool_kind(operator: Operator) -> HeadKind:
    if not isinstance(operator, MaxPool2d | AvgPool2d):
        raise GraphError(f"expected {operator.name} to be a pooling")
    return "max" if isinstance(operator, MaxPool2d) else "average"


@lru_cache(maxsize=20_000)
def _spell_window(
    size: tuple[int, int],
    kernel: int,
    stride: tuple[int, int],
    padding: Padding,
    strides: tuple[int, ...],
    paddings: tuple[PaddingMode, ...],
) -> tuple[int, PaddingMode]:
    """The first stride and padding mode that lay out a window over a map of this size."""
    inside = [mode for mode in _PADDINGS if mode in paddings]
    outside = [mode for mode in _PADDINGS if mode not in paddings]
    for step, mode in (*product(strides, inside), *product(strides, outside)):
        placed = place_window(size, kernel, (step, step), mode)
        if placed is not None and placed[0] == ((kernel, kernel), stride, padding):
            return step, mode
    raise GraphError(f"no stride of {strides} lays out a {kernel}x{kernel} window as {stride}")
