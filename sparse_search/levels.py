"""Levels: real weights and ranges as the integers of a QuantizedModel, so that sums fit in int32.

| symbol | meaning |
|---|---|
| s_in, s_out | scales of an operator's input and output tensors |
| s_w[c] | scale of the weights of output channel c, symmetric, zero point 0 |
| M[c] | s_in * s_w[c] / s_out, the factor from accumulator to output |
| bias unit | step of a bias (``integer.channels``): its accumulator's, or a fraction of s_out |
| reach | least and largest real value that a tensor can take, for any image |

Narrow channels are what flash holds in 3 bytes each and not 9: the s_w[c] of an operator differ by
powers of two and its biases are multiples of their unit. Readers of other formats need not know.

Every scale is a float32 number, as .tflite files hold them, and M is their quotient in double
precision: whoever reads the scales from a file gets the same multipliers, to the last bit.

This is the only place where a weight becomes an int8 level. Whoever decides about ranges and real
weights, calibration images or a training, passes them in and gets the same integers. A weight that
is exactly 0 stays 0, so a pruning mask survives.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .graph import (
    Activation,
    Add,
    AvgPool2d,
    Concat,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    WeightedOperator,
)
from .integer import (
    BIAS_STEPS_MAX,
    INPUT_QUANTIZATION,
    QuantizedWeights,
    TensorQuantization,
    channel_rows,
    narrow_biases,
    powers_of_two_apart,
)
from .integer.checks import INPUT_SPAN
from .quantized import QuantizedModel

Reals: TypeAlias = NDArray[np.floating[Any]]
Reach: TypeAlias = tuple[float, float]

# Limits of what a channel may reach, in accumulator and output steps; both leave int32 room for
# rounded weights and for the left shift.
_ACCUMULATOR_STEPS_MAX = 2.0**30
_OUTPUT_STEPS_MAX = 2.0**28
# Weights below this M contribute so little that a coarser scale costs less than half an output
# step; the bias keeps a resolution of 2^-20 steps, and M stays in CMSIS-NN's range.
_FACTOR_MIN = 2.0**-20


@dataclass(frozen=True, slots=True, eq=False)
class RealWeights:
    """What an operator multiplies with and adds, batch norm folded into both.

    Attributes:
        weights: float64 in CMSIS-NN's layout.
        bias: float64 [OC].
        scale: Wanted s_w, float64 [OC]; weights beyond 127 of it are clipped. None for the finest
            that clips nothing.
    """

    weights: Reals
    bias: Reals
    scale: Reals | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Everything that turns a graph into a QuantizedModel.

    Attributes:
        graph: What is computed.
        tensors: Quantization of every tensor by name.
        weights: By name of the weighted operator.
    """

    graph: Graph
    tensors: Mapping[str, TensorQuantization]
    weights: Mapping[str, QuantizedWeights]

    def model(self) -> QuantizedModel:
        """The model; raises QuantizationError where int32 arithmetic does not suffice."""
        return QuantizedModel(self.graph, self.tensors, self.weights)


def assign_levels(
    graph: Graph,
    real_weights: Callable[[WeightedOperator], RealWeights],
    choose: Callable[[str, Reach], TensorQuantization],
) -> Levels:
    """Ranges and integers of every tensor and operator, in execution order.

    Args:
        graph: What is computed.
        real_weights: Of an operator.
        choose: Range of the tensor of a name and a reach; not asked for the input, nor for the
            outputs of pooling, which keep their input's.
    """
    tensors = {graph.input.name: INPUT_QUANTIZATION}
    weights: dict[str, QuantizedWeights] = {}
    for operator in graph.operators:
        name = operator.output
        if isinstance(operator, MaxPool2d | AvgPool2d):
            tensors[name] = tensors[operator.inputs[0]]
        elif isinstance(operator, Add | Concat):
            sources = [tensors[source] for source in operator.inputs]
            tensors[name] = choose(name, _join_reach(operator, sources)).single()
        else:
            real, scale = real_weights(operator), tensors[operator.inputs[0]].scale
            reach = _channel_reach(real, operator, scale)
            wanted = choose(name, _activated(float(reach.max()), operator.activation))
            tensors[name] = _holds_bias(wanted, real.bias).single()
            weights[operator.name] = _quantized_weights(
                real, operator, reach, scale, tensors[name].scale
            )
    return Levels(graph, tensors, weights)


def wide_enough(quantization: TensorQuantization, reach: Reach) -> TensorQuantization:
    """The same, or with a larger scale: far below its reach, the left shift would leave int32."""
    scale = max(quantization.scale, max(-reach[0], reach[1]) / _OUTPUT_STEPS_MAX)
    return TensorQuantization(scale, quantization.zero_point)


def _holds_bias(quantization: TensorQuantization, bias: Reals) -> TensorQuantization:
    """The same, or with a larger scale: a narrow bias is not many steps of the output."""
    least = float(np.abs(bias).max(initial=0.0)) / BIAS_STEPS_MAX
    return TensorQuantization(max(quantization.scale, least), quantization.zero_point)


def _activated(magnitude: float, activation: Activation) -> Reach:
    """Reach of an activation whose input is at most ``magnitude`` from 0."""
    return (0.0 if activation == "relu" else -magnitude), magnitude


def _join_reach(operator: Add | Concat, sources: Sequence[TensorQuantization]) -> Reach:
    """Reach of an operator without weights."""
    if isinstance(operator, Add):
        return _activated(INPUT_SPAN * sum(s.scale for s in sources), operator.activation)
    return (
        min(s.scale * (-128 - s.zero_point) for s in sources),
        max(s.scale * (127 - s.zero_point) for s in sources),
    )


def _channel_reach(real: RealWeights, operator: WeightedOperator, input_scale: float) -> Reals:
    """Bound of the magnitude of each output channel, for any input; real units, [OC]."""
    rows = channel_rows(real.weights, isinstance(operator, DepthwiseConv2d))
    reach: Reals = input_scale * INPUT_SPAN * np.abs(rows).sum(axis=1) + np.abs(real.bias)
    return reach


def _quantized_weights(
    real: RealWeights,
    operator: WeightedOperator,
    reach: Reals,
    input_scale: float,
    output_scale: float,
) -> QuantizedWeights:
    depthwise = isinstance(operator, DepthwiseConv2d)
    rows = channel_rows(real.weights, depthwise)
    scale = np.abs(rows).max(axis=1) / 127 if real.scale is None else real.scale
    scale = np.maximum(scale, reach / (input_scale * _ACCUMULATOR_STEPS_MAX))
    scale = np.maximum(scale, _FACTOR_MIN * output_scale / input_scale)
    scale = powers_of_two_apart(scale)
    levels = np.clip(np.rint(rows / scale[:, None]), -127, 127).astype(np.int8)
    laid_out = (levels.T if depthwise else levels).reshape(real.weights.shape)
    held = QuantizedWeights.from_scales(
        laid_out, np.zeros(len(scale), np.int32), scale, input_scale, output_scale
    )
    return replace(held, bias=narrow_biases(real.bias / (input_scale * scale), held.shift))
