"""Max and average pooling on int8; input and output share scale and zero point."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import QuantizationError
from ..graph import Padding, window_count

Int8 = NDArray[np.int8]


def _windows(
    size: int, kernel: int, stride: int, padding: tuple[int, int], tap: int
) -> tuple[slice, slice]:
    """Where one tap of the windows along an axis reads, and which outputs it contributes to."""
    count = window_count(size, kernel, stride, padding)
    offset = tap - padding[0]
    first = max(0, -(offset // stride)) if offset < 0 else 0
    last = min(count - 1, (size - 1 - offset) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    read = slice(first * stride + offset, last * stride + offset + 1, stride)
    return read, slice(first, last + 1)


def _taps(
    shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], padding: Padding
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Index pairs (input, output) of every tap that falls on the input, for [n, H, W, C]."""
    everything = slice(None)
    for i in range(kernel[0]):
        rows = _windows(shape[1], kernel[0], stride[0], (padding[0], padding[1]), i)
        for j in range(kernel[1]):
            columns = _windows(shape[2], kernel[1], stride[1], (padding[2], padding[3]), j)
            yield (everything, rows[0], columns[0]), (everything, rows[1], columns[1])


def _out_shape(
    shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], padding: Padding
) -> tuple[int, ...]:
    n, height, width, channels = shape
    out_height = window_count(height, kernel[0], stride[0], (padding[0], padding[1]))
    out_width = window_count(width, kernel[1], stride[1], (padding[2], padding[3]))
    return n, out_height, out_width, channels


def max_pool2d(
    inputs: Int8,
    *,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding = (0, 0, 0, 0),
    minimum: int = -128,
    maximum: int = 127,
) -> Int8:
    """Maximum of each window, padding left out, then clamped; as ``arm_max_pool_s8``.

    Args:
        inputs: [n, H, W, C].
        kernel: (rows, columns).
        stride: (rows, columns).
        padding: (top, bottom, left, right).
        minimum: Lower clamp.
        maximum: Upper clamp.

    Returns:
        [n, OH, OW, C].
    """
    outputs = np.full(_out_shape(inputs.shape, kernel, stride, padding), -128, dtype=np.int8)
    for read, written in _taps(inputs.shape, kernel, stride, padding):
        np.maximum(outputs[written], inputs[read], out=outputs[written])
    return np.clip(outputs, minimum, maximum)


def average_pool2d(
    inputs: Int8,
    *,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding = (0, 0, 0, 0),
    minimum: int = -128,
    maximum: int = 127,
) -> Int8:
    """Mean of each window, padding left out, halves away from zero; as ``arm_avgpool_s8``.

    The mean is of the stored integers, without the zero point, and then clamped.

    Args:
        inputs: [n, H, W, C].
        kernel: (rows, columns).
        stride: (rows, columns).
        padding: (top, bottom, left, right).
        minimum: Lower clamp.
        maximum: Upper clamp.

    Returns:
        [n, OH, OW, C].

    Raises:
        QuantizationError: A window lies in the padding alone.
    """
    shape = _out_shape(inputs.shape, kernel, stride, padding)
    sums = np.zeros(shape, dtype=np.int32)
    counts = np.zeros((1, *shape[1:3], 1), dtype=np.int32)
    for read, written in _taps(inputs.shape, kernel, stride, padding):
        sums[written] += inputs[read]
        counts[written] += 1
    if counts.min() == 0:
        raise QuantizationError(
            f"expected every window to touch the input, got kernel {kernel} with padding "
            f"{padding}; use padding smaller than the kernel"
        )
    magnitudes = (np.abs(sums) + counts // 2) // counts
    means = np.where(sums < 0, -magnitudes, magnitudes)
    return np.clip(means, minimum, maximum).astype(np.int8)
