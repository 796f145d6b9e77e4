"""The one walker from an Architecture to a Graph.

Names count operators of a kind in the whole network, and a stride that cannot
take a second step is 1, so that two spellings of one network give equal graphs.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from .architecture import Architecture, ConvLayer, DownsampledConv2D, PaddingMode, SeparableConv2D
from .errors import ArchitectureError
from .graph import (
    Activation,
    AvgPool2d,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Operator,
    Padding,
    Shape,
    Tensor,
    same_padding,
    window_count,
)

Window: TypeAlias = tuple[tuple[int, int], tuple[int, int], Padding]

GREY = "grey"
OUTPUT = "output"


def place_window(
    name: str, shape: Shape, kernel: int, stride: int, mode: PaddingMode
) -> tuple[Window, tuple[int, int]]:
    """Lays a square window over a feature map.

    Args:
        name: The layer, for the error message.
        shape: (height, width, channels) of the input.
        kernel: Side of the window.
        stride: Step along both axes.
        mode: "same" or "valid", as TFLite defines them.

    Returns:
        (kernel, stride, padding) as an operator takes them, and the output's (height, width).

    Raises:
        ArchitectureError: No window fits.
    """
    sizes = shape[:2]
    paddings = [same_padding(n, kernel, stride) if mode == "same" else (0, 0) for n in sizes]
    rows, columns = (
        window_count(n, kernel, stride, p) for n, p in zip(sizes, paddings, strict=True)
    )
    if rows < 1 or columns < 1:
        raise ArchitectureError(
            f"{name}: a {kernel}x{kernel} window with padding {mode!r} does not fit its "
            f"{sizes[0]}x{sizes[1]} input; use a smaller kernel, fewer poolings or padding 'same'"
        )
    # A stride that meets one window only is written as 1: it is the same operator.
    vertical, horizontal = (
        1 if window_count(n, kernel, 1, p) == 1 else stride
        for n, p in zip(sizes, paddings, strict=True)
    )
    return ((kernel, kernel), (vertical, horizontal), (*paddings[0], *paddings[1])), (rows, columns)


@dataclass
class _Walk:
    """Tensors and operators so far; the current tensor is the last one."""

    tensors: list[Tensor]
    operators: list[Operator] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def current(self) -> Tensor:
        return self.tensors[-1]

    def add(self, operator: Operator, shape: Shape) -> None:
        self.operators.append(operator)
        self.tensors.append(Tensor(operator.output, shape))

    def name(self, prefix: str) -> str:
        """The next operator name with this prefix: conv1, conv2, ..."""
        self.counts[prefix] = self.counts.get(prefix, 0) + 1
        return f"{prefix}{self.counts[prefix]}"

    def conv(self, filters: int, kernel: int, stride: int, mode: PaddingMode) -> None:
        """Appends a convolution with batch norm and ReLU."""
        name = self.name("conv")
        window, (rows, columns) = place_window(name, self.current.shape, kernel, stride, mode)
        operator = Conv2d(name, (self.current.name,), name, *window)
        self.add(operator, (rows, columns, filters))

    def depthwise(self, kernel: int, stride: int, mode: PaddingMode) -> None:
        """Appends a depthwise convolution with batch norm and ReLU."""
        name = self.name("depthwise")
        window, (rows, columns) = place_window(name, self.current.shape, kernel, stride, mode)
        operator = DepthwiseConv2d(name, (self.current.name,), name, *window)
        self.add(operator, (rows, columns, self.current.shape[2]))

    def pool(self, name: str, kind: str, kernel: tuple[int, int]) -> None:
        height, width, channels = self.current.shape
        if height < kernel[0] or width < kernel[1]:
            raise ArchitectureError(
                f"{name}: a {kernel[0]}x{kernel[1]} pooling does not fit its {height}x{width} "
                "input; remove it"
            )
        operator = MaxPool2d if kind == "max" else AvgPool2d
        self.add(
            operator(name, (self.current.name,), name, kernel, kernel),
            (height // kernel[0], width // kernel[1], channels),
        )

    def dense(self, name: str, units: int, activation: Activation, batch_norm: bool) -> None:
        inputs = (self.current.name,)
        self.add(Dense(name, inputs, name, activation, batch_norm), (1, 1, units))

    def layer(self, layer: ConvLayer) -> None:
        """Appends the one or two operators of a convolutional layer."""
        kernel, stride, mode = layer.kernel, layer.stride, layer.padding
        if isinstance(layer, SeparableConv2D):
            self.depthwise(kernel, stride, mode)
            self.conv(layer.filters, 1, 1, "same")
            return
        if isinstance(layer, DownsampledConv2D):
            self.conv(layer.bottleneck(self.current.shape[2]), 1, 1, "same")
        self.conv(layer.filters, kernel, stride, mode)


def build_graph(architecture: Architecture, input_shape: Shape, class_count: int) -> Graph:
    """Lays an architecture out as operators with static shapes.

    Args:
        architecture: What to build.
        input_shape: (height, width, channels) of one image.
        class_count: Outputs of the last fully connected operator, at least 2.

    Returns:
        The graph; its last operator, ``output``, writes one logit per class.

    Raises:
        ArchitectureError: A window does not fit its input; names the layer.
    """
    if class_count < 2:
        raise ArchitectureError(f"expected at least 2 classes, got {class_count}")
    walk = _Walk([Tensor("input", input_shape)])
    factor = architecture.input.pool
    if factor > 1:
        walk.pool("input_pool", "average", (factor, factor))
    if architecture.input.colour == "grey" and input_shape[2] > 1:
        inputs = (walk.current.name,)
        grey = Conv2d(GREY, inputs, GREY, (1, 1), (1, 1), (0, 0, 0, 0), "none", batch_norm=False)
        walk.add(grey, (*walk.current.shape[:2], 1))
    for block in architecture.blocks:
        for layer in block.layers:
            walk.layer(layer)
        if block.pool != "none":
            walk.pool(walk.name("pool"), block.pool, (2, 2))
    height, width, _ = walk.current.shape
    if architecture.head == "average" and height * width > 1:
        walk.pool("head_pool", "average", (height, width))
    for units in architecture.hidden:
        walk.dense(walk.name("dense"), units, "relu", batch_norm=True)
    walk.dense(OUTPUT, class_count, "none", batch_norm=False)
    return Graph(tuple(walk.tensors), tuple(walk.operators))
