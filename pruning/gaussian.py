"""What variational methods share: Gaussian noise that is learned, and what it costs.

Notation:

    symbol   meaning                                                        source
    q        N(theta, sigma^2), the posterior of one number
    alpha    sigma^2 / theta^2, noise over signal
    p        1 / |w|, the log-uniform prior (normal-Jeffreys of a scale)
    N        training images
    KL       KL(q || p) up to a constant: depends on alpha only             1701.05369, eq. 14
    k        0.63576, 1.87320, 1.48695                                      1701.05369, eq. 14

What the data does not hold in place gets noise for free: alpha grows without bound, and the number
may as well be 0.
"""

from math import log
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparse_search.batches import batch_count
from sparse_search.dataset import Dataset
from sparse_search.network import Linear, Unit
from sparse_search.training import TrainingConfig

_K1, _K2, _K3 = 0.63576, 1.87320, 1.48695
_LOG_ALPHA_RANGE = (-8.0, 8.0)
"""Outside of it the divergence hardly changes: its gradient is cut off."""
_SQUARE_EPSILON = 1e-8
_VARIANCE_EPSILON = 1e-12
_MEAN_RATE = 0.5
"""Of the one-cycle schedule, as a fraction of its peak."""


class NoiseSettings(Protocol):
    """How noise starts, and how its price rises."""

    @property
    def initial_log_alpha(self) -> float:
        """Of a weight of root mean square size in its layer, and of a scale of 1."""
        ...

    @property
    def ramp(self) -> float:
        """Fraction of the training in which the weight of the divergence rises to 1."""
        ...


def log_alpha(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Log of noise over signal, of the shape of the arguments."""
    return log_variance - torch.log(mean.square() + _SQUARE_EPSILON)


def log_uniform_divergence(log_alpha: Tensor) -> Tensor:
    """KL(q || p) of each number, 0 where the noise is infinite.

    >>> log_uniform_divergence(torch.tensor([-4.0, 0.0, 4.0])).tolist()
    [2.63..., 0.43..., 0.00...]
    """
    a = log_alpha.clamp(*_LOG_ALPHA_RANGE)
    return _K1 - _K1 * torch.sigmoid(_K2 + _K3 * a) + 0.5 * functional.softplus(-a)


def sampled_sums(
    linear: Linear, x: Tensor, mean: Tensor, variance: Tensor, generator: torch.Generator
) -> Tensor:
    """Sums of products with random weights, sampled as sums (local reparameterization).

    Each image has weights of its own, as in arXiv:1506.02557, without any being drawn: a sum of
    independent Gaussians is Gaussian.

    Args:
        linear: Sums of products of an input like ``x``.
        x: Input of an operator.
        mean: Of its weights.
        variance: Of its weights, of the same shape.
        generator: Source of the noise; of the processor, whatever the device.
    """
    centre = linear(x, mean)
    spread = torch.sqrt(linear(x.square(), variance) + _VARIANCE_EPSILON)
    return centre + spread * normal_like(centre, generator)


def normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers of the shape, and on the device, of ``x``."""
    drawn = torch.empty_like(x, device="cpu", requires_grad=False)
    return drawn.normal_(generator=generator).to(x.device)


def initial_log_variance(unit: Unit, log_alpha: float) -> nn.Parameter:
    """Equal variances of all weights: log alpha is that of a weight of root mean square size.

    Masked weights do not count.
    """
    weight = unit.weight.detach() if unit.mask is None else unit.weight.detach()[unit.mask > 0]
    square = float(weight.square().mean()) if weight.numel() else 0.0
    return nn.Parameter(torch.full_like(unit.weight, log_alpha + log(max(square, 1e-8))))


def ramped(progress: float, end: float) -> float:
    """Weight of the divergence at a progress in [0, 1]: rises linearly, then stays 1.

    >>> [ramped(p, 0.5) for p in (0.0, 0.25, 0.75)]
    [0.0, 0.5, 1.0]
    """
    return 1.0 if end <= 0 else min(1.0, progress / end)


def split_epochs(epochs: int, share: float) -> tuple[int, int]:
    """Epochs of the training with noise and of the fine-tuning after it; each has one if it can.

    >>> split_epochs(10, 0.6), split_epochs(2, 0.9), split_epochs(1, 0.5)
    ((6, 4), (1, 1), (1, 0))
    """
    noisy = min(max(1, round(share * epochs)), max(1, epochs - 1))
    return min(noisy, epochs), epochs - min(noisy, epochs)


def travel_rate(distance: float, dataset: Dataset, config: TrainingConfig) -> float:
    """The learning rate at which Adam can move a number by ``distance`` in a training.

    A step of Adam is about as large as the learning rate, whatever the gradient. Logarithms of
    variances have a known way to go: from little noise to more noise than signal. In a training of
    a hundred epochs that takes the 0.001 of the papers, in one of six epochs much more.

    Args:
        distance: Twenty natural logarithms, say.
        dataset: Its training split counts.
        config: Of the training.
    """
    steps = config.epochs * batch_count(len(dataset.train), config.batch_size)
    return distance / (_MEAN_RATE * max(1, steps))
