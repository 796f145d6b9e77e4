"""The constants of an operator's output channels, as flash holds them.

| form | bias | multiplier | shift | bytes |
|---|---|---|---|---|
| wide | int32 [OC] | int32 [OC] | int8 [OC] | 9 OC |
| narrow | int16 [OC], times 2^max(-shift - 4, 0) | int32 [1], of all | int8 [OC] | 3 OC + 4 |

Both say the same integers. Narrow is possible where the scales of the channels differ by powers of
two, which gives them the same multiplier, and each bias is a multiple of its unit. That unit is one
step of the accumulator, or if it is coarser, between 1/32 and 1/16 of a step of the output.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .affine import QuantizedWeights

BIAS_FRACTION_BITS = 4
"""A unit of a narrow bias is at most 2^-4 of a step of the output, or a step of the accumulator."""

BIAS_STEPS_MAX = 2.0 ** (15 - BIAS_FRACTION_BITS - 1) - 1
"""Magnitude of a bias, in steps of the output, that a narrow one can hold for any multiplier."""


def narrow_bytes(channels: int) -> tuple[int, int]:
    """Flash of narrow constants of so many channels: biases; multiplier and shifts."""
    return 2 * channels, 4 + channels


@dataclass(frozen=True, slots=True, eq=False)
class ChannelConstants:
    """What flash holds for the channels of one operator.

    Attributes:
        bias: int32 or int16 [OC].
        multiplier: int32 [OC] or [1].
        shift: int8 [OC].
    """

    bias: NDArray[np.int32] | NDArray[np.int16]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int8]


def bias_units(shift: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """What a narrow bias of each channel is a multiple of, in steps of its accumulator.

    >>> bias_units(np.array([1, -4, -5, -9])).tolist()
    [1, 1, 2, 32]
    """
    left = np.maximum(-np.asarray(shift, np.int64) - BIAS_FRACTION_BITS, 0)
    units: NDArray[np.int64] = np.int64(1) << left
    return units


def narrow_biases(
    bias: NDArray[np.number[Any]], shift: NDArray[np.integer[Any]]
) -> NDArray[np.int32]:
    """The multiples of the units that are nearest to biases [OC], in steps of the accumulator.

    >>> narrow_biases(np.array([5.2, 5.2, 17.0]), np.array([0, -5, -9])).tolist()
    [5, 6, 32]
    """
    units = bias_units(shift)
    nearest: NDArray[np.int32] = (np.rint(bias / units) * units).astype(np.int32)
    return nearest


def powers_of_two_apart(scale: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Scales [OC] as float32 numbers, raised to powers of two times one another.

    Of all choices the one with the least sum of squares, to which the error of rounding is in
    proportion. Scales that are such already stay.

    >>> powers_of_two_apart(np.array([1.0, 2.0, 0.4])).tolist()
    [1.0, 2.0, 0.5]
    """
    fractions, exponents = np.frexp(scale.astype(np.float32))
    candidates = np.unique(fractions).astype(np.float64)[:, None]
    made = np.ldexp(candidates, exponents + (candidates < fractions))
    best: NDArray[np.float64] = made[np.square(made).sum(axis=1).argmin()]
    return best


def wide_channels(held: QuantizedWeights) -> ChannelConstants:
    """The constants in the form that holds any."""
    return ChannelConstants(held.bias, held.multiplier, held.shift.astype(np.int8))


def narrow_channels(held: QuantizedWeights) -> ChannelConstants | None:
    """The constants in fewer bytes; None where that would change one of them."""
    units = bias_units(held.shift)
    bias = held.bias // units
    same = (held.multiplier == held.multiplier[:1]).all() and (bias * units == held.bias).all()
    if not same or not (np.abs(bias) < 2**15).all():
        return None
    short = bias.astype(np.int16)
    return ChannelConstants(short, held.multiplier[:1], held.shift.astype(np.int8))
