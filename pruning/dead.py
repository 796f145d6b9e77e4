"""Channels that unstructured pruning has left without use: they go, and nothing else changes.

A channel whose readers have no weight left for it is not needed. A channel that has no weight left
itself is a constant, its bias behind the activation: readers can add what it gives to their own
bias, and then do not need it either. Both save bias, multiplier and shift of the channel and
working memory, beside the weights that are gone already.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_search.graph import AvgPool2d, Conv2d, Dense, Graph, MaxPool2d, WeightedOperator
from sparse_search.groups import ChannelGroup, channel_groups
from sparse_search.network import Network, Unit

from .groups import cut


def without_dead_channels(network: Network) -> Network:
    """A copy that computes the same with the channels that it needs.

    Constant channels stay where a reader pads its input with zeros, and channels that are
    concatenated stay; at least one channel of a layer stays.
    """
    current = network.copy()
    while True:
        fold_constants(current)
        kept = _needed(current)
        shapes = current.graph.shape
        if all(len(channels) == shapes(tensor)[2] for tensor, channels in kept.items()):
            return current
        current = cut(current, kept)


@torch.no_grad()
def fold_constants(network: Network) -> None:
    """Moves what constant channels give to their readers into these, whose weights for them go."""
    graph = network.graph
    for group in channel_groups(graph):
        readers = _readers(graph, group)
        if readers is None or len(group.producers) != 1 or not _only_pooled(graph, group):
            continue
        producer = next(op for op in graph.weighted if op.name == group.producers[0])
        unit = network.unit(producer.name)
        constant = (unit.weight == 0).flatten(1).all(1)
        value = unit.scale_and_shift()[1]
        value = value.relu() if producer.activation == "relu" else value
        if any(isinstance(reader, Conv2d) and any(reader.padding) for reader in readers):
            constant &= value == 0
        for reader in readers:
            _drop_input(network.unit(reader.name), constant, value)


def _drop_input(unit: Unit, constant: Tensor, value: Tensor) -> None:
    """Replaces the channels [c] of an input that are constant by what they add to the sums."""
    sums = _by_channel(unit.weight, len(value)).sum(2)
    added = sums.T @ torch.where(constant, value, 0.0)
    if unit.norm is None:
        assert unit.bias is not None
        unit.bias.add_(added)
    else:
        assert unit.norm.running_mean is not None
        unit.norm.running_mean.sub_(added)
    if bool(constant.any()):
        dropped = constant.repeat(unit.weight.shape[1] // len(constant))
        if unit.mask is None:
            unit.mask = torch.ones_like(unit.weight)
        unit.mask[:, dropped] = 0.0
        unit.apply_mask()


def _by_channel(weights: Tensor, channels: int) -> Tensor:
    """Weights [out, in, k_h, k_w] or, fully connected, [out, (h, w, in)] as [in, out, others]."""
    parts = weights.reshape(len(weights), -1, channels, *weights.shape[2:])
    return parts.movedim(2, 0).flatten(2)


def _needed(network: Network) -> dict[str, NDArray[np.int64]]:
    """The channels of each tensor that any operator reads, ascending."""
    graph = network.graph
    kept: dict[str, NDArray[np.int64]] = {}
    for group in channel_groups(graph):
        read = np.ones(group.channels, dtype=np.bool_)
        readers = _readers(graph, group)
        if readers:
            read = np.zeros(group.channels, dtype=np.bool_)
            for reader in readers:
                weight = network.unit(reader.name).weight.detach()
                read |= _by_channel(weight != 0, group.channels).flatten(1).any(1).numpy()
            read[0] |= not read.any()
        kept.update(dict.fromkeys(group.tensors, np.flatnonzero(read)))
    return kept


def _readers(graph: Graph, group: ChannelGroup) -> list[WeightedOperator] | None:
    """The operators that sum over the channels of a group; None if the group may not change."""
    concatenated = {tensor for other in channel_groups(graph) for tensor in other.parts}
    if group.frozen or group.parts or concatenated.intersection(group.tensors):
        return None
    return [op for op in _summing(graph) if op.inputs[0] in group.tensors]


def _summing(graph: Graph) -> Iterator[Conv2d | Dense]:
    yield from (op for op in graph.weighted if isinstance(op, Conv2d | Dense))


def _only_pooled(graph: Graph, group: ChannelGroup) -> bool:
    """Whether all tensors of a group but the first are poolings of it."""
    made = [op for op in graph.operators if op.output in group.tensors[1:]]
    return all(isinstance(op, MaxPool2d | AvgPool2d) for op in made)
