"""A network in TensorFlow Lite's terms, as values: tensors by index and operators in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...integer import TensorQuantization
from .flatbuffer import Table
from .schema import BuiltinOperator, BuiltinOptions, TensorType

LiteShape: TypeAlias = tuple[int, ...]
Options: TypeAlias = tuple[BuiltinOptions, Table]


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """How integers stand for reals: real = scale * (q - zero_point).

    Attributes:
        scales: float32 [1], or [channels] along ``dimension``.
        zero_points: int64, as many.
        dimension: Axis of the channels.
    """

    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    dimension: int = 0

    @staticmethod
    def of_tensor(quantization: TensorQuantization) -> "Scales":
        """One for the whole tensor."""
        return Scales(
            np.array([quantization.scale], np.float32), np.array([quantization.zero_point])
        )

    @staticmethod
    def of_channels(scales: NDArray[np.floating[Any]], dimension: int = 0) -> "Scales":
        """Symmetric ones, a scale per channel."""
        return Scales(scales.astype(np.float32), np.zeros(len(scales), np.int64), dimension)


@dataclass(frozen=True, slots=True, eq=False)
class LiteTensor:
    """A tensor; with ``data`` a constant.

    Attributes:
        name: For readers.
        shape: Batch axis included.
        type: Of its elements.
        scales: None for integers that are counts.
        data: Its elements, of ``shape``.
    """

    name: str
    shape: LiteShape
    type: TensorType
    scales: Scales | None
    data: NDArray[np.int8] | NDArray[np.int32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LiteOperator:
    """One operator; tensors are named by index."""

    code: BuiltinOperator
    inputs: tuple[int, ...]
    output: int
    options: Options


@dataclass(frozen=True, slots=True, eq=False)
class LiteNetwork:
    """What a file holds."""

    tensors: tuple[LiteTensor, ...]
    operators: tuple[LiteOperator, ...]
    input: int
    output: int


class Draft:
    """A network that grows by one tensor or operator at a time."""

    def __init__(self) -> None:
        self.tensors: list[LiteTensor] = []
        self.operators: list[LiteOperator] = []

    def computed(self, name: str, shape: LiteShape, quantization: TensorQuantization) -> int:
        """Adds an int8 tensor that an operator writes; returns its index."""
        return self._add(LiteTensor(name, shape, TensorType.INT8, Scales.of_tensor(quantization)))

    def constant(
        self, name: str, data: NDArray[np.int8] | NDArray[np.int32], scales: Scales | None
    ) -> int:
        """Adds a constant; returns its index."""
        kind = TensorType.INT8 if data.dtype == np.int8 else TensorType.INT32
        return self._add(LiteTensor(name, data.shape, kind, scales, data))

    def append(
        self, code: BuiltinOperator, inputs: Sequence[int], output: int, options: Options
    ) -> int:
        """Adds an operator; returns ``output``."""
        self.operators.append(LiteOperator(code, tuple(inputs), output, options))
        return output

    def finish(self, input: int, output: int) -> LiteNetwork:
        """The network that was drafted."""
        return LiteNetwork(tuple(self.tensors), tuple(self.operators), input, output)

    def _add(self, tensor: LiteTensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1
