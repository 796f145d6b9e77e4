"""Addition of two int8 tensors of different scales."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import QuantizationError
from .arithmetic import quantize_multiplier, requantize, rescale

ADD_LEFT_SHIFT = 20
# A sum is at most 2 * 255 * 2^20 / 2 < 2^28, so 3 more bits fit in an int32.
_SHIFT_OUT_MAX = 3


@dataclass(frozen=True, slots=True)
class AddParameters:
    """What ``add`` needs beside its inputs; what the C code needs too.

    Both inputs are brought to the scale 2 * max(scale1, scale2) / 2^20, added there and rescaled.
    """

    zero_point1: int
    multiplier1: int
    shift1: int
    zero_point2: int
    multiplier2: int
    shift2: int
    zero_point_out: int
    multiplier_out: int
    shift_out: int
    minimum: int = -128
    maximum: int = 127

    @staticmethod
    def from_scales(
        scales: tuple[float, float, float],
        zero_points: tuple[int, int, int],
        minimum: int = -128,
        maximum: int = 127,
    ) -> "AddParameters":
        """The parameters for given quantizations of (input 1, input 2, output).

        Raises:
            QuantizationError: The scales are too far apart for 32-bit arithmetic.
        """
        twice_max = 2 * max(scales[0], scales[1])
        multiplier1, shift1 = quantize_multiplier(scales[0] / twice_max)
        multiplier2, shift2 = quantize_multiplier(scales[1] / twice_max)
        multiplier_out, shift_out = quantize_multiplier(twice_max / (2**ADD_LEFT_SHIFT * scales[2]))
        if shift_out > _SHIFT_OUT_MAX:
            raise QuantizationError(
                f"expected the output scale of an addition within 2^-22 of the larger input scale, "
                f"got {scales[2]:g} for inputs {scales[0]:g} and {scales[1]:g}; use a larger one"
            )
        return AddParameters(
            zero_point1=zero_points[0],
            multiplier1=multiplier1,
            shift1=shift1,
            zero_point2=zero_points[1],
            multiplier2=multiplier2,
            shift2=shift2,
            zero_point_out=zero_points[2],
            multiplier_out=multiplier_out,
            shift_out=shift_out,
            minimum=minimum,
            maximum=maximum,
        )


def add(
    first: NDArray[np.int8], second: NDArray[np.int8], parameters: AddParameters
) -> NDArray[np.int8]:
    """Elementwise sum as ``arm_elementwise_add_s8`` computes it; any one shape."""
    p = parameters
    wide1 = (first.astype(np.int64) - p.zero_point1) << ADD_LEFT_SHIFT
    wide2 = (second.astype(np.int64) - p.zero_point2) << ADD_LEFT_SHIFT
    total = rescale(wide1, p.multiplier1, p.shift1) + rescale(wide2, p.multiplier2, p.shift2)
    return requantize(total, p.multiplier_out, p.shift_out, p.zero_point_out, p.minimum, p.maximum)
