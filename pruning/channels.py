"""Structured pruning: whole channels go, and with them every weight that makes or reads them.

Each channel group loses the same fraction, or that of an exception, so the shape of the result,
and with it size and memory, are known before training. Within a group the channels with the
smallest saliency go: the sum over the group's producers of the L1 norm of a filter under its batch
norm, each normalised by its mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sparse_search.candidate import PruningStep
from sparse_search.cutting import cut
from sparse_search.dataset import Dataset
from sparse_search.graph import Graph
from sparse_search.groups import ChannelGroup
from sparse_search.network import Network
from sparse_search.training import Criterion, TrainingConfig, train
from sparse_search.transfer import saliency

from .groups import keep, most_salient, predict_channels
from .steps import require_sparsity


@dataclass(frozen=True, slots=True)
class ChannelPruner:
    """Removes the least salient channels of each group, then fine-tunes."""

    name: str = "channels"

    def predict(self, graph: Graph, step: PruningStep) -> tuple[Graph, Mapping[str, float]]:
        """The graph with fewer channels; no weight of it is zero."""
        require_sparsity(step)
        return predict_channels(graph, step), {}

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
        require_sparsity(step)
        smaller = cut(network, select_channels(network, step))
        train(smaller, dataset, config, generator, criterion=criterion)
        return smaller


def select_channels(network: Network, step: PruningStep) -> dict[str, NDArray[np.int64]]:
    """The channels of each tensor that stay, ascending: the most salient of each group."""

    def choose(group: ChannelGroup, count: int | None) -> NDArray[np.int64]:
        scores = saliency(network, group)
        return most_salient(scores, len(scores) if count is None else count)

    return keep(network.graph, step, choose)
