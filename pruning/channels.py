"""Structured pruning: whole channels go, and with them every weight that makes or reads them.

Each channel group loses the same fraction, or that of an exception, so the shape of the result,
and with it size and memory, are known before training. Within a group the channels with the
smallest saliency go: the sum over the group's producers of the L1 norm of a filter under its batch
norm, each normalised by its mean. A group that the step does not reach is left whole: see
``ChannelGroup.frozen``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sparse_search.builder import GREY
from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset
from sparse_search.graph import Dense, DepthwiseConv2d, Graph
from sparse_search.groups import ChannelGroup
from sparse_search.network import Network
from sparse_search.training import Criterion, TrainingConfig, train
from sparse_search.transfer import (
    ChannelMap,
    copy_channel_parameters,
    copy_weights,
    saliency,
    weight_map,
)

from .groups import keep


@dataclass(frozen=True, slots=True)
class ChannelPruner:
    """Removes the least salient channels of each group, then fine-tunes."""

    name: str = "channels"

    def predict(self, graph: Graph, step: PruningStep) -> tuple[Graph, Mapping[str, float]]:
        """The graph with fewer channels; no weight of it is zero."""
        kept = keep(graph, step, lambda _, count: np.arange(count))
        return graph.with_channels({tensor: len(channels) for tensor, channels in kept.items()}), {}

    def prune(
        self,
        network: Network,
        dataset: Dataset,
        step: PruningStep,
        config: TrainingConfig,
        generator: torch.Generator,
        *,
        criterion: Criterion | None = None,
    ) -> Network:
        """A fine-tuned network with fewer channels."""
        smaller = cut(network, select_channels(network, step))
        train(smaller, dataset, config, generator, criterion=criterion)
        return smaller


def select_channels(network: Network, step: PruningStep) -> dict[str, NDArray[np.int64]]:
    """The channels of each tensor that stay, ascending: the most salient of each group."""

    def most_salient(group: ChannelGroup, count: int) -> NDArray[np.int64]:
        return np.sort(np.argsort(-saliency(network, group), kind="stable")[:count])

    return keep(network.graph, step, most_salient)


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
        inputs = ChannelMap(operator.inputs[0], source)
        target = smaller.unit(operator.name)
        shape = graph.shape(operator.inputs[0]) if isinstance(operator, Dense) else None
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
    if GREY in smaller.units:
        smaller.unit(GREY).requires_grad_(False)
    return smaller
