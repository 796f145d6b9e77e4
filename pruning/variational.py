"""Unstructured pruning by sparse variational dropout: training finds out how much can go.

Notation (Molchanov et al. 2017, arXiv:1701.05369):

    symbol      meaning                                                  shape
    theta       mean of a weight: the weight of the network              like the weights
    sigma^2     variance of a weight, learned                            like the weights
    log alpha   log sigma^2 - log theta^2; above 3, noise is 95 % of it  like the weights

A weight is N(theta, sigma^2), in the additive parametrization (eq. 12), and a sum of products is
sampled instead of the weights. The loss is that of the data plus KL(q || p) / N, whose weight
rises from 0: at first the network must fit.

The first part of the epochs trains with noise; then the weights of largest log alpha go, and the
rest of the epochs fine-tunes what remains without noise. Nothing decays weights while there is
noise: the prior takes that place, and is indifferent to scale.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset
from sparse_search.graph import Graph, WeightedOperator
from sparse_search.network import Linear, Network, Unit
from sparse_search.training import Criterion, TrainingConfig, train

from .gaussian import (
    NoiseSettings,
    initial_log_variance,
    log_alpha,
    log_uniform_divergence,
    ramped,
    sampled_sums,
    split_epochs,
    travel_rate,
)
from .groups import exceptions
from .selection import above_masked, lowest_masked, predict_shared, prunable, set_masks
from .steps import check_either


@dataclass(frozen=True, slots=True)
class VariationalPruner:
    """Learns how much noise each weight bears, and removes those that are mostly noise.

    Attributes:
        name: Of the method.
        noise_share: Fraction of the epochs that trains with noise. Log alpha of useless weights
            takes longer to grow than the rest to recover.
        ramp: Fraction of those epochs in which the weight of the divergence rises to 1. Without
            it, weights that a network has not learned to use yet are lost for ever.
        initial_log_alpha: Of a weight of root mean square size in its layer. Little noise, so that
            a trained network still works, and within the range in which it can grow: with batch
            norm the scale of weights is arbitrary, so that it is not a fixed variance.
        distance: How far log sigma^2 can move; see ``travel_rate``. With more, a brief
            training removes more and loses more.
    """

    name: str = "variational"
    noise_share: float = 0.6
    ramp: float = 0.3
    initial_log_alpha: float = -5.0
    distance: float = 20.0

    def predict(self, graph: Graph, step: PruningStep) -> tuple[Graph, Mapping[str, float]]:
        """The same graph, and the fraction of each operator's weights that will be zero.

        It is exact for exceptions, and for the others together, taken to be spread evenly. With a
        threshold nothing is known of the others before training: that none goes is a bound.
        """
        check_either(step)
        return graph, predict_shared(graph, step)

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
        """A copy without the weights that are mostly noise, fine-tuned without noise."""
        check_either(step)
        own = exceptions(network.graph, step)
        pruned = network.copy()
        epochs, rest = split_epochs(config.epochs, self.noise_share)
        noisy = replace(config, epochs=epochs, weight_decay=0.0)
        rate = travel_rate(self.distance, dataset, noisy)
        noise = WeightNoise(pruned, self, rate, len(dataset.train.labels), generator)
        train(pruned, dataset, noisy, generator, criterion=criterion, noise=noise)
        set_masks(pruned, select(pruned, noise.log_alpha(), step, own))
        train(pruned, dataset, config.with_epochs(rest), generator, criterion=criterion)
        return pruned


def select(
    network: Network, log_alpha: Mapping[str, Tensor], step: PruningStep, own: Mapping[str, float]
) -> dict[str, Tensor | None]:
    """Masks of the weights of largest log alpha, by operator name.

    Args:
        network: What is pruned.
        log_alpha: Like the weights, by name of the operators whose weights may go.
        step: A sparsity or a threshold.
        own: Sparsity of operators that have their own, by name.
    """
    units = prunable(network)
    if step.threshold is None:
        scores = {name: -values for name, values in log_alpha.items()}
        return lowest_masked(units, scores, own, step.sparsity)
    fixed = {name: unit for name, unit in units.items() if name in own}
    free = {name: unit for name, unit in units.items() if name not in own}
    return {
        **lowest_masked(fixed, {name: -log_alpha[name] for name in fixed}, own, 0.0),
        **above_masked(free, log_alpha, step.threshold),
    }


class WeightNoise:
    """Gaussian noise of every weight that may go and is not masked."""

    def __init__(
        self,
        network: Network,
        settings: NoiseSettings,
        learning_rate: float,
        images: int,
        generator: torch.Generator,
    ) -> None:
        """Starts with little noise.

        Args:
            network: Its weights are the means.
            settings: Initial noise and ramp.
            learning_rate: Peak, of log sigma^2.
            images: Number of training images, N.
            generator: Source of the noise.
        """
        self.learning_rate = learning_rate
        self.units = prunable(network)
        self.log_variance = {
            name: initial_log_variance(unit, settings.initial_log_alpha)
            for name, unit in self.units.items()
        }
        self._ramp = settings.ramp
        self._images = images
        self._generator = generator

    def parameters(self) -> Iterable[nn.Parameter]:
        """Log sigma^2 of each operator."""
        return self.log_variance.values()

    def sums(self, operator: WeightedOperator, unit: Unit, x: Tensor, linear: Linear) -> Tensor:
        """Sums of products with weights from their posterior."""
        if operator.name not in self.log_variance:
            return linear(x, unit.weight)
        variance = self.log_variance[operator.name].exp()
        if unit.mask is not None:
            variance = variance * unit.mask
        return sampled_sums(linear, x, unit.weight, variance, self._generator)

    def output(self, operator: WeightedOperator, y: Tensor) -> Tensor:
        """As it is."""
        return y

    def penalty(self, progress: float) -> Tensor:
        """KL(q || p) / N of all weights, once the ramp is over."""
        total: Tensor | int = 0
        for name, unit in self.units.items():
            divergence = log_uniform_divergence(log_alpha(unit.weight, self.log_variance[name]))
            total = total + (divergence if unit.mask is None else divergence * unit.mask).sum()
        return torch.as_tensor(total) * (ramped(progress, self._ramp) / self._images)

    def log_alpha(self) -> dict[str, Tensor]:
        """Noise over signal like the weights, by operator name."""
        return {
            name: log_alpha(unit.weight.detach(), self.log_variance[name].detach())
            for name, unit in self.units.items()
        }
