"""From a float network to a QuantizedModel: post-training int8, as TFLite and CMSIS-NN define it.

A tensor's range is chosen from its values on the calibration images; it always contains 0, and
it is clipped where that lowers the squared error of quantization. Pooling keeps its input's
scale, a concatenation has its own, the logits are never clipped, and the network's input is fixed
at 1/255. ``levels`` makes integers of the rest. A weight that is exactly 0 stays 0, so a pruning
mask survives.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import QuantizationError
from .graph import AvgPool2d, Concat, Graph, MaxPool2d, WeightedOperator
from .integer import TensorQuantization
from .integer.checks import check_images
from .levels import Reach, RealWeights, assign_levels, wide_enough
from .memory import in_best_order
from .quantized import QuantizedModel

Reals = NDArray[np.floating[Any]]

CLIP_RATIOS: tuple[float, ...] = tuple(1.0 - 0.025 * step for step in range(21))
"""Fractions of the observed range, 1 to 0.5, among which the best clipping is chosen."""

_HISTOGRAM_BINS = 4096


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
    """Quantizes a network to int8, its operators in the order that needs least memory.

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
    graph = in_best_order(network.graph)
    check_images(images, graph)
    if len(images) == 0:
        raise QuantizationError("expected at least one calibration image, got none")
    observed = network.activations(images)
    unclipped = _sources(graph, graph.output.name)

    def real_weights(operator: WeightedOperator) -> RealWeights:
        return RealWeights(*_folded(network, graph, operator))

    def choose(name: str, reach: Reach) -> TensorQuantization:
        _require_finite(observed, name, (len(images), *graph.shape(name)))
        ratios = (1.0,) if name in unclipped else tuple(clip_ratios)
        return _output_quantization(observed[name], reach, ratios)

    return assign_levels(graph, real_weights, choose).model()


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
    values: Reals, reach: Reach, clip_ratios: Sequence[float]
) -> TensorQuantization:
    """Quantization of an operator's output; ``reach`` bounds its values for any image.

    Args:
        values: Of the output, on the calibration images.
        reach: (least, largest), with 0 between them.
        clip_ratios: Fractions in (0, 1] of the observed range.
    """
    low, high = reach
    if np.any(values):
        return wide_enough(choose_quantization(values, clip_ratios), reach)
    if low == high:
        # Zero for every image, so any scale is right; a fine one keeps the biases that are added
        # to it downstream precise.
        return TensorQuantization(2.0**-16, -128)
    # Never active on the calibration images: prepare for all that any image can cause.
    return range_quantization(low, high)


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
