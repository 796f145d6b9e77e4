"""Noise of whole channels and input features: the posterior of Bayesian compression.

Notation (Louizos, Ullrich & Welling 2017, arXiv:1705.08665, section 4.1):

    symbol      meaning                                                    shape
    z           scale of a group's channels, or of the features that a     [channels] or
                fully connected operator reads; N(mu, sigma_z^2)           [features]
    log alpha   log sigma_z^2 - log mu^2
    w           weights; q(w | z) = N(z m, z^2 s^2), p(w | z) = N(0, z^2)  like the weights
    m           the weights of the network                                 like the weights

    KL(z)       log-uniform divergence of log alpha, for each scale
    KL(w | z)   (s^2 + m^2 - 1 - log s^2) / 2, for each weight

An operator multiplies its output by z after batch norm and activation: a batch norm would undo
what comes before it. All operators of a group, depthwise ones too, use the same sample, another
one for each image. mu is positive, since only then ReLU and pooling let it pass: its logarithm is
learned.
"""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from sparse_search.graph import Dense, Graph, WeightedOperator
from sparse_search.groups import channel_groups
from sparse_search.network import Linear, Network, Unit

from .gaussian import (
    NoiseSettings,
    initial_log_variance,
    log_uniform_divergence,
    normal_like,
    ramped,
    sampled_sums,
)
from .groups import written_by

_MEAN_PACE = 0.25
"""How fast logarithms of means move, relative to those of variances: these have far to go, but a
mean that moves as fast disturbs what the network has learned."""


class Scales:
    """The random scales z of the channels of a group, or of the features of an operator."""

    def __init__(self, count: int, log_alpha: float) -> None:
        self.learned_mean = nn.Parameter(torch.zeros(count))
        self.log_variance = nn.Parameter(torch.full((count,), log_alpha))

    @property
    def log_mean(self) -> Tensor:
        """Log mu, [count]."""
        return _MEAN_PACE * self.learned_mean

    @property
    def mean(self) -> Tensor:
        """Mu, [count]."""
        return self.log_mean.exp()

    @property
    def log_alpha(self) -> Tensor:
        """Noise over signal, [count]."""
        return self.log_variance - 2.0 * self.log_mean

    def sample(self, images: int, generator: torch.Generator) -> Tensor:
        """A sample of z for each image, [images, count]."""
        noise = normal_like(self.log_variance.detach().expand(images, -1), generator)
        return self.mean + torch.exp(0.5 * self.log_variance) * noise


class ChannelNoise:
    """Random scales of channels and features, and random weights.

    Attributes:
        channels: Scales by first tensor of each channel group that may shrink.
        features: Scales by name of each fully connected operator that ``reads_features``.
        learning_rate: Peak, of all parameters.
    """

    def __init__(
        self,
        network: Network,
        settings: NoiseSettings,
        learning_rate: float,
        images: int,
        generator: torch.Generator,
        *,
        features: bool,
    ) -> None:
        """Starts with scales of mean 1 and little noise.

        Args:
            network: Its weights are the means of the weights.
            settings: Initial noise and ramp.
            learning_rate: Peak.
            images: Number of training images.
            generator: Source of the noise.
            features: Whether features of fully connected operators have scales, too.
        """
        graph, start = network.graph, settings.initial_log_alpha
        self.learning_rate = learning_rate
        self.channels: dict[str, Scales] = {}
        self._root: dict[str, str] = {}
        for group in channel_groups(graph):
            operators = written_by(graph, group)
            if operators and not group.frozen and not group.parts:
                self.channels[group.tensors[0]] = Scales(group.channels, start)
                self._root |= {op.name: group.tensors[0] for op in operators}
        self.features = {
            op.name: Scales(graph.tensor(op.inputs[0]).size, start)
            for op in graph.weighted
            if features and reads_features(graph, op)
        }
        self._units = {op.name: unit for op, unit in network if unit.weight.requires_grad}
        self._log_variance = {
            name: initial_log_variance(unit, start) for name, unit in self._units.items()
        }
        self._samples: dict[str, Tensor] = {}
        self._ramp, self._images, self._generator = settings.ramp, images, generator

    def _scales(self) -> Iterator[Scales]:
        yield from self.channels.values()
        yield from self.features.values()

    def parameters(self) -> Iterable[nn.Parameter]:
        """Of the scales, and log s^2 of each operator."""
        for scales in self._scales():
            yield from (scales.learned_mean, scales.log_variance)
        yield from self._log_variance.values()

    def sums(self, operator: WeightedOperator, unit: Unit, x: Tensor, linear: Linear) -> Tensor:
        """Sums of products of scaled features with weights from their posterior."""
        if operator.name in self.features:
            x = x * self.features[operator.name].sample(len(x), self._generator)
        if operator.name not in self._log_variance:
            return linear(x, unit.weight)
        variance = self._log_variance[operator.name].exp()
        if unit.mask is not None:
            variance = variance * unit.mask
        return sampled_sums(linear, x, unit.weight, variance, self._generator)

    def output(self, operator: WeightedOperator, y: Tensor) -> Tensor:
        """The output, each channel times its scale: that of the group's first operator."""
        root = self._root.get(operator.name)
        if root is None:
            return y
        if operator.output == root:
            self._samples[root] = self.channels[root].sample(len(y), self._generator)
        z = self._samples[root]
        return y * z.reshape(*z.shape, *[1] * (y.dim() - 2))

    def penalty(self, progress: float) -> Tensor:
        """The divergence of all scales and weights over N, once the ramp is over."""
        total = torch.zeros(())
        for scales in self._scales():
            total = total + log_uniform_divergence(scales.log_alpha).sum()
        for name, unit in self._units.items():
            log_variance = self._log_variance[name]
            divergence = log_variance.exp() + unit.weight.square() - 1.0 - log_variance
            total = total + 0.5 * _kept(unit, divergence).sum()
        return total * (ramped(progress, self._ramp) / self._images)


def _kept(unit: Unit, values: Tensor) -> Tensor:
    return values if unit.mask is None else values * unit.mask


def reads_features(graph: Graph, operator: WeightedOperator) -> bool:
    """Whether what a fully connected operator reads is more than the channels of a vector.

    That is a flattened map, a concatenation, or what is frozen, as the network's input: there
    single inputs may go that no channel group stands for.
    """
    if not isinstance(operator, Dense):
        return False
    source = operator.inputs[0]
    group = next(group for group in channel_groups(graph) if source in group.tensors)
    return group.frozen or bool(group.parts) or graph.tensor(source).size > group.channels


@torch.no_grad()
def fold_means(network: Network, noise: ChannelNoise) -> None:
    """Multiplies what makes a channel, or reads a feature, by the mean of its scale.

    The network then computes by itself what it computed with each z at its mean.
    """
    for group in channel_groups(network.graph):
        if group.tensors[0] in noise.channels:
            mean = noise.channels[group.tensors[0]].mean
            for operator in written_by(network.graph, group):
                _scale_outputs(network.unit(operator.name), mean)
    for name, scales in noise.features.items():
        network.unit(name).weight.mul_(scales.mean)


def _scale_outputs(unit: Unit, factor: Tensor) -> None:
    """Multiplies each output channel by a positive factor [out_c]."""
    if unit.norm is not None:
        unit.norm.weight.mul_(factor)
        unit.norm.bias.mul_(factor)
        return
    unit.weight.mul_(factor.reshape(-1, *[1] * (unit.weight.dim() - 1)))
    if unit.bias is not None:
        unit.bias.mul_(factor)


@torch.no_grad()
def mask_features(network: Network, dead: Mapping[str, Tensor]) -> None:
    """Masks columns of fully connected operators.

    Args:
        network: Its masks are extended.
        dead: [features] true where a feature goes, by operator name.
    """
    for name, columns in dead.items():
        unit = network.unit(name)
        mask = torch.ones_like(unit.weight) if unit.mask is None else unit.mask
        unit.mask = mask * (~columns).to(mask.dtype)
        unit.apply_mask()
