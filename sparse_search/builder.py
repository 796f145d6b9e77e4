"""The one walker from an Architecture to a Graph.

Order and names of the operators: ``input_pool``, ``grey``; for each block its convolutions
(``conv1``, ``depthwise1``), the convolution and the sum of its second path (``branch1`` and
``add1``, of one number) and its pooling (``pool1``); ``head_pool``, ``features``, the hidden layers
(``dense1``) and ``output``. What the input or a block sends directly to the first fully connected
operator is pooled right there (``tap_input``, ``tap1``); ``features`` lists all of it in order, and
then what the head sends.

Names count operators of a kind in the whole network, and a stride that cannot take a second step
is 1, so that two spellings of one network give equal graphs. For the same reason nothing is sent
that the head sends too.
"""

from functools import lru_cache
from math import prod
from typing import TypeAlias

from .architecture import (
    POOL_SIDES,
    Architecture,
    ConvBlock,
    ConvLayer,
    DepthwiseConv2D,
    DownsampledConv2D,
    FcBranch,
    HeadKind,
    InputTransform,
    PaddingMode,
    SeparableConv2D,
)
from .errors import ArchitectureError
from .graph import (
    Activation,
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
    Shape,
    Tensor,
    same_padding,
    window_count,
)

Window: TypeAlias = tuple[tuple[int, int], tuple[int, int], Padding]

INPUT_POOL = "input_pool"
GREY = "grey"
BRANCH = "branch"
TAP = "tap"
HEAD_POOL = "head_pool"
FEATURES = "features"
OUTPUT = "output"

_LARGEST_WINDOW = 255


def is_compressible(operator: Operator) -> bool:
    """Whether its weights may be pruned one by one, or clustered.

    Depthwise weights stay: they are few, and encoded they would save no byte. So does the
    conversion to grey, whose weights are fixed.
    """
    return isinstance(operator, Conv2d | Dense) and operator.name != GREY


@lru_cache(maxsize=20_000)
def place_window(
    size: tuple[int, int], kernel: int, stride: tuple[int, int], mode: PaddingMode
) -> tuple[Window, tuple[int, int]] | None:
    """Lays a square window over a feature map.

    Args:
        size: (height, width) of the input.
        kernel: Side of the window.
        stride: Steps along both axes.
        mode: "same" or "valid", as TFLite defines them.

    Returns:
        (kernel, stride, padding) as an operator takes them, and the output's (height, width);
        None where no window fits.
    """
    paddings = [
        same_padding(n, kernel, step) if mode == "same" else (0, 0)
        for n, step in zip(size, stride, strict=True)
    ]
    axes = list(zip(size, stride, paddings, strict=True))
    rows, columns = (window_count(n, kernel, step, p) for n, step, p in axes)
    if rows < 1 or columns < 1:
        return None
    # A stride that meets one window only is written as 1: it is the same operator.
    vertical, horizontal = (
        1 if window_count(n, kernel, 1, p) == 1 else step for n, step, p in axes
    )
    window = ((kernel, kernel), (vertical, horizontal), (*paddings[0], *paddings[1]))
    return window, (rows, columns)


class _Walk:
    """Tensors and operators so far, and the tensor at which the main path has arrived."""

    def __init__(self, image: Tensor) -> None:
        self.tensors = [image]
        self.operators: list[Operator] = []
        self.current = image
        self.taps: list[str] = []
        self._counts: dict[str, int] = {}

    def add(self, operator: Operator, shape: Shape) -> Tensor:
        tensor = Tensor(operator.output, shape)
        self.operators.append(operator)
        self.tensors.append(tensor)
        return tensor

    def name(self, prefix: str) -> str:
        """The next operator name with this prefix: conv1, conv2, ..."""
        number = self._counts[prefix] = self._counts.get(prefix, 0) + 1
        return f"{prefix}{number}"

    def transform(self, transform: InputTransform) -> None:
        if transform.pool > 1:
            self.pool(INPUT_POOL, "average", (transform.pool, transform.pool))
        height, width, channels = self.current.shape
        if transform.colour == "grey" and channels > 1:
            inputs, window = (self.current.name,), ((1, 1), (1, 1), (0, 0, 0, 0))
            grey = Conv2d(GREY, inputs, GREY, *window, "none", batch_norm=False)
            self.current = self.add(grey, (height, width, 1))

    def block(self, number: int, block: ConvBlock) -> None:
        """Appends a block; the number, from 1, is for the error message."""
        start, first = self.current, len(self.operators)
        joins = block.branch != "none"
        for layer in block.layers[:-1]:
            self.layer(layer, "relu")
        self.layer(block.layers[-1], "none" if joins else "relu")
        if joins:
            self.join(number, block, start, self.operators[first:])
        if block.pool != "none":
            side = POOL_SIDES[block.pool]
            self.pool(self.name("pool"), block.pool, (side, side))

    def layer(self, layer: ConvLayer, activation: Activation) -> None:
        """Appends the one or two operators of a layer; the activation is that of the last one."""
        stride = (layer.stride, layer.stride)
        if isinstance(layer, DepthwiseConv2D):
            self.depthwise(layer.kernel, stride, layer.padding, activation)
            return
        if isinstance(layer, SeparableConv2D):
            self.depthwise(layer.kernel, stride, layer.padding, "relu")
            self.conv(layer.filters, 1, (1, 1), "same", activation)
            return
        if isinstance(layer, DownsampledConv2D):
            self.conv(layer.bottleneck(self.current.shape[2]), 1, (1, 1), "same", "relu")
        self.conv(layer.filters, layer.kernel, stride, layer.padding, activation)

    def conv(
        self,
        filters: int,
        kernel: int,
        stride: tuple[int, int],
        mode: PaddingMode,
        activation: Activation,
    ) -> None:
        name = self.name("conv")
        window, size = self.place(name, kernel, stride, mode)
        operator = Conv2d(name, (self.current.name,), name, *window, activation)
        self.current = self.add(operator, (*size, filters))

    def depthwise(
        self, kernel: int, stride: tuple[int, int], mode: PaddingMode, activation: Activation
    ) -> None:
        name = self.name("depthwise")
        window, size = self.place(name, kernel, stride, mode)
        operator = DepthwiseConv2d(name, (self.current.name,), name, *window, activation)
        self.current = self.add(operator, (*size, self.current.shape[2]))

    def place(
        self, name: str, kernel: int, stride: tuple[int, int], mode: PaddingMode
    ) -> tuple[Window, tuple[int, int]]:
        height, width, _ = self.current.shape
        placed = place_window((height, width), kernel, stride, mode)
        if placed is None:
            raise ArchitectureError(
                f"{name}: a {kernel}x{kernel} window with padding {mode!r} does not fit its "
                f"{height}x{width} input; use a smaller kernel, fewer poolings or padding 'same'"
            )
        return placed

    def join(self, number: int, block: ConvBlock, start: Tensor, path: list[Operator]) -> None:
        """Adds a block's second path to the main path, which has just been appended."""
        end, other = self.current, start
        name = self.name("add")
        if block.branch != "shortcut" or start.shape != end.shape:
            kernel = 1 if block.branch == "shortcut" else int(block.branch.removeprefix("conv"))
            steps = [op.stride for op in path if isinstance(op, Conv2d | DepthwiseConv2d)]
            # Where one position is left, the strides of the path depend on how it is spelled.
            vertical, horizontal = (
                start.shape[axis] if end.shape[axis] == 1 else prod(step[axis] for step in steps)
                for axis in (0, 1)
            )
            self.current = start
            branch = name.replace("add", BRANCH)
            window, size = self.place(branch, kernel, (vertical, horizontal), "same")
            if size != end.shape[:2]:
                raise ArchitectureError(
                    f"block {number}: its layers give a {end.shape[0]}x{end.shape[1]} map and "
                    f"branch {block.branch!r} a {size[0]}x{size[1]} one; use padding 'same' in its "
                    "layers or no branch"
                )
            operator = Conv2d(branch, (start.name,), branch, *window, "none")
            other = self.add(operator, end.shape)
        self.current = self.add(Add(name, (end.name, other.name), name, "relu"), end.shape)

    def pool(self, name: str, kind: str, kernel: tuple[int, int]) -> None:
        height, width, _ = self.current.shape
        if height < kernel[0] or width < kernel[1]:
            raise ArchitectureError(
                f"{name}: a {kernel[0]}x{kernel[1]} pooling does not fit its {height}x{width} "
                "input; remove it"
            )
        self.current = self.pooled(name, kind, kernel)

    def pooled(self, name: str, kind: str, kernel: tuple[int, int]) -> Tensor:
        height, width, channels = self.current.shape
        if max(kernel) > _LARGEST_WINDOW:
            raise ArchitectureError(
                f"{name}: expected a pooling over at most {_LARGEST_WINDOW}x{_LARGEST_WINDOW}, got "
                f"{kernel[0]}x{kernel[1]}, which the exported C cannot hold; reduce the map before"
            )
        operator = AvgPool2d if kind == "average" else MaxPool2d
        shape = (height // kernel[0], width // kernel[1], channels)
        return self.add(operator(name, (self.current.name,), name, kernel, kernel), shape)

    def tap(self, kind: FcBranch, name: str | None = None, head: HeadKind | None = None) -> None:
        """Sends the current tensor to ``features``, pooled or whole.

        Args:
            kind: How.
            name: Of the pooling; None for the next number.
            head: What the head sends of this tensor; None if it sends another one.
        """
        height, width, _ = self.current.shape
        point = height * width == 1
        if kind == "none" or (head is not None and (point or kind == head)):
            return
        if point or kind == "flatten":
            self.taps.append(self.current.name)
        else:
            self.taps.append(self.pooled(name or self.name(TAP), kind, (height, width)).name)

    def head(self, kind: HeadKind) -> None:
        """Appends what leads from the last feature map to the first fully connected operator."""
        height, width, _ = self.current.shape
        if kind != "flatten" and height * width > 1:
            self.pool(HEAD_POOL, kind, (height, width))
        if self.taps:
            operator = Concat(FEATURES, (*self.taps, self.current.name), FEATURES)
            sizes = {t.name: t.size for t in self.tensors}
            self.current = self.add(operator, (1, 1, sum(sizes[n] for n in operator.inputs)))

    def dense(self, name: str, units: int, activation: Activation, batch_norm: bool) -> None:
        operator = Dense(name, (self.current.name,), name, activation, batch_norm)
        self.current = self.add(operator, (1, 1, units))


@lru_cache(maxsize=512)
def build_graph(architecture: Architecture, input_shape: Shape, class_count: int) -> Graph:
    """Lays an architecture out as operators with static shapes.

    Args:
        architecture: What to build.
        input_shape: (height, width, channels) of one image.
        class_count: Outputs of the last fully connected operator, at least 2.

    Returns:
        The graph; its last operator, ``output``, writes one logit per class.

    Raises:
        ArchitectureError: A window does not fit its input, or two paths of a block have different
            shapes; names the layer or the block.
    """
    if class_count < 2:
        raise ArchitectureError(f"expected at least 2 classes, got {class_count}")
    blocks, head = architecture.blocks, architecture.head
    walk = _Walk(Tensor("input", input_shape))
    walk.transform(architecture.input)
    walk.tap(architecture.input.fc_branch, f"{TAP}_input", None if blocks else head)
    for number, block in enumerate(blocks, start=1):
        walk.block(number, block)
        walk.tap(block.fc_branch, head=head if number == len(blocks) else None)
    walk.head(head)
    for units in architecture.hidden:
        walk.dense(walk.name("dense"), units, "relu", batch_norm=True)
    walk.dense(OUTPUT, class_count, "none", batch_norm=False)
    return Graph(tuple(walk.tensors), tuple(walk.operators))
