"""share_weights(network, ...): a network whose layers have few different weights, trained as such.

| symbol | meaning |
|---|---|
| w[c] | weights of output channel c |
| s[c] | max |w[c]| / 127, its scale |
| V | the 2^bits values of the layer, int8 levels; fitted again between two epochs |
| q(w) | s[c] v, where v is the value of V nearest to w / s[c] |

The forward pass multiplies with q(w), and the gradient goes to w as if q were the identity (deep
compression, arXiv:1510.00149, with the straight-through estimator, arXiv:1308.3432). Batch norm is
still there and learns along, so such a training moves much faster than one in int8 arithmetic,
where it is folded: it comes first, and ``quantization_aware`` trains away what is left.

The network ends with the values that its last epoch was trained with, and with the statistics of
batch norm that belong to them. Where a mean is large beside what differs between images, as behind
an average over the whole map, those of slightly other weights are of no use: a network of 1.8 %
error, rounded to 16 values, had 41 % with them, and has 2 % with its own.

The largest weight of a channel has to keep its level of 127, or its scale would change and its
levels with it; so that level is given an overwhelming importance.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .batch_norm import measure_statistics
from .builder import GREY
from .clustering import fit_codebook
from .dataset import Dataset
from .graph import Conv2d, Dense, WeightedOperator
from .network import Linear, Network, Unit, to_input
from .straight_through import straight_through
from .training import Criterion, Progress, TrainingConfig, train

_LARGEST = 127
_LARGEST_IMPORTANCE = 1000.0
_SCALE_MIN = 1e-9


def share_weights(
    network: Network,
    dataset: Dataset,
    config: TrainingConfig,
    calibration_images: NDArray[np.uint8],
    generator: torch.Generator,
    bits: int,
    *,
    criterion: Criterion | None = None,
) -> Network:
    """A copy in which the weights of each layer, over their channel's scale, have few values.

    Args:
        network: Trained and pruned. Its masks are kept: what is 0 stays 0.
        dataset: The training split is learned from.
        config: Of the training; weight decay is not applied. No epochs: weights are only moved to
            the nearest value.
        calibration_images: Of the training split, uint8 [n, H, W, C]: they give batch norm its
            statistics.
        generator: Source of everything random.
        bits: At most 2^bits values, 0 among them where some weights are pruned.
        criterion: What is minimised; None for the cross-entropy of the labels.

    Raises:
        TrainingDivergedError: The loss is not finite.
    """
    shared = network.copy()
    weights = _SharedWeights(shared, bits)

    def after_epoch(progress: Progress) -> bool:
        weights.fit()
        return True

    settings = replace(config, weight_decay=0.0)
    if config.epochs:
        train(
            shared,
            dataset,
            settings,
            generator,
            after_epoch=after_epoch,
            criterion=criterion,
            noise=weights,
        )
    weights.keep()
    measure_statistics(shared, to_input(calibration_images))
    return shared


class _SharedWeights:
    """What a forward pass multiplies with, in place of the weights; see ``network.Noise``."""

    learning_rate = 0.0

    def __init__(self, network: Network, bits: int) -> None:
        self._bits = bits
        self._units = {
            operator.name: unit
            for operator, unit in network
            if isinstance(operator, Conv2d | Dense) and operator.name != GREY
        }
        self._values: Mapping[str, Tensor] = {}
        self.fit()

    @torch.no_grad()
    def fit(self) -> None:
        """Chooses the values of each layer that are nearest to its weights now."""
        self._values = {name: self._fitted(unit) for name, unit in self._units.items()}

    @torch.no_grad()
    def keep(self) -> None:
        """Moves every weight to its value."""
        for name, unit in self._units.items():
            unit.weight.copy_(self._nearest(name, unit))

    def parameters(self) -> Iterable[nn.Parameter]:
        """None: values follow from the weights."""
        return ()

    def sums(self, operator: WeightedOperator, unit: Unit, x: Tensor, linear: Linear) -> Tensor:
        """Sums of products with q(w)."""
        if operator.name not in self._units:
            return linear(x, unit.weight)
        return linear(x, straight_through(unit.weight, self._nearest(operator.name, unit)))

    def output(self, operator: WeightedOperator, y: Tensor) -> Tensor:
        """As it is."""
        return y

    def penalty(self, progress: float) -> Tensor:
        """None."""
        return torch.zeros(())

    def _fitted(self, unit: Unit) -> Tensor:
        scale = _scales(unit)
        levels = (unit.weight / scale).round().cpu()
        importance = scale.square().expand_as(levels).cpu().clone()
        importance[levels.abs() == _LARGEST] *= _LARGEST_IMPORTANCE
        kept = torch.ones_like(levels) if unit.mask is None else unit.mask.cpu()
        chosen = kept != 0
        codebook = fit_codebook(
            levels[chosen].numpy().astype(np.int64),
            importance[chosen].numpy(),
            2**self._bits,
            with_zero=not bool(chosen.all()),
        )
        return torch.tensor(codebook.values, dtype=torch.float32, device=unit.weight.device)

    @torch.no_grad()
    def _nearest(self, name: str, unit: Unit) -> Tensor:
        """q(w), of the shape of the weights."""
        scale, values = _scales(unit), self._values[name]
        borders = (values[1:] + values[:-1]) / 2
        levels = (unit.weight / scale).contiguous()
        nearest = values[torch.bucketize(levels, borders)] * scale
        return nearest if unit.mask is None else nearest * unit.mask


def _scales(unit: Unit) -> Tensor:
    """The scale s of each output channel, to be broadcast over its weights."""
    weight = unit.weight.detach()
    largest = weight.flatten(1).abs().amax(dim=1).clamp_min(_SCALE_MIN)
    return (largest / _LARGEST).reshape(-1, *[1] * (weight.dim() - 1))
