"""Graph: operators and tensors with static shapes, in execution order.

The graph is the hub of the product: the network, the memory plan, the quantizer and the C source
read it and nothing else. It is a value: nothing that renders a graph edits it.

Conventions, the same everywhere:

* A shape is (height, width, channels), without a batch axis; a vector of n is (1, 1, n).
* A fully connected operator reads its input flattened in (height, width, channel) order.
* Batch norm and activation belong to the operator that they follow; they are never operators.
* Padding is explicit: (top, bottom, left, right).
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from .errors import GraphError
from .json_errors import describe

Shape: TypeAlias = tuple[int, int, int]
Padding: TypeAlias = tuple[int, int, int, int]
Activation: TypeAlias = Literal["none", "relu"]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A feature map or vector that an operator writes or the caller provides."""

    name: str
    shape: Shape

    @property
    def size(self) -> int:
        """Number of elements; also its bytes, since activations are int8."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Conv2d:
    """Ungrouped convolution. Weights [out_c][k_h][k_w][in_c], one bias per output channel."""

    name: str
    inputs: tuple[str]
    output: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    activation: Activation = "relu"
    batch_norm: bool = True
    kind: Literal["conv2d"] = "conv2d"


@dataclass(frozen=True, slots=True)
class DepthwiseConv2d:
    """Depthwise convolution, multiplier 1. Weights [1][k_h][k_w][channels], a bias per channel."""

    name: str
    inputs: tuple[str]
    output: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    activation: Activation = "relu"
    batch_norm: bool = True
    kind: Literal["depthwise_conv2d"] = "depthwise_conv2d"


@dataclass(frozen=True, slots=True)
class Dense:
    """Fully connected operator. Weights [out][in], one bias per output."""

    name: str
    inputs: tuple[str]
    output: str
    activation: Activation = "none"
    batch_norm: bool = False
    kind: Literal["dense"] = "dense"


@dataclass(frozen=True, slots=True)
class MaxPool2d:
    """Max pooling; windows that would leave the input are not taken (rounds down)."""

    name: str
    inputs: tuple[str]
    output: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = (0, 0, 0, 0)
    kind: Literal["max_pool2d"] = "max_pool2d"


@dataclass(frozen=True, slots=True)
class AvgPool2d:
    """Average pooling; padding does not enter the mean; windows as in ``MaxPool2d``."""

    name: str
    inputs: tuple[str]
    output: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = (0, 0, 0, 0)
    kind: Literal["avg_pool2d"] = "avg_pool2d"


@dataclass(frozen=True, slots=True)
class Add:
    """Elementwise sum of two tensors of one shape."""

    name: str
    inputs: tuple[str, str]
    output: str
    activation: Activation = "none"
    kind: Literal["add"] = "add"


@dataclass(frozen=True, slots=True)
class Concat:
    """Two or more tensors of any shapes, each flattened like a fully connected operator's input.

    In int8 each input is requantized to the output's scale.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    kind: Literal["concat"] = "concat"


WeightedOperator: TypeAlias = Conv2d | DepthwiseConv2d | Dense
PoolOperator: TypeAlias = MaxPool2d | AvgPool2d
Operator: TypeAlias = Annotated[
    Conv2d | DepthwiseConv2d | Dense | MaxPool2d | AvgPool2d | Add | Concat,
    Field(discriminator="kind"),
]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding (before, after) so that ceil(size / stride) outputs result, as TFLite defines SAME.

    >>> same_padding(28, 3, 2)
    (0, 1)
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def window_count(size: int, kernel: int, stride: int, padding: tuple[int, int]) -> int:
    """Number of window positions along one axis; 0 or less where no window fits.

    >>> window_count(28, 3, 2, (0, 1))
    14
    """
    return (size + sum(padding) - kernel) // stride + 1


@lru_cache(maxsize=20_000)
def _window_counts(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: Padding
) -> tuple[int, int]:
    """Numbers of window positions along both axes."""
    rows = window_count(size[0], kernel[0], stride[0], padding[:2])
    return rows, window_count(size[1], kernel[1], stride[1], padding[2:])


@dataclass(frozen=True)
class Graph:
    """Operators in execution order over named tensors.

    Attributes:
        tensors: Every tensor, the input first, then each operator's output in order.
        operators: In execution order; each writes one tensor, after all that it reads.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]

    def __post_init__(self) -> None:
        if len(self._by_name) != len(self.tensors):
            raise GraphError("expected distinct tensor names")
        if len({op.name for op in self.operators}) != len(self.operators):
            raise GraphError("expected distinct operator names")
        if [t.name for t in self.tensors[1:]] != [op.output for op in self.operators]:
            raise GraphError("expected the input tensor, then each operator's output in order")
        known = {t.name for t in self.tensors[:1]}
        for operator, tensor in zip(self.operators, self.tensors[1:], strict=True):
            if not known.issuperset(operator.inputs):
                name = next(name for name in operator.inputs if name not in known)
                raise GraphError(f"{operator.name} reads {name!r}, which nothing wrote before")
            expected = self.output_shape(operator)
            if expected != tensor.shape:
                raise GraphError(
                    f"{operator.name}: expected output {expected}, found {tensor.shape}"
                )
            known.add(operator.output)

    @cached_property
    def _by_name(self) -> dict[str, Tensor]:
        return {t.name: t for t in self.tensors}

    @property
    def input(self) -> Tensor:
        """The tensor that the caller provides."""
        return self.tensors[0]

    @property
    def output(self) -> Tensor:
        """The tensor that the last operator writes."""
        return self.tensors[-1]

    @property
    def weighted(self) -> tuple[WeightedOperator, ...]:
        """The operators that hold weights, in execution order."""
        return tuple(
            op for op in self.operators if isinstance(op, Conv2d | DepthwiseConv2d | Dense)
        )

    def tensor(self, name: str) -> Tensor:
        """The tensor called ``name``; KeyError if there is none."""
        return self._by_name[name]

    def shape(self, name: str) -> Shape:
        """Shape (height, width, channels) of the tensor called ``name``."""
        return self._by_name[name].shape

    def output_shape(self, operator: Operator) -> Shape:
        """The shape that ``operator`` must write, from its inputs and its own attributes.

        Raises:
            GraphError: No window fits, channels differ, inputs of Add differ, or Concat has fewer
                than two.
        """
        if isinstance(operator, Concat):
            if len(operator.inputs) < 2:
                raise GraphError(
                    f"{operator.name}: expected at least two inputs, got {len(operator.inputs)}; "
                    "read the tensor itself"
                )
            return (1, 1, sum(self.tensor(name).size for name in operator.inputs))
        by_name = self._by_name
        shape, declared = by_name[operator.inputs[0]].shape, by_name[operator.output].shape
        if isinstance(operator, Dense):
            return (1, 1, declared[2])
        if isinstance(operator, Add):
            if by_name[operator.inputs[1]].shape != shape:
                raise GraphError(f"{operator.name}: expected two inputs of one shape")
            return shape
        size = _window_counts(shape[:2], operator.kernel, operator.stride, operator.padding)
        if min(size) < 1:
            raise GraphError(
                f"{operator.name}: a {operator.kernel} window does not fit a "
                f"{shape[0]}x{shape[1]} map"
            )
        return (*size, declared[2] if isinstance(operator, Conv2d) else shape[2])

    def weight_shape(self, operator: WeightedOperator) -> tuple[int, ...]:
        """Shape of the weights in CMSIS-NN's layout (see the operator classes)."""
        in_channels = self.shape(operator.inputs[0])[2]
        out_channels = self.shape(operator.output)[2]
        if isinstance(operator, Conv2d):
            return (out_channels, *operator.kernel, in_channels)
        if isinstance(operator, DepthwiseConv2d):
            return (1, *operator.kernel, out_channels)
        return (out_channels, self.tensor(operator.inputs[0]).size)

    def weight_count(self, operator: WeightedOperator) -> int:
        """Number of weights, biases not counted."""
        return prod(self.weight_shape(operator))

    def bias_count(self, operator: WeightedOperator) -> int:
        """Number of biases: one per output channel."""
        return self.shape(operator.output)[2]

    @property
    def parameters(self) -> int:
        """Weights and biases of the deployed model (batch norm is folded into them)."""
        return sum(self.weight_count(op) + self.bias_count(op) for op in self.weighted)

    def operator_macs(self, operator: Operator) -> int:
        """Multiply-accumulates of one inference; zero for operators without weights.

        Taps that fall on padding are counted, as in the papers.
        """
        if isinstance(operator, Conv2d | DepthwiseConv2d):
            height, width, _ = self.shape(operator.output)
            return height * width * self.weight_count(operator)
        return self.weight_count(operator) if isinstance(operator, Dense) else 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(self.operator_macs(op) for op in self.operators)

    def consumers(self, tensor: str) -> tuple[Operator, ...]:
        """Operators that read ``tensor``, in execution order."""
        return tuple(op for op in self.operators if tensor in op.inputs)

    def with_channels(self, channels: dict[str, int]) -> "Graph":
        """The same operators over tensors whose channel counts are replaced.

        Args:
            channels: New channel count by tensor name; tensors not named keep theirs, but for
                the outputs of Concat, whose size follows from the inputs.

        Raises:
            GraphError: The counts contradict an operator (a depthwise, pooling or add operator
                whose input and output would differ, or a Concat).
        """
        producers = {op.output: op for op in self.operators}
        tensors: dict[str, Tensor] = {}
        for tensor in self.tensors:
            count = tensor.shape[2]
            producer = producers.get(tensor.name)
            if isinstance(producer, Concat):
                count = sum(tensors[name].size for name in producer.inputs)
            shape = (*tensor.shape[:2], channels.get(tensor.name, count))
            tensors[tensor.name] = Tensor(tensor.name, shape)
        return Graph(tuple(tensors.values()), self.operators)

    def to_json(self) -> str:
        """Compact JSON, the same text for equal graphs."""
        return _ADAPTER.dump_json(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Graph":
        """Reads ``to_json``'s text; raises GraphError where it is not a valid graph."""
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            raise GraphError(f"not a valid graph: {describe(error)}") from None

    def hash(self) -> str:
        """Twelve hexadecimal digits that identify the graph in files."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]


_ADAPTER = TypeAdapter(Graph)
