"""FakeQuantizedNetwork: the int8 model as a trainable torch module (arXiv:1712.05877, section 3).

| symbol | meaning |
|---|---|
| z | a tensor minus its zero point: whole numbers, what integer operators multiply |
| s_in, s_out | scales of an operator's input and output tensors, fixed |
| s_w[c] | scale of the weights of channel c, fixed |
| v[c] | weights of channel c in units of u[c], a power of two: |v| <= 1 at the start; learned |
| M[c] | s_in s_w[c] / s_out |

    level = round(u v / s_w)        z_out = clamp(round(M (sum of level * z + bias)))

Levels come from ``levels``, where ``quantize`` gets them, sums of whole numbers are exact in
float32 up to 2^24, and M is applied with the two roundings of ``integer.rescale``. So the forward
is that of the integer model; only what float32 puts on the other side of a half is one step off.
Rounding and clamping keep the order of sums, so a max pooling takes the largest sum of each window
before them, as the kernels in C do, and they have less to do.

Ranges of tensors stay as calibration chose them. Learned ones (LSQ, arXiv:1902.08153) and learned
weight scales were no better in int8 or with codebooks of 2 bits, beyond the spread of seeds.

Backward every rounding is the identity, and what a clamp changed has no gradient (straight-through
estimator, arXiv:1308.3432). Batch norm is folded, with the statistics of the start. Units make one
learning rate fit channels of any size, and leave folded weights exactly what they were.
"""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .builder import GREY, is_compressible
from .clustering import Codebook, fit_codebook
from .errors import QuantizationError, TrainingDivergedError
from .graph import Add, AvgPool2d, Concat, Conv2d, Dense, MaxPool2d, WeightedOperator
from .integer import QuantizedWeights, TensorQuantization
from .levels import Levels, Reach, RealWeights, assign_levels, wide_enough
from .memory.fusion import Run, runs
from .network import (
    Dropout,
    Network,
    Noise,
    deployed_layout,
    linear_part,
    torch_layout,
    vectors,
)
from .quantized import QuantizedModel
from .straight_through import added, averaged, clamp, joined, rescaled, straight_through

# No training that learns something comes near; beyond them integers would overflow.
_UNITS_MAX = 2.0**16


class FakeQuantizedNetwork(nn.Module):
    """A network in the arithmetic of its int8 model; trained like a ``Network``."""

    def __init__(self, network: Network, start: QuantizedModel) -> None:
        """Takes weights and masks from a network, which is not changed.

        Args:
            network: Of a graph without padded pooling.
            start: The network quantized; ranges of tensors stay as they are here.
        """
        super().__init__()
        self.graph = start.graph
        self._codebook: Codebook | None = None
        self._runs = runs(start.graph)
        self._tensors = start.tensors
        self._layers = nn.ModuleDict(
            {
                op.name: _Layer(op, network, start.weights[op.name].scale, start.tensors[op.output])
                for op in self.graph.weighted
            }
        )
        self._clustered = [op.name for op in self.graph.weighted if is_compressible(op)]
        self._first_dense = next(
            (op.name for op in self.graph.weighted if isinstance(op, Dense)), None
        )

    def _layer(self, name: str) -> "_Layer":
        return cast(_Layer, self._layers[name])

    def model(self) -> QuantizedModel:
        """The int8 model that the forward stands for."""
        return self._levels().model()

    def fit_codebook(self, bits: int) -> None:
        """Restricts weights to at most 2^bits values in all, those that fit best now.

        Layers share them: one table is kept in flash. The squared error of each layer counts
        relative to its weights, so that none is neglected. Depthwise operators and the conversion
        to grey keep any value. Where there are pruned weights, 0 is one of the values.
        """
        self._codebook = None
        levels = self._levels().weights
        parts = [self._layer(name).kept_levels(levels[name]) for name in self._clustered]
        if parts:
            values, importance, pruned = zip(*parts, strict=True)
            self._codebook = fit_codebook(
                np.concatenate(values),
                np.concatenate(importance),
                2**bits,
                with_zero=any(pruned),
            )

    def apply_masks(self) -> None:
        """Sets every pruned weight to zero."""
        for layer in self._layers.values():
            cast(_Layer, layer).apply_mask()

    def _levels(self) -> Levels:
        def choose(name: str, reach: Reach) -> TensorQuantization:
            return wide_enough(self._tensors[name], reach)

        levels = assign_levels(self.graph, lambda op: self._layer(op.name).real_weights(), choose)
        weights = dict(levels.weights)
        if self._codebook is not None:
            for name in self._clustered:
                held = weights[name]
                weights[name] = replace(held, weights=self._codebook.nearest(held.weights))
        return Levels(self.graph, levels.tensors, weights)

    def forward(
        self, images: Tensor, dropout: Dropout | None = None, noise: Noise | None = None
    ) -> Tensor:
        """Logits [n, classes], multiples of their scale, of float images [n, c, h, w] in [0, 1].

        Args:
            images: Bytes divided by 255.
            dropout: Applied to what the first fully connected operator reads.
            noise: None: weights that are integers have none.
        """
        if noise is not None:
            raise QuantizationError("expected no noise on int8 weights; train a Network with it")
        levels = self._levels()
        z = {self.graph.input.name: (images * 255.0).round_()}
        for run in self._runs:
            z[run.output] = self._run(run, z, levels, dropout)
        output = self.graph.output.name
        return z[output].flatten(1) * levels.tensors[output].scale

    def _run(
        self, run: Run, z: dict[str, Tensor], levels: Levels, dropout: Dropout | None
    ) -> Tensor:
        operator = run.operator
        x, output = z[operator.inputs[0]], levels.tensors[operator.output]
        if isinstance(operator, MaxPool2d):
            return functional.max_pool2d(x, operator.kernel, operator.stride)
        if isinstance(operator, AvgPool2d):
            mean = functional.avg_pool2d(x, operator.kernel, operator.stride)
            return averaged(mean, output.zero_point)
        sources = [levels.tensors[name] for name in operator.inputs]
        if isinstance(operator, Concat):
            parts = [
                joined(vectors(z[name]), source, output)
                for name, source in zip(operator.inputs, sources, strict=True)
            ]
            return torch.cat(parts, dim=1)[:, :, None, None]
        lowest = 0 if operator.activation == "relu" else -128 - output.zero_point
        highest = 127 - output.zero_point
        if isinstance(operator, Add):
            scales = (sources[0], sources[1], output)
            return added(x, z[operator.inputs[1]], scales, lowest, highest)
        if isinstance(operator, Dense):
            x = vectors(x)
            if dropout is not None and operator.name == self._first_dense:
                x = dropout(x)
        layer, held = self._layer(operator.name), levels.weights[operator.name]
        weight, bias = layer.weight_and_bias(held, sources[0].scale)
        sums = linear_part(operator, x)(x, weight, bias)
        if run.pool is not None:
            sums = functional.max_pool2d(sums, run.pool.kernel, run.pool.stride)
        factor = torch.from_numpy(held.scale * (sources[0].scale / output.scale)).to(sums)
        smooth = sums * factor.reshape(-1, *[1] * (sums.dim() - 2))
        return clamp(smooth, rescaled(sums, held.multiplier, held.shift), lowest, highest)


class _Layer(nn.Module):
    """What is learned of one operator, and its levels as tensors with gradients."""

    mask: Tensor | None

    def __init__(
        self,
        operator: WeightedOperator,
        network: Network,
        scale: NDArray[np.float64],
        output: TensorQuantization,
    ) -> None:
        super().__init__()
        self._operator = operator
        self._scale = scale
        self._unit = np.exp2(np.ceil(np.log2(127 * scale)))
        self._bias_unit = float(np.exp2(np.ceil(np.log2(255 * output.scale))))
        weights, bias = network.folded(operator.name)
        learned = operator.name != GREY
        folded = torch_layout(operator, torch.from_numpy(weights))
        unit = torch.from_numpy(self._unit).float().reshape(-1, *[1] * (folded.dim() - 1))
        self.weight = nn.Parameter(folded / unit, learned)
        self.bias = nn.Parameter(torch.from_numpy(bias) / self._bias_unit, learned)
        mask = network.unit(operator.name).mask
        self.register_buffer("mask", None if mask is None else mask.clone())

    def apply_mask(self) -> None:
        """Sets the pruned weights to zero."""
        if self.mask is not None:
            with torch.no_grad():
                self.weight.mul_(self.mask)

    def real_weights(self) -> RealWeights:
        """Weights, biases and the wanted scale.

        Raises:
            TrainingDivergedError: One of them is not finite, or far from where it was.
        """
        weight = _float64(deployed_layout(self._operator, self.weight))
        bias = _float64(self.bias)
        largest = np.maximum(np.abs(weight).max(), np.abs(bias).max())
        if not largest <= _UNITS_MAX:
            raise TrainingDivergedError(
                f"{self._operator.name}: expected weights and biases of at most {_UNITS_MAX:g} "
                f"times their first range, got {largest:g}; a lower learning rate may help"
            )
        unit = self._unit
        if isinstance(self._operator, Conv2d | Dense):
            unit = unit.reshape(-1, *[1] * (weight.ndim - 1))
        return RealWeights(weight * unit, bias * self._bias_unit, self._scale)

    def kept_levels(
        self, held: QuantizedWeights
    ) -> tuple[NDArray[np.int8], NDArray[np.float64], bool]:
        """The levels of weights that are not pruned, their importance, and whether some are.

        Errors of importance 1 in all are as large as the weights themselves.
        """
        scale = held.scale.reshape(-1, *[1] * (held.weights.ndim - 1))
        importance = np.broadcast_to(scale**2, held.weights.shape)
        kept = np.ones(held.weights.shape, dtype=np.bool_)
        if self.mask is not None:
            kept = deployed_layout(self._operator, self.mask).cpu().numpy() != 0
        levels, importance = held.weights[kept], importance[kept]
        energy = float((importance * levels.astype(np.float64) ** 2).sum())
        return levels, importance / (energy or 1.0), not bool(kept.all())

    def weight_and_bias(self, held: QuantizedWeights, input_scale: float) -> tuple[Tensor, Tensor]:
        """Levels of weights and biases, with the gradients of what they were rounded from."""
        per_unit = self._tensor(self._unit / self._scale)
        smooth = self.weight * per_unit.reshape(-1, *[1] * (self.weight.dim() - 1))
        exact = torch_layout(self._operator, self._tensor(held.weights))
        weight = straight_through(smooth.clamp(-127.5, 127.5), exact)
        bias = self.bias * self._tensor(self._bias_unit / (input_scale * held.scale))
        return weight, straight_through(bias, self._tensor(held.bias))

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self.weight)


def _float64(values: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = values.detach().cpu().numpy().astype(np.float64)
    return array
