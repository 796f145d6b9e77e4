"""Copies weights from one network into another along maps of channels.

Notation:

    symbol   meaning                                                  shape
    s        source channel of each channel of the target, or -1      [n]

A target channel that copies a source channel passes on the same feature map. An operator that
reads copies splits its weight between them, so that the sum over the copies is what the source
network computed (Net2WiderNet, arXiv:1511.05641). A target channel with source -1 is new and keeps
its own initial weights.

Every weight is split in another proportion. With one proportion for a channel, as in the paper,
the gradients of two copies would be in proportion as well; an optimizer that normalises gradients,
as Adam does, would then change both alike for ever, and the wider network could do no more than
the narrow one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .graph import Shape
from .groups import ChannelGroup
from .network import Network, Unit

_SHARE_NOISE = 0.6
"""Standard deviation of shares: with 0.3 copies part slowly, with 1 the weights grow large."""


@dataclass(frozen=True)
class ChannelMap:
    """Where the channels of a target tensor come from.

    Attributes:
        root: Name of the source's channel group; empty where there is none.
        source: [n] source channel index, or -1.
    """

    root: str
    source: NDArray[np.int64]

    @staticmethod
    def identity(root: str, count: int) -> "ChannelMap":
        """Every channel comes from the channel of the same index."""
        return ChannelMap(root, np.arange(count))

    @staticmethod
    def new(count: int) -> "ChannelMap":
        """No channel has a source."""
        return ChannelMap("", np.full(count, -1))

    @staticmethod
    def overlap(root: str, count: int, source_count: int) -> "ChannelMap":
        """As far as both reach, channels come from those of the same index; the rest is new."""
        source = np.where(np.arange(count) < source_count, np.arange(count), -1)
        return ChannelMap(root, source)

    def then(self, source: NDArray[np.int64]) -> "ChannelMap":
        """The map of channels that copy this map's channels ``source``."""
        return ChannelMap(self.root, self.source[source])


@dataclass(frozen=True, eq=False)
class Part:
    """A flattened tensor among those that a fully connected operator reads.

    Attributes:
        shape: Of the tensor.
        channels: Where its channels come from.
        origin: Name of the source's tensor that it continues, before pooling; or empty.
    """

    shape: Shape
    channels: ChannelMap
    origin: str


def duplicate(source_count: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Sources of ``count`` channels: each of the ``source_count`` once, then copies at random."""
    extra = rng.integers(0, source_count, count - source_count)
    return np.concatenate([np.arange(source_count), extra])


def split(
    source: NDArray[np.int64], shape: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Random shares, also negative ones, in which weights are divided between copies.

    Args:
        source: [in] source of each channel.
        shape: (out, in, h, w) of the weights.
        rng: Source of randomness.

    Returns:
        Shares of this shape. Over the channels of one source they sum to 1.
    """
    shares = np.ones(shape, np.float32)
    copies = np.flatnonzero(np.bincount(source)[source] > 1)
    if len(copies):
        order = copies[np.argsort(source[copies], kind="stable")]
        first = np.flatnonzero(np.diff(source[order], prepend=-1))
        counts = np.diff(first, append=len(order))
        noise = rng.normal(0.0, _SHARE_NOISE, (shape[0], len(order), *shape[2:]))
        mean = np.add.reduceat(noise, first, axis=1) / counts.reshape(1, -1, 1, 1)
        even = np.repeat(1.0 / counts, counts).reshape(1, -1, 1, 1)
        shares[:, order] = even + noise - np.repeat(mean, counts, axis=1)
    return shares


def fit_kernel(weight: Tensor, kernel: tuple[int, int]) -> Tensor:
    """Crops a kernel [..., k_h, k_w] about its centre, or pads it with zeros."""
    for axis, size in ((-2, kernel[0]), (-1, kernel[1])):
        difference = size - weight.shape[axis]
        before = difference // 2 if difference >= 0 else -(-difference // 2)
        pad = [before, difference - before]
        weight = functional.pad(weight, [0, 0, *pad] if axis == -2 else pad)
    return weight


def fit_positions(weight: Tensor, size: tuple[int, int]) -> Tensor:
    """Moves dense weights [out, in, h, w] to another grid of positions, by the area they share.

    The sum over positions is kept, so a mean over positions and a flattened map are exchanged
    without a change where the map is constant.
    """
    if tuple(weight.shape[2:]) == size:
        return weight
    rows, columns = (_shares(*pair) for pair in zip(weight.shape[2:], size, strict=True))
    return torch.einsum("oihw,yh,xw->oiyx", weight, rows.to(weight), columns.to(weight))


def _shares(before: int, after: int) -> Tensor:
    """[after, before]: which part of each old position lies in each new one.

    >>> _shares(2, 3)
    tensor([[0.6667, 0.0000],
            [0.3333, 0.3333],
            [0.0000, 0.6667]])
    """
    old = torch.arange(before) / before
    new = torch.arange(after)[:, None] / after
    shared = torch.minimum(old + 1 / before, new + 1 / after) - torch.maximum(old, new)
    return shared.clamp_min(0.0) * before


def saliency(network: Network, group: ChannelGroup) -> NDArray[np.float64]:
    """How much each channel of a group matters: the sum over its producers, each of mean 1."""
    total = np.zeros(group.channels)
    for name in group.producers:
        norm = importance(network.unit(name))
        total += norm / max(float(norm.mean()), 1e-12)
    return total


def importance(unit: Unit) -> NDArray[np.float64]:
    """How much each output channel matters: L1 norm of its weights under the batch norm."""
    scale, _ = unit.scale_and_shift()
    norm = unit.weight.detach().abs().flatten(1).sum(1) * scale.abs()
    return norm.double().numpy()


def weight_map(weight: Tensor, shape: Shape | None, start: int = 0) -> Tensor:
    """A view of the weights as [out, in, h, w].

    Args:
        weight: Of an operator, or of equal shape.
        shape: (h, w, c) of what a dense operator reads; None for convolutions.
        start: Index of the first input of a dense operator that belongs to it.
    """
    if shape is None:
        return weight
    return weight[:, start : start + prod(shape)].view(-1, *shape).permute(0, 3, 1, 2)


def copy_weights(
    target: Tensor,
    source: Tensor,
    outputs: NDArray[np.int64],
    inputs: ChannelMap | None,
    rng: np.random.Generator | None = None,
) -> None:
    """Copies weights [out, in, h, w] along maps of their channels.

    Args:
        target: Written in place; output channels without a source keep what they have. What
            the others read of an input channel without a source is 0.
        source: Weights with the target's kernel.
        outputs: [out] source channel of each output channel, or -1.
        inputs: Map of the input channels; None for depthwise weights, which have one.
        rng: Divides what is read of a channel between its copies; None where there are none.
    """
    rows = torch.from_numpy(np.flatnonzero(outputs >= 0))
    block = source[torch.from_numpy(outputs[outputs >= 0])]
    if inputs is None:
        target[rows] = block
        return
    columns = torch.from_numpy(np.flatnonzero(inputs.source >= 0))
    block = block[:, torch.from_numpy(inputs.source[inputs.source >= 0])]
    if rng is not None:
        shares = split(inputs.source[inputs.source >= 0], tuple(block.shape), rng)
        block = block * torch.from_numpy(shares)
    target[rows] = 0.0
    target[rows[:, None], columns[None]] = block


def copy_dense(
    target: Tensor,
    source: Tensor,
    parts: Sequence[Part],
    source_parts: Sequence[Part],
    outputs: NDArray[np.int64],
    rng: np.random.Generator,
) -> None:
    """Copies the weights of a fully connected operator part by part.

    A part goes on reading what the source read of the same channels. What the source did not read
    weighs 0, so it changes nothing, and learns from the first step.

    Args:
        target: [out, in], overwritten.
        source: [source's out, source's in].
        parts: What the target reads, in order; the last one comes from the head.
        source_parts: The same of the source; their maps are identities.
        outputs: [out] source channel of each output channel.
        rng: Divides what is read of a channel between its copies.
    """
    pairs = _pair(parts, source_parts)
    if not pairs:
        # Everything is new: the head is read like the old one.
        pairs = [(len(parts) - 1, len(source_parts) - 1)]
    starts, source_starts = _starts(parts), _starts(source_parts)
    target.zero_()
    for i, j in pairs:
        part, old = parts[i], source_parts[j]
        channels = part.channels
        if channels.root != old.channels.root:
            channels = ChannelMap.overlap(old.channels.root, part.shape[2], old.shape[2])
        weight = weight_map(source, old.shape, source_starts[j])
        copy_weights(
            weight_map(target, part.shape, starts[i]),
            fit_positions(weight, part.shape[:2]),
            outputs,
            channels,
            rng,
        )


def _starts(parts: Sequence[Part]) -> list[int]:
    """Index of the first number of each part."""
    return [0, *accumulate(prod(part.shape) for part in parts)]


def _pair(parts: Sequence[Part], source_parts: Sequence[Part]) -> list[tuple[int, int]]:
    """Indices of the parts and of those of the source that they continue.

    Parts with the same origin come first, then parts with the same channels. The head, which is
    the last one of each, goes before the others.
    """
    pairs: list[tuple[int, int]] = []
    free = list(range(len(source_parts)))
    waiting = list(reversed(range(len(parts))))
    for same_origin in (True, False):
        for i in waiting.copy():
            part = parts[i]
            like = [
                (old.shape[:2] == part.shape[:2], j)
                for j, old in enumerate(source_parts)
                if j in free
                and old.channels.root == part.channels.root
                and (old.origin == part.origin or not same_origin)
            ]
            if like:
                found = max(like)[1]
                free.remove(found)
                waiting.remove(i)
                pairs.append((i, found))
    return pairs


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
