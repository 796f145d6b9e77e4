"""QuantizedModel: a graph with int8 weights and scales, and its integer reference forward.

What this forward computes is what the C code computes, byte for byte. ``real = scale *
(q - zero_point)``; the pixels 0..255 enter as q = pixel - 128 at scale 1/255.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from .errors import GraphError, QuantizationError
from .graph import (
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Operator,
)
from .integer import (
    INPUT_QUANTIZATION,
    AddParameters,
    ConcatInput,
    QuantizedWeights,
    Requantization,
    TensorQuantization,
    add,
    average_pool2d,
    concat,
    conv2d,
    dense,
    depthwise_conv2d,
    max_pool2d,
)
from .integer.checks import check_images, check_tensors, check_weights
from .packing import pack, unpack

__all__ = [
    "INPUT_QUANTIZATION",
    "LabelledImages",
    "QuantizedModel",
    "QuantizedWeights",
    "TensorQuantization",
    "accuracy",
    "error_rate",
]

_FORMAT = "sparse_search.quantized.1"
_PER_CHANNEL = ("bias", "multiplier", "shift", "scale")


class LabelledImages(Protocol):
    """Images with the class of each, such as a split of a data set."""

    @property
    def images(self) -> NDArray[np.uint8]:
        """[n, H, W, C]."""
        ...

    @property
    def labels(self) -> NDArray[np.integer[Any]]:
        """[n], class indices."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedModel:
    """A network in int8. Immutable; two models are the same where their ``hash`` is.

    Attributes:
        graph: What is computed.
        tensors: Quantization by tensor name, one for each tensor of the graph.
        weights: By operator name, one for each weighted operator of the graph.
    """

    graph: Graph
    tensors: Mapping[str, TensorQuantization]
    weights: Mapping[str, QuantizedWeights]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))
        frozen = {name: weights.read_only() for name, weights in self.weights.items()}
        object.__setattr__(self, "weights", MappingProxyType(frozen))
        check_tensors(self.graph, self.tensors)
        check_weights(self.graph, self.weights)
        for operator in self.graph.operators:
            if isinstance(operator, Add):
                self.add_parameters(operator)
            elif isinstance(operator, Concat):
                self.concat_inputs(operator)

    def __reduce__(self) -> tuple[type["QuantizedModel"], tuple[Any, ...]]:
        """Rebuilds through the constructor, so a copy in another process is checked too."""
        return QuantizedModel, (self.graph, dict(self.tensors), dict(self.weights))

    def activation_range(self, operator: Operator) -> tuple[int, int]:
        """The int8 values (lowest, highest) that ``operator`` may write."""
        if isinstance(operator, MaxPool2d | AvgPool2d | Concat) or operator.activation == "none":
            return -128, 127
        return self.tensors[operator.output].zero_point, 127

    def add_parameters(self, operator: Add) -> AddParameters:
        """Multipliers, shifts, zero points and clamp of an ``Add`` operator."""
        first, second, output = (self.tensors[name] for name in (*operator.inputs, operator.output))
        return AddParameters.from_scales(
            (first.scale, second.scale, output.scale),
            (first.zero_point, second.zero_point, output.zero_point),
            *self.activation_range(operator),
        )

    def concat_inputs(self, operator: Concat) -> tuple[ConcatInput, ...]:
        """How each input of a ``Concat`` operator is brought to the output's scale."""
        output = self.tensors[operator.output]
        return tuple(
            ConcatInput.from_quantizations(self.tensors[name], output) for name in operator.inputs
        )

    def trace(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.int8]]:
        """Every tensor for a batch of images.

        Args:
            images: uint8 [n, H, W, C] as the graph's input.

        Returns:
            int8 [n, H, W, C] by tensor name, in execution order.
        """
        check_images(images, self.graph)
        values = {self.graph.input.name: (images ^ np.uint8(128)).view(np.int8)}
        for operator in self.graph.operators:
            values[operator.output] = self._apply(operator, values)
        return values

    def forward(self, images: NDArray[np.uint8], batch: int = 64) -> NDArray[np.int8]:
        """The outputs of the last operator.

        Args:
            images: uint8 [n, H, W, C] as the graph's input.
            batch: Images that are computed at a time; does not change the result.

        Returns:
            int8 logits [n, classes].
        """
        check_images(images, self.graph)
        logits = np.empty((len(images), self.graph.output.size), dtype=np.int8)
        for start in range(0, len(images), batch):
            part = slice(start, start + batch)
            values = self.trace(images[part])
            logits[part] = values[self.graph.output.name].reshape(-1, logits.shape[1])
        return logits

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Class indices [n]; of equal logits the first wins, as in the C code."""
        classes: NDArray[np.intp] = self.forward(images).argmax(axis=1)
        return classes

    def _apply(
        self, operator: Operator, values: Mapping[str, NDArray[np.int8]]
    ) -> NDArray[np.int8]:
        """The output [n, H, W, C] of one operator."""
        inputs = values[operator.inputs[0]]
        low, high = self.activation_range(operator)
        if isinstance(operator, Add):
            return add(inputs, values[operator.inputs[1]], self.add_parameters(operator))
        if isinstance(operator, Concat):
            read = [values[name] for name in operator.inputs]
            return concat(read, self.concat_inputs(operator))
        if isinstance(operator, MaxPool2d | AvgPool2d):
            pool = max_pool2d if isinstance(operator, MaxPool2d) else average_pool2d
            return pool(
                inputs, kernel=operator.kernel, stride=operator.stride, padding=operator.padding
            )
        held = self.weights[operator.name]
        input_zero_point = self.tensors[operator.inputs[0]].zero_point
        stage = Requantization(
            held.multiplier, held.shift, self.tensors[operator.output].zero_point, low, high
        )
        if isinstance(operator, Conv2d | DepthwiseConv2d):
            convolve = conv2d if isinstance(operator, Conv2d) else depthwise_conv2d
            return convolve(
                inputs,
                held.weights,
                held.bias,
                stage,
                input_zero_point=input_zero_point,
                stride=operator.stride,
                padding=operator.padding,
            )
        rows = inputs.reshape(len(inputs), -1)
        outputs = dense(rows, held.weights, held.bias, stage, input_zero_point=input_zero_point)
        return outputs.reshape(len(inputs), 1, 1, -1)

    def _header(self) -> str:
        """Everything but the arrays, as JSON; equal models give equal text."""
        scales = {name: [t.scale, t.zero_point] for name, t in sorted(self.tensors.items())}
        header = {
            "format": _FORMAT,
            "graph": json.loads(self.graph.to_json()),
            "tensors": scales,
        }
        return json.dumps(header, separators=(",", ":"))

    def hash(self) -> str:
        """Twelve hexadecimal digits that identify graph, scales and weights."""
        digest = hashlib.sha256(self._header().encode())
        for name in sorted(self.weights):
            for field in ("weights", *_PER_CHANNEL):
                array = getattr(self.weights[name], field)
                digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()[:12]

    def save(self, path: str | Path) -> None:
        """Writes one safetensors file; graph and tensor scales are JSON in its metadata.

        Weights of which most are 0 are stored without their zeros (``packing``).
        """
        arrays: dict[str, NDArray[Any]] = {}
        for name, held in self.weights.items():
            arrays |= pack(f"{name}.weights", held.weights)
            arrays |= {f"{name}.{field}": getattr(held, field) for field in _PER_CHANNEL}
        # One metadata entry: safetensors does not keep the order of several.
        data = safetensors.numpy.save(arrays, metadata={"model": self._header()})
        partial = Path(f"{path}.partial")
        partial.write_bytes(data)
        partial.replace(path)

    @staticmethod
    def load(path: str | Path) -> "QuantizedModel":
        """Reads what ``save`` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            QuantizationError: The file is damaged, or not a quantized model of this version.
        """
        try:
            with safetensors.safe_open(path, framework="numpy") as file:
                header = json.loads((file.metadata() or {}).get("model", "{}"))
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            if header.get("format") != _FORMAT:
                raise QuantizationError(f"expected format {_FORMAT}, got {header.get('format')}")
            graph = Graph.from_json(json.dumps(header["graph"]))
            tensors = {
                name: TensorQuantization(float(scale), int(zero_point))
                for name, (scale, zero_point) in header["tensors"].items()
            }
            weights = {
                op.name: QuantizedWeights(
                    unpack(f"{op.name}.weights", arrays, graph.weight_shape(op)),
                    *(arrays[f"{op.name}.{field}"] for field in _PER_CHANNEL),
                )
                for op in graph.weighted
            }
            return QuantizedModel(graph, tensors, weights)
        except (safetensors.SafetensorError, GraphError, KeyError, TypeError, ValueError) as error:
            raise QuantizationError(
                f"{path}: not a quantized model that this version reads ({error}); quantize the "
                "network again or restore the file"
            ) from error


def error_rate(model: QuantizedModel, split: LabelledImages) -> float:
    """Fraction of images whose predicted class is wrong, in [0, 1].

    Raises:
        QuantizationError: The split is empty, or labels and images differ in number.
    """
    if len(split.images) == 0 or len(split.images) != len(split.labels):
        raise QuantizationError(
            f"expected as many labels as images and at least one, got {len(split.images)} images "
            f"and {len(split.labels)} labels"
        )
    return float(np.mean(model.predict(split.images) != np.asarray(split.labels)))


def accuracy(model: QuantizedModel, split: LabelledImages) -> float:
    """Fraction of images whose predicted class is right, in [0, 1]."""
    return 1.0 - error_rate(model, split)
