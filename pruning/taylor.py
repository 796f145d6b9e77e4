"""Structured pruning by first-order Taylor saliency: what the loss says about a channel.

Notation (Molchanov et al. 2017, arXiv:1611.06440, eq. 8; as gates: arXiv:1906.10771):

    symbol   meaning                                                         shape
    z        gate of each channel of a group, 1; every operator of the       [n, channels]
             group multiplies its output, after batch norm and activation
    L        loss of an image
    s        mean over images of |dL/dz|                                     [channels]

Since y dL/dy = dL/dz at z = 1, s is the mean of |activation x gradient|, summed over all positions
and operators of the group before the absolute value: what one channel adds in two places may
cancel out. To first order it is the change of the loss when the channel is removed, biases and
batch norms included.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparse_search.candidate import PruningStep
from sparse_search.cutting import cut
from sparse_search.dataset import Dataset
from sparse_search.graph import Graph, WeightedOperator
from sparse_search.groups import ChannelGroup, channel_groups
from sparse_search.network import Linear, Network, Unit, to_input
from sparse_search.training import Criterion, TrainingConfig, cross_entropy, train

from .groups import keep, most_salient, predict_channels, written_by
from .steps import require_sparsity

_BATCH = 128


@dataclass(frozen=True, slots=True)
class TaylorPruner:
    """Removes the channels of each group that the loss depends on least, then fine-tunes.

    Attributes:
        name: Of the method.
        images: Training images that saliency is measured on; the mean settles with a few hundred.
    """

    name: str = "taylor"
    images: int = 1024

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
        rows = torch.randperm(len(dataset.train.labels), generator=generator)[: self.images].numpy()
        images, labels = dataset.train.images[rows], dataset.train.labels[rows]
        saliency = taylor_saliency(network.copy(), images, labels, criterion)

        def choose(group: ChannelGroup, count: int | None) -> NDArray[np.int64]:
            scores = saliency[group.tensors[0]]
            return most_salient(scores, len(scores) if count is None else count)

        smaller = cut(network, keep(network.graph, step, choose))
        train(smaller, dataset, config, generator, criterion=criterion)
        return smaller


def taylor_saliency(
    network: Network,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    criterion: Criterion | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Mean of |dL/dz| over images, [channels] by first tensor of each group that may shrink.

    Args:
        network: Is put into evaluation, so that images do not depend on each other.
        images: [n, h, w, c] of bytes.
        labels: [n].
        criterion: What is minimised; None for the cross-entropy.
    """
    network.eval()
    criterion = criterion or cross_entropy()
    groups = {
        group.tensors[0]: group
        for group in channel_groups(network.graph)
        if not group.frozen and not group.parts
    }
    sums = {name: np.zeros(group.channels) for name, group in groups.items()}
    for start in range(0, len(images), _BATCH):
        x = to_input(images[start : start + _BATCH])
        target = torch.tensor(labels[start : start + _BATCH])
        gates = {n: torch.ones(len(x), g.channels, requires_grad=True) for n, g in groups.items()}
        logits = network(x, None, Gates.of(network.graph, groups, gates))
        loss = criterion(logits, x, target) * len(x)
        found = torch.autograd.grad(loss, list(gates.values())) if gates else ()
        for name, gradient in zip(gates, found, strict=True):
            sums[name] += gradient.double().abs().sum(0).numpy()
    return {name: total / len(images) for name, total in sums.items()}


@dataclass(frozen=True)
class Gates:
    """Multiplies channels by gates, after everything that an operator does.

    Attributes:
        by_operator: Gates [n, channels] by operator name.
        learning_rate: Of parameters, which there are none of.
    """

    by_operator: Mapping[str, Tensor]
    learning_rate: float = 0.0

    @staticmethod
    def of(
        graph: Graph, groups: Mapping[str, ChannelGroup], gates: Mapping[str, Tensor]
    ) -> "Gates":
        """Gates of groups, for every operator that writes a tensor of theirs."""
        return Gates(
            {op.name: gates[n] for n, group in groups.items() for op in written_by(graph, group)}
        )

    def parameters(self) -> Iterable[nn.Parameter]:
        """None: gates are measured, not learned."""
        return ()

    def sums(self, operator: WeightedOperator, unit: Unit, x: Tensor, linear: Linear) -> Tensor:
        """As they are."""
        return linear(x, unit.weight)

    def output(self, operator: WeightedOperator, y: Tensor) -> Tensor:
        """The output, each channel times its gate."""
        gate = self.by_operator.get(operator.name)
        return y if gate is None else y * gate.reshape(*gate.shape, *[1] * (y.dim() - 2))

    def penalty(self, progress: float) -> Tensor:
        """Nothing."""
        return torch.zeros(())
