"""From a float network to a QuantizedModel: post-training int8, as TFLite and CMSIS-NN define it.

| symbol | meaning |
|---|---|
| s_in, s_out | scales of an operator's input and output tensors |
| s_w[c] | scale of the weights of output channel c, symmetric, zero point 0 |
| M[c] | s_in * s_w[c] / s_out, the factor from accumulator to output |

A tensor's range is chosen from its values on the calibration images; it always contains 0, and
it is clipped where that lowers the squared error of quantization. Pooling keeps its input's
scale, a concatenation has its own, the logits are never clipped, and the network's input is fixed
at 1/255. A weight that is exactly 0 stays 0, so a pruning mask survives.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import QuantizationError
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
from .integer import INPUT_QUANTIZATION, QuantizedWeights, TensorQuantization, channel_rows
from .integer.checks import INPUT_SPAN, check_images
from .quantized import QuantizedModel

Reals = NDArray[np.floating[Any]]

CLIP_RATIOS: tuple[float, ...] = tuple(1.0 - 0.025 * step for step in range(21))
"""Fractions of the observed range, 1 to 0.5, among which the best clipping is chosen."""

_HISTOGRAM_BINS = 4096
# Limits of what a channel may reach, in accumulator and output steps; both leave int32 room for
# rounded weights and for the left shift.
_ACCUMULATOR_STEPS_MAX = 2.0**30
_OUTPUT_STEPS_MAX = 2.0**28
# Weights below this M contribute so little that a coarser scale costs less than half an output
# step; the bias keeps a resolution of 2^-20 steps, and M stays in CMSIS-NN's range.
_FACTOR_MIN = 2.0**-20


class FloatModel(Protocol):
    """What ``quantize`` needs of a network in floating point."""

    @property
    def graph(self) -> Graph:
        """What is computed."""
        ...

    def folded(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights in CMSIS-NN's layout and biases [OC], batch norm folded into both."""
        ...

    def activations(self, images: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        """Every tensor, [n, H, W, C] by name, for images uint8 [n, H, W, C]; pixels are u / 255."""
        ...


def quantize(
    network: FloatModel,
    images: NDArray[np.uint8],
    *,
    clip_ratios: Sequence[float] = CLIP_RATIOS,
) -> QuantizedModel:
    """Quantizes a network to int8.

    Args:
        network: In evaluation mode.
        images: Calibration images of the training split, uint8 [n, H, W, C]; some hundreds.
        clip_ratios: Fractions in (0, 1] of a tensor's observed range that are tried.

    Returns:
        The model whose integer forward approximates the network.

    Raises:
        QuantizationError: A weight, bias or activation is not finite, or an array does not have
            the shape that the graph gives it.
    """
    graph = network.graph
    check_images(images, graph)
    if len(images) == 0:
        raise QuantizationError("expected at least one calibration image, got none")
    observed = network.activations(images)
    unclipped = _sources(graph, graph.output.name)
    tensors = {graph.input.name: INPUT_QUANTIZATION}
    weights: dict[str, QuantizedWeights] = {}
    for operator in graph.operators:
        name = operator.output
        if isinstance(operator, MaxPool2d | AvgPool2d):
            tensors[name] = tensors[operator.inputs[0]]
            continue
        _require_finite(observed, name, (len(images), *graph.shape(name)))
        ratios = (1.0,) if name in unclipped else tuple(clip_ratios)
        if isinstance(operator, Add | Concat):
            sources = [tensors[source] for source in operator.inputs]
            reach = _join_reach(operator, sources)
            tensors[name] = _output_quantization(observed[name], reach, ratios)
        else:
            real = _folded(network, graph, operator)
            source = tensors[operator.inputs[0]]
            magnitude = float(_channel_reach(*real, operator, source.scale).max())
            reach = _activated(magnitude, operator.activation)
            tensors[name] = _output_quantization(observed[name], reach, ratios)
            weights[operator.name] = _quantize_weights(
                *real, operator, source.scale, tensors[name].scale
            )
    return QuantizedModel(graph, tensors, weights)


def choose_quantization(
    values: Reals, clip_ratios: Sequence[float] = CLIP_RATIOS
) -> TensorQuantization:
    """The quantization of least squared error among clipped ranges of the values.

    Args:
        values: Finite, not all zero, any shape.
        clip_ratios: Fractions in (0, 1] of the range (min(values, 0), max(values, 0)).

    Returns:
        Scale and zero point; 0 is represented exactly, the zero point is -128 where no value is
        negative.
    """
    # A histogram makes the cost independent of the number of values. Zeros, half of all values
    # after ReLU, have no error in any candidate and are left out.
    nonzero = values[values != 0].astype(np.float64)
    low, high = min(float(nonzero.min()), 0.0), max(float(nonzero.max()), 0.0)
    counts, edges = np.histogram(nonzero, bins=_HISTOGRAM_BINS, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    best, least = None, np.inf
    for ratio in clip_ratios:
        candidate = range_quantization(low * ratio, high * ratio)
        errors = candidate.dequantize(candidate.quantize(centres)) - centres
        total = float(np.dot(counts, errors**2))
        if best is None or total < least:
            best, least = candidate, total
    if best is None:
        raise QuantizationError("expected at least one clip ratio, got none")
    return best


def range_quantization(low: float, high: float) -> TensorQuantization:
    """256 levels over [low, high] with 0 on a level; low <= 0 <= high, and they differ.

    >>> range_quantization(0.0, 127.5)
    TensorQuantization(scale=0.5, zero_point=-128)
    """
    scale = (high - low) / 255
    return TensorQuantization(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))


def _output_quantization(
    values: Reals, reach: tuple[float, float], clip_ratios: Sequence[float]
) -> TensorQuantization:
    """Quantization of an operator's output; ``reach`` bounds its values for any image.

    Args:
        values: Of the output, on the calibration images.
        reach: (least, largest), with 0 between them.
        clip_ratios: Fractions in (0, 1] of the observed range.
    """
    low, high = reach
    if np.any(values):
        chosen = choose_quantization(values, clip_ratios)
        # Far below its reach, a tensor's left shift would leave int32.
        scale = max(chosen.scale, max(-low, high) / _OUTPUT_STEPS_MAX)
        return TensorQuantization(scale, chosen.zero_point)
    if low == high:
        # Zero for every image, so any scale is right; a fine one keeps the biases that are added
        # to it downstream precise.
        return TensorQuantization(2.0**-16, -128)
    # Never active on the calibration images: prepare for all that any image can cause.
    return range_quantization(low, high)


def _activated(magnitude: float, activation: Activation) -> tuple[float, float]:
    """(least, largest) value of an activation whose input is at most ``magnitude`` from 0."""
    return (0.0 if activation == "relu" else -magnitude), magnitude


def _join_reach(
    operator: Add | Concat, sources: Sequence[TensorQuantization]
) -> tuple[float, float]:
    """(least, largest) value that an operator without weights can make of its inputs."""
    if isinstance(operator, Add):
        return _activated(INPUT_SPAN * sum(s.scale for s in sources), operator.activation)
    return (
        min(s.scale * (-128 - s.zero_point) for s in sources),
        max(s.scale * (127 - s.zero_point) for s in sources),
    )


def _quantize_weights(
    weights: Reals,
    bias: Reals,
    operator: WeightedOperator,
    input_scale: float,
    output_scale: float,
) -> QuantizedWeights:
    depthwise = isinstance(operator, DepthwiseConv2d)
    rows = channel_rows(weights, depthwise)
    reach = _channel_reach(weights, bias, operator, input_scale)
    scale = np.abs(rows).max(axis=1) / 127
    scale = np.maximum(scale, reach / (input_scale * _ACCUMULATOR_STEPS_MAX))
    scale = np.maximum(scale, _FACTOR_MIN * output_scale / input_scale)
    levels = np.clip(np.rint(rows / scale[:, None]), -127, 127).astype(np.int8)
    laid_out = (levels.T if depthwise else levels).reshape(weights.shape)
    bias_levels = np.rint(bias / (input_scale * scale)).astype(np.int32)
    return QuantizedWeights.from_scales(laid_out, bias_levels, scale, input_scale, output_scale)


def _channel_reach(
    weights: Reals, bias: Reals, operator: WeightedOperator, input_scale: float
) -> Reals:
    """Bound of the magnitude of each output channel, for any input; real units, [OC]."""
    rows = channel_rows(weights, isinstance(operator, DepthwiseConv2d))
    reach: Reals = input_scale * INPUT_SPAN * np.abs(rows).sum(axis=1) + np.abs(bias)
    return reach


def _sources(graph: Graph, tensor: str) -> set[str]:
    """The tensor and, through pooling and concatenation, those whose values it passes on."""
    names = {tensor}
    for operator in reversed(graph.operators):
        if operator.output in names and isinstance(operator, MaxPool2d | AvgPool2d | Concat):
            names.update(operator.inputs)
    return names


def _folded(network: FloatModel, graph: Graph, operator: WeightedOperator) -> tuple[Reals, Reals]:
    """Weights and biases in float64, checked against the graph."""
    weights, bias = network.folded(operator.name)
    found = {"weights": weights, "bias": bias}
    _require_finite(found, "weights", graph.weight_shape(operator), operator.name)
    _require_finite(found, "bias", (graph.bias_count(operator),), operator.name)
    return weights.astype(np.float64), bias.astype(np.float64)


def _require_finite(
    arrays: Mapping[str, Reals], name: str, shape: tuple[int, ...], owner: str = "calibration"
) -> None:
    if name not in arrays or arrays[name].shape != shape:
        found = arrays[name].shape if name in arrays else "nothing"
        raise QuantizationError(
            f"{owner}: expected {name} of shape {shape}, got {found}; the network does not "
            "belong to its graph"
        )
    if not np.isfinite(arrays[name]).all():
        raise QuantizationError(
            f"{owner}: expected finite values in {name}, got NaN or infinity; the training diverged"
        )
