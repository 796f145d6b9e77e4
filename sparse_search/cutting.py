"""Cutting channels out of a trained network: those that were not chosen, and those without use.

Unstructured pruning leaves channels without use. A channel whose readers have no weight left for it
is not needed. A channel that has no weight left itself is a constant, its bias behind the
activation: readers can add what it gives to their own bias, and then do not need it either. Both
save bias, multiplier and shift of the channel and working memory, beside the weights that are gone
already.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .builder import GREY
from .graph import (
    AvgPool2d,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Shape,
    WeightedOperator,
)
from .groups import ChannelGroup, channel_groups
from .network import Network, Unit
from .transfer import ChannelMap, copy_channel_parameters, copy_weights, weight_map


@torch.no_grad()
def cut(network: Network, kept: Mapping[str, NDArray[np.int64]]) -> Network:
    """A copy of the network without the channels that are not kept.

    Args:
        network: Unchanged.
        kept: Ascending channel indices by tensor name, for every tensor.

    Returns:
        A network that computes what the argument would compute were the other channels zero. Its
        masks are those of the argument; only where they would leave nothing of a layer, one
        weight may learn again.
    """
    graph = network.graph
    smaller = Network(graph.with_channels({t: len(indices) for t, indices in kept.items()}))
    for operator, unit in network:
        source = kept[operator.inputs[0]]
        outputs = kept[operator.output]
        inputs = ChannelMap(operator.inputs[0], source)
        target = smaller.unit(operator.name)
        shape = _dense_input(graph, operator)
        new_shape = None if shape is None else (*shape[:2], len(source))
        channel_wise = isinstance(operator, DepthwiseConv2d)
        copied = [(target.weight.detach(), unit.weight.detach())]
        if unit.mask is not None:
            target.mask = torch.zeros_like(target.weight)
            copied.append((target.mask, unit.mask))
        for new, old in copied:
            copy_weights(
                weight_map(new, new_shape),
                weight_map(old, shape),
                outputs,
                None if channel_wise else inputs,
            )
        copy_channel_parameters(target, unit, outputs)
        _revive(target)
    if GREY in smaller.units:
        smaller.unit(GREY).requires_grad_(False)
    return smaller


def _revive(unit: Unit) -> None:
    """Lets one weight learn, which is 0, where all are masked: no layer is ever empty."""
    if unit.mask is not None and not bool(unit.mask.any()):
        unit.mask[(0,) * unit.mask.dim()] = 1.0


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
    for group, readers in _changeable(graph):
        if len(group.producers) != 1 or not _only_pooled(graph, group):
            continue
        producer = next(op for op in graph.weighted if op.name == group.producers[0])
        unit = network.unit(producer.name)
        constant = (unit.weight == 0).flatten(1).all(1)
        value = unit.scale_and_shift()[1]
        value = value.relu() if producer.activation == "relu" else value
        if any(isinstance(reader, Conv2d) and any(reader.padding) for reader in readers):
            constant &= value == 0
        if bool(constant.any()):
            for reader in readers:
                _drop_input(network.unit(reader.name), _dense_input(graph, reader), constant, value)


def _drop_input(unit: Unit, shape: Shape | None, constant: Tensor, value: Tensor) -> None:
    """Replaces the channels [c] of an input that are constant by what they add to the sums."""
    sums = weight_map(unit.weight, shape).flatten(2).sum(2)
    added = sums @ torch.where(constant, value, 0.0)
    if unit.norm is None:
        assert unit.bias is not None
        unit.bias.add_(added)
    else:
        assert unit.norm.running_mean is not None
        unit.norm.running_mean.sub_(added)
    if unit.mask is None:
        unit.mask = torch.ones_like(unit.weight)
    weight_map(unit.mask, shape)[:, constant] = 0.0
    unit.apply_mask()


def _needed(network: Network) -> dict[str, NDArray[np.int64]]:
    """The channels of each tensor that stay, ascending: those that any operator reads."""
    graph = network.graph
    kept = {tensor.name: np.arange(tensor.shape[2]) for tensor in graph.tensors}
    for group, readers in _changeable(graph):
        read = torch.zeros(group.channels, dtype=torch.bool)
        for reader in readers:
            nonzero = network.unit(reader.name).weight != 0
            read |= weight_map(nonzero, _dense_input(graph, reader)).flatten(2).any(2).any(0)
        read[0] |= not bool(read.any())
        kept.update(dict.fromkeys(group.tensors, np.flatnonzero(read.numpy())))
    return kept


def _changeable(graph: Graph) -> Iterator[tuple[ChannelGroup, list[Conv2d | Dense]]]:
    """The groups that may lose channels, with the operators that sum over these."""
    groups = channel_groups(graph)
    concatenated = {tensor for group in groups for tensor in group.parts}
    summing = [op for op in graph.weighted if isinstance(op, Conv2d | Dense)]
    for group in groups:
        readers = [op for op in summing if op.inputs[0] in group.tensors]
        fixed = group.frozen or group.parts or concatenated.intersection(group.tensors)
        if readers and not fixed:
            yield group, readers


def _dense_input(graph: Graph, operator: WeightedOperator) -> Shape | None:
    """The shape of what a fully connected operator reads; None for others."""
    return graph.shape(operator.inputs[0]) if isinstance(operator, Dense) else None


def _only_pooled(graph: Graph, group: ChannelGroup) -> bool:
    """Whether all tensors of a group but the first are poolings of it."""
    made = [op for op in graph.operators if op.output in group.tensors[1:]]
    return all(isinstance(op, MaxPool2d | AvgPool2d) for op in made)
