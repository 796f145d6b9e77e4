"""Convolution, depthwise convolution and fully connected operators on int8.

The sums of products run in floating point, because BLAS is fast there and exact: every product
and every partial sum is an integer of magnitude at most 255 * sum|w| (an input minus its zero
point lies in [-255, 255]). float32 holds all integers up to 2^24 and float64 up to 2^53, in
whatever order they are added and with or without fused multiply-add. ``exact_dtype`` chooses the
narrower type for which the bound holds. The bias is added afterwards, in int64.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..graph import Padding, window_count
from .arithmetic import Requantization

Int8 = NDArray[np.int8]
Reals = NDArray[np.floating[Any]]


def exact_dtype(weights: Int8, channel_axis: int) -> type[np.float32] | type[np.float64]:
    """The narrower floating type in which every sum over the weights of a channel is exact."""
    axes = tuple(a for a in range(weights.ndim) if a != channel_axis % weights.ndim)
    magnitudes = np.abs(weights.astype(np.int64)).sum(axis=axes)
    return np.float32 if 255 * int(magnitudes.max(initial=0)) <= 2**24 else np.float64


def centred(inputs: Int8, zero_point: int, padding: Padding, dtype: DTypeLike) -> Reals:
    """The inputs minus their zero point, with zeros around: padding is the zero point.

    Args:
        inputs: [n, H, W, C].
        zero_point: Of the inputs.
        padding: (top, bottom, left, right).
        dtype: Of the result.

    Returns:
        [n, top + H + bottom, left + W + right, C].
    """
    n, height, width, channels = inputs.shape
    top, bottom, left, right = padding
    shape = (n, top + height + bottom, left + width + right, channels)
    result: Reals = np.zeros(shape, dtype=dtype) if any(padding) else np.empty(shape, dtype=dtype)
    interior = result[:, top : top + height, left : left + width, :]
    interior[...] = inputs
    interior -= zero_point
    return result


def _tap(
    padded: Reals,
    row: int,
    column: int,
    out_size: tuple[int, int],
    stride: tuple[int, int],
) -> Reals:
    """The element at (row, column) of every window: [n, OH, OW, C], a view."""
    row_end = row + (out_size[0] - 1) * stride[0] + 1
    column_end = column + (out_size[1] - 1) * stride[1] + 1
    return padded[:, row : row_end : stride[0], column : column_end : stride[1], :]


def _out_size(
    padded: Reals, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, int]:
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    height, width = (
        window_count(size, span, step, (0, 0))
        for size, span, step in zip(padded.shape[1:3], spans, stride, strict=True)
    )
    return height, width


def conv2d(
    inputs: Int8,
    weights: Int8,
    bias: NDArray[np.int32],
    requantization: Requantization,
    *,
    input_zero_point: int,
    stride: tuple[int, int],
    padding: Padding,
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> Int8:
    """Convolution as ``arm_convolve_s8`` computes it.

    Args:
        inputs: [n, H, W, C].
        weights: [OC, KH, KW, C / groups].
        bias: [OC], at scale input scale * weight scale.
        requantization: From accumulators to outputs.
        input_zero_point: Also the value of the padding.
        stride: (rows, columns).
        padding: (top, bottom, left, right).
        dilation: (rows, columns) between neighbouring taps.
        groups: Groups of input channels, each seen by OC / groups consecutive outputs.

    Returns:
        [n, OH, OW, OC].
    """
    out_channels, kernel_height, kernel_width, group_channels = weights.shape
    dtype = exact_dtype(weights, 0)
    padded = centred(inputs, input_zero_point, padding, dtype)
    height, width = _out_size(padded, (kernel_height, kernel_width), stride, dilation)
    positions = len(inputs) * height * width
    matrix = weights.reshape(groups, out_channels // groups, -1).astype(dtype)
    accumulators = np.empty((positions, out_channels), dtype=dtype)
    columns = np.empty(
        (len(inputs), height, width, kernel_height, kernel_width, group_channels), dtype=dtype
    )
    for group in range(groups):
        read = slice(group * group_channels, (group + 1) * group_channels)
        written = slice(group * len(matrix[0]), (group + 1) * len(matrix[0]))
        for i in range(kernel_height):
            for j in range(kernel_width):
                tap = _tap(padded, i * dilation[0], j * dilation[1], (height, width), stride)
                columns[:, :, :, i, j, :] = tap[..., read]
        accumulators[:, written] = columns.reshape(positions, -1) @ matrix[group].T
    outputs = requantization(accumulators.astype(np.int64) + bias)
    return outputs.reshape(len(inputs), height, width, out_channels)


def depthwise_conv2d(
    inputs: Int8,
    weights: Int8,
    bias: NDArray[np.int32],
    requantization: Requantization,
    *,
    input_zero_point: int,
    stride: tuple[int, int],
    padding: Padding,
) -> Int8:
    """Depthwise convolution as ``arm_depthwise_conv_s8`` computes it.

    Args:
        inputs: [n, H, W, C].
        weights: [1, KH, KW, OC] with OC = C * m; output c * m + k reads input channel c.
        bias: [OC], at scale input scale * weight scale.
        requantization: From accumulators to outputs.
        input_zero_point: Also the value of the padding.
        stride: (rows, columns).
        padding: (top, bottom, left, right).

    Returns:
        [n, OH, OW, OC].
    """
    _, kernel_height, kernel_width, out_channels = weights.shape
    dtype = exact_dtype(weights, 3)
    padded = centred(inputs, input_zero_point, padding, dtype)
    height, width = _out_size(padded, (kernel_height, kernel_width), stride, (1, 1))
    multiplicity = out_channels // inputs.shape[3]
    accumulators = np.zeros((len(inputs), height, width, out_channels), dtype=dtype)
    for i in range(kernel_height):
        for j in range(kernel_width):
            tap = _tap(padded, i, j, (height, width), stride)
            if multiplicity > 1:
                tap = np.repeat(tap, multiplicity, axis=3)
            accumulators += tap * weights[0, i, j].astype(dtype)
    return requantization(accumulators.astype(np.int64) + bias)


def dense(
    inputs: Int8,
    weights: Int8,
    bias: NDArray[np.int32],
    requantization: Requantization,
    *,
    input_zero_point: int,
) -> Int8:
    """Fully connected operator as ``arm_fully_connected(_per_channel)_s8`` computes it.

    Args:
        inputs: [n, IN], in (height, width, channel) order.
        weights: [OUT, IN].
        bias: [OUT], at scale input scale * weight scale.
        requantization: From accumulators to outputs.
        input_zero_point: Of the inputs.

    Returns:
        [n, OUT].
    """
    dtype = exact_dtype(weights, 0)
    rows = centred(inputs[:, None, None, :], input_zero_point, (0, 0, 0, 0), dtype)[:, 0, 0, :]
    accumulators = rows @ weights.T.astype(dtype)
    return requantization(accumulators.astype(np.int64) + bias)
