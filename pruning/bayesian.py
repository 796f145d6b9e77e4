"""Structured pruning by Bayesian compression: training finds out which channels can go.

Louizos, Ullrich & Welling 2017, arXiv:1705.08665, with the normal-Jeffreys prior of groups; the
notation is that of ``channel_noise``. A group of weights is what makes one channel of a channel
group, or what reads one input of a fully connected operator that flattens a map, or reads a
concatenation or the network's input.

The first part of the epochs trains with noise. Then the means of the scales are folded into the
weights, channels of large log alpha are cut and features masked, and the rest of the epochs
fine-tunes what remains without noise.

Thresholds are lower than those of variational dropout, -3 to 0: log alpha of a useless channel
hardly rises above 1, since its weights are noise themselves by then. The shorter the training, the
less of the gap has opened; a threshold of 0 takes nothing that is used.

The paper has scales on the filters of a convolution and on the inputs of a fully connected layer.
Here every channel has one, after its batch norm, and inputs have one where no channel stands for
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_search.candidate import PruningStep
from sparse_search.cutting import cut
from sparse_search.dataset import Dataset
from sparse_search.graph import Graph
from sparse_search.groups import ChannelGroup
from sparse_search.network import Network
from sparse_search.training import Criterion, TrainingConfig, train

from .channel_noise import ChannelNoise, fold_means, mask_features
from .gaussian import split_epochs, travel_rate
from .groups import exceptions, keep, most_salient, predict_channels
from .steps import check_either


@dataclass(frozen=True, slots=True)
class BayesianPruner:
    """Learns how much noise each channel and input feature bears, and removes what is noise.

    Attributes:
        name: Of the method.
        noise_share: Fraction of the epochs that trains with noise.
        ramp: Fraction of those epochs in which the weight of the divergence rises to 1.
        initial_log_alpha: Of scales, and of a weight of root mean square size in its layer.
        distance: How far logarithms of variances can move; see ``travel_rate``. With more, a brief
            training removes more and loses more.

    Weights are random too, as in the paper. That doubles the time of a step, and is what makes
    scales of channels that are not used stand apart.
    """

    name: str = "bayesian"
    noise_share: float = 0.5
    ramp: float = 0.3
    initial_log_alpha: float = -5.0
    distance: float = 20.0

    def predict(self, graph: Graph, step: PruningStep) -> tuple[Graph, Mapping[str, float]]:
        """The graph with fewer channels; no weight of it is known to be zero.

        With a threshold nothing is known before training, but of groups with an exception: that
        no other channel and no feature goes is a bound.
        """
        check_either(step)
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
        """A network with fewer channels, fine-tuned without noise.

        A sparsity removes channels, as every structured method does. A threshold also masks
        features.
        """
        check_either(step)
        exceptions(network.graph, step)  # Before hours of training, not after.
        trained = network.copy()
        epochs, rest = split_epochs(config.epochs, self.noise_share)
        noisy = replace(config, epochs=epochs, weight_decay=0.0)
        noise = ChannelNoise(
            trained,
            self,
            travel_rate(self.distance, dataset, noisy),
            len(dataset.train.labels),
            generator,
            features=step.threshold is not None,
        )
        train(trained, dataset, noisy, generator, criterion=criterion, noise=noise)
        smaller = compress(trained, noise, step)
        train(smaller, dataset, config.with_epochs(rest), generator, criterion=criterion)
        return smaller


def compress(network: Network, noise: ChannelNoise, step: PruningStep) -> Network:
    """A copy without noise, and without the channels and features that are mostly noise."""
    folded = network.copy()
    fold_means(folded, noise)

    def choose(group: ChannelGroup, count: int | None) -> NDArray[np.int64]:
        order = noise.channels[group.tensors[0]].log_alpha.detach().double().numpy()
        if count is not None:
            return most_salient(-order, count)
        alive = order <= step.threshold
        return np.flatnonzero(alive | (order == order.min()))

    kept = keep(network.graph, step, choose)
    if step.threshold is not None:
        mask_features(folded, dead_features(network.graph, noise, kept, step.threshold))
    return cut(folded, kept)


def dead_features(
    graph: Graph, noise: ChannelNoise, kept: Mapping[str, NDArray[np.int64]], threshold: float
) -> dict[str, Tensor]:
    """Features that go, [features] by operator name; at least one of a kept channel stays.

    Args:
        graph: Before pruning.
        noise: After training.
        kept: Channels of each tensor that stay.
        threshold: Of log alpha.
    """
    dead = {}
    for operator in graph.weighted:
        if operator.name not in noise.features:
            continue
        log_alpha = noise.features[operator.name].log_alpha.detach()
        height, width, channels = graph.shape(operator.inputs[0])
        stays = torch.zeros(height * width, channels, dtype=torch.bool)
        stays[:, torch.from_numpy(kept[operator.inputs[0]])] = True
        best = log_alpha.masked_fill(~stays.flatten(), torch.inf).argmin()
        dead[operator.name] = (log_alpha > threshold).index_fill(0, best, False)
    return dead
