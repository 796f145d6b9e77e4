"""How an operator without a source starts: as the identity, or at zero."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from .graph import Conv2d, Dense, DepthwiseConv2d, WeightedOperator
from .network import Network, Unit


def start_as_identity(operator: WeightedOperator, unit: Unit, columns: NDArray[np.int64]) -> None:
    """Makes each output channel pass on one input channel, at the window's own position.

    In evaluation, that is: in training, the batch norm needs ``calibrate``.

    Args:
        operator: Whose weights they are; a fully connected one reads a vector.
        unit: Changed in place.
        columns: [out] input channel of each output channel; those with -1 keep their weights.
    """
    rows = torch.from_numpy(np.flatnonzero(columns >= 0))
    inputs = torch.from_numpy(columns[columns >= 0])
    if isinstance(operator, DepthwiseConv2d):
        inputs = torch.zeros_like(inputs)
    unit.weight[rows] = 0.0
    if isinstance(operator, Dense):
        unit.weight[rows, inputs] = 1.0
    else:
        row, column = _centre(operator)
        unit.weight[rows, inputs, row, column] = 1.0
    if unit.bias is not None:
        unit.bias[rows] = 0.0
    if unit.norm is not None:
        assert unit.norm.running_mean is not None
        assert unit.norm.running_var is not None
        unit.norm.running_mean[rows] = 0.0
        unit.norm.running_var[rows] = 1.0 - unit.norm.eps
        unit.norm.weight[rows] = 1.0
        unit.norm.bias[rows] = 0.0


def start_at_zero(unit: Unit) -> None:
    """Makes the output zero; the batch norm's factor, or else the weights, still have gradients."""
    if unit.norm is None:
        unit.weight.zero_()
    else:
        unit.norm.weight.zero_()
        unit.norm.bias.zero_()
    if unit.bias is not None:
        unit.bias.zero_()


@torch.no_grad()
def calibrate(
    network: Network, rows: Mapping[str, NDArray[np.int64]], images: NDArray[np.uint8]
) -> None:
    """Makes identities pass on their input in training as well, where batches are normalised.

    The statistics of each batch norm become those of what it reads, and its factor and offset undo
    them, so nothing changes in evaluation.

    Args:
        network: Changed in place.
        rows: Output channels that pass on a channel, by operator name.
        images: [n, h, w, c] for the statistics.
    """
    outputs = {op.name: op.output for op in network.graph.weighted}
    values = network.activations(images)
    for name, channels in rows.items():
        norm = network.unit(name).norm
        if norm is None:
            continue
        assert norm.running_mean is not None
        assert norm.running_var is not None
        seen = torch.from_numpy(values[outputs[name]][..., channels]).flatten(0, 2)
        mean, variance = seen.mean(0), seen.var(0, correction=0)
        index = torch.from_numpy(channels)
        norm.running_mean[index], norm.running_var[index] = mean, variance
        norm.weight[index], norm.bias[index] = torch.sqrt(variance + norm.eps), mean


def first_index(values: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the first occurrence of each wanted value; -1 where there is none.

    >>> first_index(np.array([4, 2, 4]), np.array([2, 4, 7])).tolist()
    [1, 0, -1]
    """
    place = {int(value): index for index, value in reversed(list(enumerate(values)))}
    return np.array([place.get(int(value), -1) for value in wanted], dtype=np.int64)


def _centre(operator: Conv2d | DepthwiseConv2d) -> tuple[int, int]:
    """The tap that reads the pixel at the window's own position."""
    top, bottom, left, right = operator.padding
    if (top, bottom, left, right) == (0, 0, 0, 0):
        return operator.kernel[0] // 2, operator.kernel[1] // 2
    return top, left
