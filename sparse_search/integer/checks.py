"""Whether scales and weights fit a graph, and whether int32 arithmetic suffices for them."""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import QuantizationError
from ..graph import AvgPool2d, DepthwiseConv2d, Graph, MaxPool2d, WeightedOperator
from .affine import INPUT_QUANTIZATION, QuantizedWeights, TensorQuantization, channel_rows
from .arithmetic import LEFT_SHIFT_MAX, MULTIPLIER_MIN, RIGHT_SHIFT_MAX

INPUT_SPAN = 256
"""Bound of |input - zero point|, also where code folds the zero point into the bias."""


def check_images(images: NDArray[np.uint8], graph: Graph) -> None:
    """Raises QuantizationError where ``images`` are not uint8 [n, H, W, C] of the graph."""
    if images.dtype != np.uint8 or images.shape[1:] != graph.input.shape:
        raise QuantizationError(
            f"expected uint8 images of shape (n, *{graph.input.shape}), got {images.dtype} "
            f"{images.shape}; use the data set that the network was built for"
        )


def check_tensors(graph: Graph, tensors: Mapping[str, TensorQuantization]) -> None:
    """Raises QuantizationError where the scales of the tensors do not fit the graph."""
    _check_names("tensors", [t.name for t in graph.tensors], tensors)
    found = tensors[graph.input.name]
    # Earlier versions wrote 1/255 in double precision; multipliers are stored, so no byte differs.
    if found.single() != INPUT_QUANTIZATION:
        raise QuantizationError(
            f"expected the input at scale 1/255 with zero point -128, got {found}"
        )
    for operator in graph.operators:
        if isinstance(operator, MaxPool2d | AvgPool2d):
            read, written = tensors[operator.inputs[0]], tensors[operator.output]
            if read != written:
                raise QuantizationError(
                    f"{operator.name}: expected pooling to keep its input's {read}, got {written}"
                )


def check_weights(graph: Graph, weights: Mapping[str, QuantizedWeights]) -> None:
    """Raises QuantizationError where the weights do not fit the graph or int32 arithmetic."""
    _check_names("weights", [op.name for op in graph.weighted], weights)
    for operator in graph.weighted:
        _check_layout(graph, operator, weights[operator.name])
        _check_range(operator, weights[operator.name])


def accumulator_reach(operator: WeightedOperator, held: QuantizedWeights) -> NDArray[np.int64]:
    """A bound of every |accumulator| for any input: int64 [OC]."""
    rows = channel_rows(held.weights.astype(np.int64), isinstance(operator, DepthwiseConv2d))
    reach: NDArray[np.int64] = INPUT_SPAN * np.abs(rows).sum(axis=1)
    return reach + np.abs(held.bias.astype(np.int64))


def _check_names(what: str, expected: Collection[str], found: Collection[str]) -> None:
    if set(expected) != set(found):
        missing = sorted(set(expected) - set(found))
        unknown = sorted(set(found) - set(expected))
        raise QuantizationError(
            f"expected {what} for exactly the names of the graph; missing {missing}, "
            f"unknown {unknown}"
        )


def _check_layout(graph: Graph, operator: WeightedOperator, held: QuantizedWeights) -> None:
    channels = (graph.bias_count(operator),)
    expected = {
        "weights": (np.int8, graph.weight_shape(operator)),
        "bias": (np.int32, channels),
        "multiplier": (np.int32, channels),
        "shift": (np.int32, channels),
        "scale": (np.float64, channels),
    }
    for field, (dtype, shape) in expected.items():
        array = getattr(held, field)
        if array.dtype != dtype or array.shape != shape:
            raise QuantizationError(
                f"{operator.name}: expected {field} {np.dtype(dtype)} {shape}, got {array.dtype} "
                f"{array.shape}; the weights belong to another graph"
            )


def _check_range(operator: WeightedOperator, held: QuantizedWeights) -> None:
    if (held.weights == -128).any():
        raise QuantizationError(f"{operator.name}: expected weights in [-127, 127], got -128")
    if (held.multiplier < MULTIPLIER_MIN).any():
        raise QuantizationError(
            f"{operator.name}: expected multipliers in [2^30, 2^31), got {held.multiplier.min()}; "
            "use quantize_multiplier"
        )
    if (held.shift < -RIGHT_SHIFT_MAX).any() or (held.shift > LEFT_SHIFT_MAX).any():
        raise QuantizationError(
            f"{operator.name}: expected shifts in [-31, 30], got {held.shift.min()}.."
            f"{held.shift.max()}; use quantize_multiplier"
        )
    if not (np.isfinite(held.scale).all() and (held.scale > 0).all()):
        raise QuantizationError(f"{operator.name}: expected positive finite weight scales")
    reach = accumulator_reach(operator, held)
    if (reach * np.exp2(np.maximum(held.shift, 0)) >= 2**31).any():
        raise QuantizationError(
            f"{operator.name}: expected accumulators that fit in int32, these can reach "
            f"{reach.max()} before a left shift of up to {max(held.shift.max(), 0)}; use larger "
            "weight and output scales"
        )
