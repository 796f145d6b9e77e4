"""Structured pruning: whole channels go, and with them every weight that makes or reads them.

Each channel group loses the same fraction, so the shape of the result, and with it size and
memory, are known before training. Within a group the channels with the smallest saliency go: the
sum over the group's producers of the L1 norm of a filter under its batch norm, each normalised by
its mean.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sparse_search.builder import GREY
from sparse_search.dataset import Dataset
from sparse_search.graph import Dense, DepthwiseConv2d, Graph
from sparse_search.network import Network
from sparse_search.training import TrainingConfig, train
from sparse_search.transfer import (
    ChannelMap,
    copy_channel_parameters,
    copy_weights,
    importance,
    weight_map,
)

from .groups import channel_groups, kept_channels


@dataclass(frozen=True, slots=True)
class ChannelPruner:
    """Removes the least salient channels of each group, then fine-tunes."""

    name: str = "channels"

    def predict(self, graph: Graph, sparsity: float) -> tuple[Graph, float]:
        """The graph with fewer channels; no weight of it is zero."""
        kept = {
            tensor: kept_channels(group.channels, sparsity)
            for group in channel_groups(graph)
            if not group.frozen
            for tensor in group.tensors
        }
        return graph.with_channels(kept), 0.0

    def prune(
        self,
        network: Network,
        dataset: Dataset,
        sparsity: float,
        config: TrainingConfig,
        generator: torch.Generator,
    ) -> Network:
        """A fine-tuned network with fewer channels."""
        smaller = cut(network, select_channels(network, sparsity))
        train(smaller, dataset, config, generator)
        return smaller


def select_channels(network: Network, sparsity: float) -> dict[str, NDArray[np.int64]]:
    """The channels of each tensor that stay, ascending; frozen groups keep all."""
    kept: dict[str, NDArray[np.int64]] = {}
    for group in channel_groups(network.graph):
        channels = np.arange(group.channels)
        if not group.frozen:
            saliency = np.zeros(group.channels)
            for name in group.producers:
                norm = importance(network.unit(name))
                saliency += norm / max(float(norm.mean()), 1e-12)
            count = kept_channels(group.channels, sparsity)
            channels = np.sort(np.argsort(-saliency, kind="stable")[:count])
        kept.update(dict.fromkeys(group.tensors, channels))
    return kept


@torch.no_grad()
def cut(network: Network, kept: dict[str, NDArray[np.int64]]) -> Network:
    """A copy of the network without the channels that are not kept.

    Args:
        network: Unchanged.
        kept: Ascending channel indices by tensor name, for every tensor.

    Returns:
        A network that computes what the argument would compute were the other channels zero.
    """
    graph = network.graph
    smaller = Network(graph.with_channels({t: len(indices) for t, indices in kept.items()}))
    for operator, unit in network:
        source = kept[operator.inputs[0]]
        outputs = kept[operator.output]
        inputs = ChannelMap(operator.inputs[0], source, np.ones(len(source)))
        target = smaller.unit(operator.name)
        shape = graph.shape(operator.inputs[0]) if isinstance(operator, Dense) else None
        new_shape = None if shape is None else (*shape[:2], len(source))
        channel_wise = isinstance(operator, DepthwiseConv2d)
        copy_weights(
            weight_map(target, new_shape),
            weight_map(unit, shape),
            outputs,
            None if channel_wise else inputs,
        )
        copy_channel_parameters(target, unit, outputs)
        if unit.mask is not None:
            target.mask = torch.zeros_like(target.weight)
            copy_weights(
                target.mask if new_shape is None else _as_map(target.mask, new_shape),
                unit.mask if shape is None else _as_map(unit.mask, shape),
                outputs,
                None if channel_wise else inputs,
            )
    if GREY in smaller.units:
        smaller.unit(GREY).requires_grad_(False)
    return smaller


def _as_map(mask: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    return mask.view(-1, *shape).permute(0, 3, 1, 2)
