"""Nodes and constants of an ONNX graph that grows in execution order.

Every tensor of the model is int8 between QuantizeLinear and DequantizeLinear, and every operator
computes on what the integers stand for (the QDQ form). Maps are [n, channels, height, width].
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ...integer import TensorQuantization


class Nodes:
    """Nodes and initializers of a graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Adds an initializer; returns its name."""
        self.constants.append(onnx.numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        node = onnx.helper.make_node(kind, list(inputs), [output], name=output, **attributes)
        self.nodes.append(node)
        return output

    def quantize(self, real: str, name: str, quantization: TensorQuantization) -> str:
        """The int8 tensor ``name`` of a tensor of reals."""
        return self.add("QuantizeLinear", [real, *self._scale(name, quantization)], name)

    def dequantize(self, name: str, quantization: TensorQuantization, reader: str) -> str:
        """The reals of the int8 tensor ``name``, for one ``reader``."""
        prefix = f"{name}_for_{reader}"
        scale = self._scale(prefix, quantization)
        return self.add("DequantizeLinear", [name, *scale], f"{prefix}_real")

    def dequantized_constant(
        self, name: str, values: NDArray[Any], scales: NDArray[np.float64]
    ) -> str:
        """The reals of a constant of int8 or int32, a scale for each entry of its first axis."""
        inputs = [
            self.constant(name, values),
            self.constant(f"{name}_scale", scales.astype(np.float32)),
            self.constant(f"{name}_zero_point", np.zeros(len(scales), values.dtype)),
        ]
        return self.add("DequantizeLinear", inputs, f"{name}_real", axis=0)

    def _scale(self, name: str, quantization: TensorQuantization) -> tuple[str, str]:
        return (
            self.constant(f"{name}_scale", np.array(quantization.scale, np.float32)),
            self.constant(f"{name}_zero_point", np.array(quantization.zero_point, np.int8)),
        )
