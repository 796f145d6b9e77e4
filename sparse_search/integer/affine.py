"""How int8 tensors and weights stand for reals."""

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import QuantizationError
from .arithmetic import quantize_multiplier

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class TensorQuantization:
    """How a tensor's int8 values stand for reals: real = scale * (q - zero_point).

    Attributes:
        scale: Positive.
        zero_point: In [-128, 127].
    """

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "zero_point", int(self.zero_point))
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise QuantizationError(f"expected a positive finite scale, got {self.scale}")
        if not -128 <= self.zero_point <= 127:
            raise QuantizationError(f"expected a zero point in [-128, 127], got {self.zero_point}")

    def single(self) -> "TensorQuantization":
        """The same at the nearest scale that is a float32 number, which is what files hold.

        >>> TensorQuantization(0.1, 3).single()
        TensorQuantization(scale=0.10000000149011612, zero_point=3)
        """
        return TensorQuantization(float(np.float32(self.scale)), self.zero_point)

    def quantize(self, real: NDArray[np.floating[Any]]) -> NDArray[np.int8]:
        """The nearest int8 values; what is out of range is clamped."""
        levels = np.rint(real.astype(np.float64) / self.scale) + self.zero_point
        clamped: NDArray[np.int8] = np.clip(levels, -128, 127).astype(np.int8)
        return clamped

    def dequantize(self, values: NDArray[np.int8]) -> NDArray[np.float64]:
        """The reals that int8 values stand for."""
        reals: NDArray[np.float64] = (values.astype(np.float64) - self.zero_point) * self.scale
        return reals


def channel_rows(weights: Array, depthwise: bool) -> Array:
    """Weights with the output channel first, [OC, weights per channel].

    Args:
        weights: [1][KH][KW][OC] where ``depthwise``, otherwise [OC][...].
        depthwise: Which of the two layouts.
    """
    if depthwise:
        return weights.reshape(-1, weights.shape[-1]).T
    return weights.reshape(len(weights), -1)


INPUT_QUANTIZATION = TensorQuantization(1 / 255, -128).single()
"""Of the network's input: pixels 0..255 enter as pixel - 128 and stand for 0..1."""


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedWeights:
    """Weights, biases and requantization of one operator; everything per output channel.

    Attributes:
        weights: int8 in [-127, 127]; conv [OC][KH][KW][IC], depthwise [1][KH][KW][C],
            dense [OUT][IN].
        bias: int32 [OC] at input scale * weight scale.
        multiplier: int32 [OC] in [2^30, 2^31).
        shift: int32 [OC] in [-31, 30]; positive is to the left.
        scale: float64 [OC], of the weights; float32 numbers where ``levels`` chose them.
    """

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int32]
    scale: NDArray[np.float64]

    @staticmethod
    def from_scales(
        weights: NDArray[np.int8],
        bias: NDArray[np.int32],
        scale: NDArray[np.float64],
        input_scale: float,
        output_scale: float,
    ) -> "QuantizedWeights":
        """Completes weights and biases with the multipliers that follow from the scales.

        Raises:
            QuantizationError: A rescaling factor is outside [2^-32, 2^30).
        """
        pairs = [quantize_multiplier(input_scale * float(s) / output_scale) for s in scale]
        multiplier, shift = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
        return QuantizedWeights(weights, bias, multiplier, shift, scale)

    def read_only(self) -> "QuantizedWeights":
        """A copy whose arrays are contiguous and cannot be written."""
        copy = QuantizedWeights(
            np.array(self.weights, order="C"),
            np.array(self.bias, order="C"),
            np.array(self.multiplier, order="C"),
            np.array(self.shift, order="C"),
            np.array(self.scale, order="C"),
        )
        for array in (copy.weights, copy.bias, copy.multiplier, copy.shift, copy.scale):
            array.setflags(write=False)
        return copy
