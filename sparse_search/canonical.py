"""From a graph back to the one architecture that spells it.

Several architectures can describe one network: blocks without pooling can be cut anywhere, a 1x1
convolution before another is a DownsampledConv2D, a stride along an axis with one window position
does nothing. Parsing the graph with fixed preferences gives each network one spelling.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from .architecture import (
    Architecture,
    Conv2D,
    ConvBlock,
    ConvLayer,
    DownsampledConv2D,
    InputTransform,
    PaddingMode,
    PoolKind,
    SeparableConv2D,
)
from .builder import GREY, OUTPUT, place_window
from .errors import ArchitectureError, GraphError
from .graph import AvgPool2d, Conv2d, Dense, DepthwiseConv2d, Graph, MaxPool2d, Operator

LayerKind: TypeAlias = Literal["conv", "downsampled", "separable"]
LAYER_CLASSES: dict[LayerKind, type[Conv2D | DownsampledConv2D | SeparableConv2D]] = {
    "conv": Conv2D,
    "downsampled": DownsampledConv2D,
    "separable": SeparableConv2D,
}
_PADDINGS: tuple[PaddingMode, ...] = ("same", "valid")


def parse_graph(
    graph: Graph,
    *,
    max_layers: int,
    strides: Sequence[int],
    reductions_percent: Sequence[int],
) -> Architecture:
    """The canonical architecture of a graph that ``build_graph`` made.

    Args:
        graph: Operators in the order in which ``build_graph`` lays them out.
        max_layers: Layers in a block; longer runs are cut.
        strides: Strides to choose from, preferred first.
        reductions_percent: Reductions to choose from, preferred first; empty if 1x1
            convolutions are never read as part of a DownsampledConv2D.

    Raises:
        GraphError: The graph has an operator where no architecture has one.
    """
    operators = list(graph.operators)
    input_pool, colour = 1, "keep"
    if operators and operators[0].name == "input_pool":
        input_pool = _pool_side(operators.pop(0))
    if operators and operators[0].name == GREY:
        operators.pop(0)
        colour = "grey"
    blocks: list[ConvBlock] = []
    run: list[ConvLayer] = []
    while operators and isinstance(operators[0], Conv2d | DepthwiseConv2d | MaxPool2d | AvgPool2d):
        operator = operators[0]
        if operator.name == "head_pool":
            break
        if isinstance(operator, Conv2d | DepthwiseConv2d):
            layer, taken = _parse_layer(graph, operators, strides, reductions_percent)
            run.append(layer)
            del operators[:taken]
            continue
        operators.pop(0)
        kind: PoolKind = "max" if isinstance(operator, MaxPool2d) else "average"
        blocks += _cut(run, max_layers, kind)
        run = []
    blocks += _cut(run, max_layers, "none")
    average = bool(operators) and operators[0].name == "head_pool"
    hidden: list[int] = []
    for tail in operators[1:] if average else operators:
        if not isinstance(tail, Dense):
            raise GraphError(f"no architecture has {tail.name} after a fully connected layer")
        if tail.name != OUTPUT:
            hidden.append(graph.shape(tail.output)[2])
    return Architecture(
        tuple(blocks),
        tuple(hidden),
        "average" if average else "flatten",
        InputTransform(input_pool, "grey" if colour == "grey" else "keep"),
    )


def _pool_side(operator: Operator) -> int:
    if not isinstance(operator, AvgPool2d):
        raise GraphError(f"expected {operator.name} to be an average pooling")
    return operator.kernel[0]


def _cut(run: list[ConvLayer], max_layers: int, pool: PoolKind) -> list[ConvBlock]:
    """Cuts a run of layers into blocks; the last one pools."""
    chunks = [tuple(run[i : i + max_layers]) for i in range(0, len(run), max_layers)]
    return [
        ConvBlock(chunk, pool if number == len(chunks) else "none")
        for number, chunk in enumerate(chunks, start=1)
    ]


def _parse_layer(
    graph: Graph,
    operators: Sequence[Operator],
    strides: Sequence[int],
    reductions_percent: Sequence[int],
) -> tuple[ConvLayer, int]:
    """The layer that starts at the first operator, and how many operators it takes."""
    first = operators[0]
    second = operators[1] if len(operators) > 1 else None
    if isinstance(first, DepthwiseConv2d):
        if not isinstance(second, Conv2d):
            raise GraphError(f"no architecture has {first.name} without a pointwise convolution")
        filters = graph.shape(second.output)[2]
        return SeparableConv2D(filters, *_window(graph, first, strides)), 2
    if not isinstance(first, Conv2d):
        raise GraphError(f"expected a convolution, got {first.name}")
    if isinstance(second, Conv2d) and first.kernel == (1, 1) and first.stride == (1, 1):
        before, after = graph.shape(first.inputs[0])[2], graph.shape(first.output)[2]
        filters = graph.shape(second.output)[2]
        for percent in reductions_percent:
            layer = DownsampledConv2D(
                filters, *_window(graph, second, strides), reduction_percent=percent
            )
            # A stride of 1 on a one-pixel map cannot be told from a larger one, and need not be.
            if layer.bottleneck(before) == after:
                return layer, 2
    return Conv2D(graph.shape(first.output)[2], *_window(graph, first, strides)), 1


def _window(
    graph: Graph, operator: Conv2d | DepthwiseConv2d, strides: Sequence[int]
) -> tuple[int, int, PaddingMode]:
    """(kernel, stride, padding) that lay out the operator, the preferred spelling first."""
    shape = graph.shape(operator.inputs[0])
    wanted = (operator.kernel, operator.stride, operator.padding)
    kernel = operator.kernel[0]
    for stride in strides:
        for mode in _PADDINGS:
            try:
                window, size = place_window(operator.name, shape, kernel, stride, mode)
            except ArchitectureError:
                continue
            if window == wanted and size == graph.shape(operator.output)[:2]:
                return kernel, stride, mode
    raise GraphError(f"no stride of {tuple(strides)} lays out {operator.name}")
