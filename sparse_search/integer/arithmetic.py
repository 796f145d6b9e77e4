"""Multiplication of an int32 accumulator by a real factor, in integers.

| symbol | meaning | range |
|---|---|---|
| v | accumulator | int32, and v * 2^max(shift, 0) is int32 too |
| M | real factor, input scale * weight scale / output scale | > 0 |
| multiplier | 31-bit fraction of M | [2^30, 2^31) |
| shift | exponent of M, positive to the left | [-31, 30] |

M = multiplier * 2^(shift - 31). The result is rounded twice, as CMSIS-NN does by default: halves
upwards after the multiplication, then halves away from zero after the right shift.
"""

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import QuantizationError

Integers: TypeAlias = NDArray[np.integer[Any]]

MULTIPLIER_MIN = 2**30
LEFT_SHIFT_MAX = 30
RIGHT_SHIFT_MAX = 31


def quantize_multiplier(factor: float) -> tuple[int, int]:
    """The multiplier and shift that represent a real factor.

    Args:
        factor: M, positive and finite.

    Returns:
        (multiplier, shift), so that factor = multiplier * 2^(shift - 31) to 31 bits.

    Raises:
        QuantizationError: The factor is not positive, or its shift is outside [-31, 30].

    >>> quantize_multiplier(0.75)
    (1610612736, 0)
    """
    if not (math.isfinite(factor) and factor > 0):
        raise QuantizationError(
            f"expected a positive finite rescaling factor, got {factor}; check the scales"
        )
    fraction, shift = math.frexp(factor)
    # Halves upwards, as C's ``round`` does for positive numbers; Python's rounds them to even.
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    if not -RIGHT_SHIFT_MAX <= shift <= LEFT_SHIFT_MAX:
        raise QuantizationError(
            f"expected a rescaling factor in [2^-32, 2^30), got {factor:g}; bring the scales of "
            "the operator's input, weights and output closer together"
        )
    return multiplier, shift


def rescale(
    accumulators: Integers, multiplier: Integers | int, shift: Integers | int
) -> NDArray[np.int64]:
    """round(round(v * 2^max(shift, 0) * multiplier / 2^31) / 2^max(-shift, 0)), see above.

    Args:
        accumulators: v, [..., channels].
        multiplier: One for all, or [channels].
        shift: One for all, or [channels].

    Returns:
        The rescaled accumulators, [..., channels]; neither offset nor clamped.

    >>> rescale(np.array([-3, -2, 2, 3]), 2**30, 0).tolist()  # half of each
    [-1, -1, 1, 2]
    >>> rescale(np.array([-3, -2, 2, 3]), 2**30, -1).tolist()  # a quarter of each
    [-1, -1, 1, 1]
    """
    left = np.maximum(np.asarray(shift, dtype=np.int64), 0)
    right = np.maximum(-np.asarray(shift, dtype=np.int64), 0)
    # |v * 2^left| < 2^31 and multiplier < 2^31, so the product fits in an int64.
    result = accumulators.astype(np.int64)
    result *= np.asarray(multiplier, dtype=np.int64) << left
    result += 1 << 30
    result >>= 31
    # (x + half) >> right rounds halves upwards. Subtracting 1 where x < 0 makes that away from
    # zero, without effect on what is not a half; right = 0 must leave x as it is.
    negative = result >> 63
    negative &= -(right > 0).astype(np.int64)
    result += negative
    result += (np.int64(1) << right) >> 1
    result >>= right
    return result


def requantize(
    accumulators: Integers,
    multiplier: Integers | int,
    shift: Integers | int,
    zero_point: int,
    minimum: int,
    maximum: int,
) -> NDArray[np.int8]:
    """Rescales int32 accumulators, adds the output's zero point and clamps to int8.

    Args:
        accumulators: v, [..., channels].
        multiplier: One for all, or [channels].
        shift: One for all, or [channels].
        zero_point: Of the output, in [-128, 127].
        minimum: Lower clamp, in [-128, 127].
        maximum: Upper clamp, in [-128, 127].

    Returns:
        [..., channels].
    """
    result = rescale(accumulators, multiplier, shift)
    result += zero_point
    np.clip(result, minimum, maximum, out=result)
    return result.astype(np.int8)


@dataclass(frozen=True, slots=True)
class Requantization:
    """From an operator's int32 accumulators to its int8 output.

    Attributes:
        multiplier: [channels] or [1], int32.
        shift: [channels] or [1], int32.
        zero_point: Of the output.
        minimum: Lower clamp.
        maximum: Upper clamp.
    """

    multiplier: NDArray[np.int32]
    shift: NDArray[np.int32]
    zero_point: int
    minimum: int = -128
    maximum: int = 127

    def __call__(self, accumulators: Integers) -> NDArray[np.int8]:
        """The int8 output of accumulators [..., channels]."""
        return requantize(
            accumulators,
            self.multiplier,
            self.shift,
            self.zero_point,
            self.minimum,
            self.maximum,
        )
