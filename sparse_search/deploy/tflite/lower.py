"""From a quantized model to TensorFlow Lite's operators, so that every byte stays the same.

What has no counterpart of its own becomes several operators:

* Padding that is neither SAME nor VALID: PAD, or for a maximum PADV2 with -128, then VALID. A mean
  that leaves such padding out cannot be said.
* Concat flattens and requantizes: RESHAPE and QUANTIZE where they change something, then
  CONCATENATION.

Vectors that fully connected operators and concatenations write have two axes, [1, n], all else
four; RESHAPE goes between.
"""

import numpy as np

from ...errors import ExportError
from ...graph import (
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    MaxPool2d,
    Operator,
    PoolOperator,
    WeightedOperator,
    same_padding,
)
from ...quantized import QuantizedModel
from . import options
from .network import Draft, LiteNetwork, LiteShape, Scales
from .scales import check_scales
from .schema import BuiltinOperator, Padding


def lower(model: QuantizedModel) -> LiteNetwork:
    """The operators and tensors of a .tflite file.

    Raises:
        ExportError: The scales do not give the model's multipliers in single precision, or an
            average pool leaves out padding that TensorFlow Lite does not know.
    """
    check_scales(model)
    return _Lowering(model).run()


class _Lowering:
    """The state of one lowering: the draft, and where each tensor of the graph is in it."""

    def __init__(self, model: QuantizedModel) -> None:
        self.model = model
        self.draft = Draft()
        self.indices: dict[tuple[str, int], int] = {}

    def run(self) -> LiteNetwork:
        graph = self.model.graph
        first = self._computed(graph.input.name, 4)
        for operator in graph.operators:
            if isinstance(operator, Conv2d | DepthwiseConv2d):
                self._convolution(operator)
            elif isinstance(operator, Dense):
                self._dense(operator)
            elif isinstance(operator, MaxPool2d | AvgPool2d):
                self._pool(operator)
            elif isinstance(operator, Add):
                self._add(operator)
            else:
                self._concat(operator)
        last = next(i for (name, _), i in self.indices.items() if name == graph.output.name)
        return self.draft.finish(first, last)

    def _shape(self, name: str, rank: int) -> LiteShape:
        tensor = self.model.graph.tensor(name)
        return (1, tensor.size) if rank == 2 else (1, *tensor.shape)

    def _computed(self, name: str, rank: int) -> int:
        """The tensor ``name`` of the graph, about to be written with two axes or with four."""
        index = self.draft.computed(name, self._shape(name, rank), self.model.tensors[name])
        self.indices[name, rank] = index
        return index

    def _read(self, name: str, rank: int) -> int:
        """The tensor ``name`` with two axes or with four; reshaped where it has the others."""
        if (name, rank) not in self.indices:
            source, shape = self.indices[name, 6 - rank], self._shape(name, rank)
            wanted = self.draft.constant(f"{name}_shape", np.array(shape, np.int32), None)
            output = self.draft.computed(f"{name}_reshaped", shape, self.model.tensors[name])
            self.draft.append(
                BuiltinOperator.RESHAPE, (source, wanted), output, options.reshape(shape)
            )
            self.indices[name, rank] = output
        return self.indices[name, rank]

    def _constants(
        self, operator: WeightedOperator, shape: LiteShape, axis: int
    ) -> tuple[int, int]:
        """Weights laid out as ``shape`` with output channels along ``axis``, and biases."""
        held = self.model.weights[operator.name]
        weights = self.draft.constant(
            f"{operator.name}_weights",
            held.weights.reshape(shape),
            Scales.of_channels(held.scale, axis),
        )
        input_scale = self.model.tensors[operator.inputs[0]].scale
        bias = self.draft.constant(
            f"{operator.name}_bias", held.bias, Scales.of_channels(input_scale * held.scale)
        )
        return weights, bias

    def _convolution(self, operator: Conv2d | DepthwiseConv2d) -> None:
        source, padding = self._padded(operator)
        depthwise = isinstance(operator, DepthwiseConv2d)
        shape = self.model.graph.weight_shape(operator)
        constants = self._constants(operator, shape, 3 if depthwise else 0)
        say = options.depthwise_conv2d if depthwise else options.conv2d
        self.draft.append(
            BuiltinOperator.DEPTHWISE_CONV_2D if depthwise else BuiltinOperator.CONV_2D,
            (source, *constants),
            self._computed(operator.output, 4),
            say(padding, operator.stride, operator.activation),
        )

    def _dense(self, operator: Dense) -> None:
        graph = self.model.graph
        # It reads its input in order, however many axes that has.
        name = operator.inputs[0]
        source = self._read(name, 2 if (name, 2) in self.indices else 4)
        self.draft.append(
            BuiltinOperator.FULLY_CONNECTED,
            (source, *self._constants(operator, graph.weight_shape(operator), 0)),
            self._computed(operator.output, 2),
            options.fully_connected(operator.activation),
        )

    def _pool(self, operator: PoolOperator) -> None:
        source, padding = self._padded(operator)
        maximum = isinstance(operator, MaxPool2d)
        self.draft.append(
            BuiltinOperator.MAX_POOL_2D if maximum else BuiltinOperator.AVERAGE_POOL_2D,
            (source,),
            self._computed(operator.output, 4),
            options.pool2d(padding, operator.stride, operator.kernel),
        )

    def _add(self, operator: Add) -> None:
        rank = 2 if all((name, 2) in self.indices for name in operator.inputs) else 4
        inputs = [self._read(name, rank) for name in operator.inputs]
        output = self._computed(operator.output, rank)
        self.draft.append(BuiltinOperator.ADD, inputs, output, options.add(operator.activation))

    def _concat(self, operator: Concat) -> None:
        wanted = self.model.tensors[operator.output]
        inputs = []
        for number, name in enumerate(operator.inputs, start=1):
            index = self._read(name, 2)
            if self.model.tensors[name] != wanted:
                scaled = self.draft.computed(
                    f"{operator.output}_input{number}", self._shape(name, 2), wanted
                )
                self.draft.append(BuiltinOperator.QUANTIZE, (index,), scaled, options.QUANTIZE)
                index = scaled
            inputs.append(index)
        output = self._computed(operator.output, 2)
        self.draft.append(BuiltinOperator.CONCATENATION, inputs, output, options.concatenation(1))

    def _padded(self, operator: Conv2d | DepthwiseConv2d | PoolOperator) -> tuple[int, Padding]:
        """What a windowed operator reads, padded beforehand where it must be, and how it pads."""
        name = operator.inputs[0]
        source, padding = self._read(name, 4), self._known_padding(operator)
        if padding is not None:
            return source, padding
        if isinstance(operator, AvgPool2d):
            raise ExportError(
                f"{operator.name}: expected an average pool whose padding is SAME or none, got "
                f"{operator.padding}; TensorFlow Lite has no other that leaves padding out of the "
                "mean, change the architecture"
            )
        height, width, channels = self.model.graph.shape(name)
        below, right = (self._needed_after(operator, axis) for axis in (0, 1))
        top, left = operator.padding[0], operator.padding[2]
        amounts = np.array([[0, 0], [top, below], [left, right], [0, 0]], np.int32)
        inputs = [source, self.draft.constant(f"{operator.name}_padding", amounts, None)]
        quantization = self.model.tensors[name]
        code, said = BuiltinOperator.PAD, options.PAD
        if isinstance(operator, MaxPool2d):
            least = np.array([-128], np.int8)
            scales = Scales.of_tensor(quantization)
            inputs.append(self.draft.constant(f"{operator.name}_least", least, scales))
            code, said = BuiltinOperator.PADV2, options.PAD_V2
        shape = (1, top + height + below, left + width + right, channels)
        output = self.draft.computed(f"{operator.name}_padded", shape, quantization)
        return self.draft.append(code, inputs, output, said), Padding.VALID

    def _sizes(self, operator: Operator, axis: int) -> tuple[int, int]:
        graph = self.model.graph
        return graph.shape(operator.inputs[0])[axis], graph.shape(operator.output)[axis]

    def _known_padding(self, operator: Conv2d | DepthwiseConv2d | PoolOperator) -> Padding | None:
        """SAME or VALID where it places the very windows of ``operator``."""
        valid = same = True
        for axis in (0, 1):
            size, count = self._sizes(operator, axis)
            kernel, stride, before = (
                operator.kernel[axis],
                operator.stride[axis],
                operator.padding[2 * axis],
            )
            valid &= before == 0 and kernel <= size and count == (size - kernel) // stride + 1
            same &= count == -(-size // stride) and before == same_padding(size, kernel, stride)[0]
        return Padding.VALID if valid else Padding.SAME if same else None

    def _needed_after(self, operator: Conv2d | DepthwiseConv2d | PoolOperator, axis: int) -> int:
        """Padding at the end of an axis that the last window reads."""
        size, count = self._sizes(operator, axis)
        reach = (count - 1) * operator.stride[axis] + operator.kernel[axis]
        return max(reach - size - operator.padding[2 * axis], 0)
