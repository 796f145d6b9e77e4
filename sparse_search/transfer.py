"""Copies weights from one network into another along maps of channels.

Notation:

    symbol   meaning                                                  shape
    s        source channel of each channel of the target, or -1      [n]
    r        share of the source channel that the target channel      [n]
             carries; shares of one source sum to 1

A target channel that copies a source channel passes on the same feature map. An operator that
reads copies scales its weights by the shares, so that the sum over the copies is what the source
network computed (Net2WiderNet, arXiv:1511.05641). A target channel with source -1 is new and keeps
its own initial weights.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .graph import Shape
from .network import Unit


@dataclass(frozen=True)
class ChannelMap:
    """Where the channels of a target tensor come from.

    Attributes:
        root: Name of the source operator that made the channels, or of the source's input.
        source: [n] source channel index, or -1.
        share: [n] fraction of the source channel carried, in (0, 1].
    """

    root: str
    source: NDArray[np.int64]
    share: NDArray[np.float64]

    @staticmethod
    def identity(root: str, count: int) -> "ChannelMap":
        """Every channel comes from the channel of the same index."""
        return ChannelMap(root, np.arange(count), np.ones(count))

    @staticmethod
    def overlap(root: str, count: int, source_count: int) -> "ChannelMap":
        """As far as both reach, channels come from those of the same index; the rest is new."""
        source = np.where(np.arange(count) < source_count, np.arange(count), -1)
        return ChannelMap(root, source, np.ones(count))

    def then(self, source: NDArray[np.int64], share: NDArray[np.float64]) -> "ChannelMap":
        """The map of channels that copy this map's channels ``source`` with ``share`` of each."""
        return ChannelMap(self.root, self.source[source], self.share[source] * share)


def duplicate(
    source_count: int, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Sources and shares that spread ``source_count`` channels over ``count`` >= of them.

    Copies get unequal random shares: equal ones would receive equal gradients for ever.
    """
    extra = rng.integers(0, source_count, count - source_count)
    source = np.concatenate([np.arange(source_count), extra])
    weight = rng.uniform(0.3, 0.7, count)
    total = np.bincount(source, weight, minlength=source_count)
    return source, weight / total[source]


def fit_kernel(weight: Tensor, kernel: tuple[int, int]) -> Tensor:
    """Crops a kernel [..., k_h, k_w] about its centre, or pads it with zeros."""
    for axis, size in ((-2, kernel[0]), (-1, kernel[1])):
        difference = size - weight.shape[axis]
        before = difference // 2 if difference >= 0 else -(-difference // 2)
        pad = [before, difference - before]
        weight = functional.pad(weight, [0, 0, *pad] if axis == -2 else pad)
    return weight


def fit_positions(weight: Tensor, size: tuple[int, int]) -> Tensor:
    """Moves dense weights [out, in, h, w] to another grid of positions.

    The sum over positions is kept, so a mean over positions and a flattened map are exchanged
    without a change where the map is constant.
    """
    height, width = weight.shape[2:]
    if (height, width) == size:
        return weight
    ratio = height * width / (size[0] * size[1])
    return functional.interpolate(weight, size, mode="area") * ratio


def importance(unit: Unit) -> NDArray[np.float64]:
    """How much each output channel matters: L1 norm of its weights under the batch norm."""
    scale, _ = unit.scale_and_shift()
    norm = unit.weight.detach().abs().flatten(1).sum(1) * scale.abs()
    return norm.double().numpy()


def weight_map(unit: Unit, shape: Shape | None) -> Tensor:
    """A view of the weights as [out, in, h, w].

    Args:
        unit: Weights of an operator.
        shape: (h, w, c) of the input of a dense operator; None for convolutions.
    """
    weight = unit.weight.detach()
    if shape is None:
        return weight
    return weight.view(-1, *shape).permute(0, 3, 1, 2)


def copy_weights(
    target: Tensor, source: Tensor, outputs: NDArray[np.int64], inputs: ChannelMap | None
) -> None:
    """Copies weights [out, in, h, w] along maps of their channels.

    Args:
        target: Written in place; entries without a source keep what they have.
        source: Weights with the target's kernel.
        outputs: [out] source channel of each output channel, or -1.
        inputs: Map of the input channels; None for depthwise weights, which have one.
    """
    rows = torch.from_numpy(np.flatnonzero(outputs >= 0))
    block = source[torch.from_numpy(outputs[outputs >= 0])]
    if inputs is None:
        target[rows] = block
        return
    columns = torch.from_numpy(np.flatnonzero(inputs.source >= 0))
    block = block[:, torch.from_numpy(inputs.source[inputs.source >= 0])]
    share = torch.from_numpy(inputs.share[inputs.source >= 0]).float()
    target[rows[:, None], columns[None]] = block * share.reshape(1, -1, 1, 1)


@torch.no_grad()
def copy_channel_parameters(target: Unit, source: Unit, outputs: NDArray[np.int64]) -> None:
    """Copies bias and batch norm of each output channel that has a source."""
    rows = torch.from_numpy(np.flatnonzero(outputs >= 0))
    from_rows = torch.from_numpy(outputs[outputs >= 0])
    for name in ("bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"):
        new, old = _parameter(target, name), _parameter(source, name)
        if new is not None and old is not None:
            new[rows] = old[from_rows]


def _parameter(unit: Unit, name: str) -> Tensor | None:
    parts = name.split(".")
    holder = unit.norm if len(parts) == 2 else unit
    return None if holder is None else getattr(holder, parts[-1])
