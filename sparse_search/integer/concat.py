"""Concatenation of int8 tensors of different scales."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import QuantizationError
from .affine import TensorQuantization
from .arithmetic import quantize_multiplier, requantize

# An input minus its zero point is at most 255 in magnitude, so 23 more bits fit in an int32.
_SHIFT_MAX = 23
# Far below 2^-9 every value of an input rounds to zero, so a smaller factor need not be told
# apart from this one, which the multiplier can represent.
_FACTOR_MIN = 2.0**-31


@dataclass(frozen=True, slots=True)
class ConcatInput:
    """How one input comes to the output's scale; what the C code needs too.

    output = clamp(requantize(input - input_zero_point, multiplier, shift) + output_zero_point).
    Where scale and zero point are those of the output, this copies.
    """

    multiplier: int
    shift: int
    input_zero_point: int
    output_zero_point: int

    @staticmethod
    def from_quantizations(source: TensorQuantization, output: TensorQuantization) -> "ConcatInput":
        """The parameters of an input ``source`` of a concatenation that writes ``output``.

        Raises:
            QuantizationError: The output's scale is too fine for 32-bit arithmetic.
        """
        factor = max(source.scale / output.scale, _FACTOR_MIN)
        multiplier, shift = quantize_multiplier(factor)
        if shift > _SHIFT_MAX:
            raise QuantizationError(
                f"expected the output scale of a concatenation within 2^-23 of every input scale, "
                f"got {output.scale:g} for an input of {source.scale:g}; use a larger one"
            )
        return ConcatInput(multiplier, shift, source.zero_point, output.zero_point)


def concat(
    inputs: Sequence[NDArray[np.int8]], parameters: Sequence[ConcatInput]
) -> NDArray[np.int8]:
    """Inputs one after another, each flattened and brought to the output's scale.

    Args:
        inputs: [n, H, W, C] each, of one n and any H, W and C.
        parameters: One for each input.

    Returns:
        [n, 1, 1, sum of H * W * C].
    """
    parts = [
        requantize(
            values.reshape(len(values), 1, 1, -1).astype(np.int64) - p.input_zero_point,
            p.multiplier,
            p.shift,
            p.output_zero_point,
            -128,
            127,
        )
        for values, p in zip(inputs, parameters, strict=True)
    ]
    return np.concatenate(parts, axis=3)
