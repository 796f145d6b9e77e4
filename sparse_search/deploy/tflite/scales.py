"""Whether scales in single precision give a model's multipliers, as an interpreter computes them.

A .tflite file holds scales as float32 numbers; interpreters divide and multiply them in double
precision. Models that ``quantize`` makes hold such scales; others may not.
"""

import numpy as np

from ...errors import ExportError, QuantizationError
from ...graph import Add, Concat, Operator
from ...integer import QuantizedWeights
from ...quantized import QuantizedModel


def check_scales(model: QuantizedModel) -> None:
    """Raises ExportError where an interpreter would compute another multiplier than the model."""
    try:
        single = _in_single_precision(model)
    except QuantizationError as error:
        raise ExportError(f"scales in single precision: {error}") from error
    for operator in model.graph.operators:
        if not _agree(model, single, operator):
            raise ExportError(
                f"{operator.name}: expected scales that are float32 numbers, got others, for which "
                "an interpreter would compute other multipliers (models of earlier versions have "
                "such); quantize the network again, or continue the run for new ones"
            )
        if isinstance(operator, Add) and model.add_parameters(operator).shift_out > 0:
            raise ExportError(
                f"{operator.name}: expected an output scale above 2^-19 of the larger input scale, "
                "which is all that interpreters accept; quantize the network again"
            )


def _in_single_precision(model: QuantizedModel) -> QuantizedModel:
    """The model that a reader of the file would see."""
    tensors = {name: quantization.single() for name, quantization in model.tensors.items()}
    weights = {}
    for operator in model.graph.weighted:
        held = model.weights[operator.name]
        weights[operator.name] = QuantizedWeights.from_scales(
            held.weights,
            held.bias,
            held.scale.astype(np.float32).astype(np.float64),
            tensors[operator.inputs[0]].scale,
            tensors[operator.output].scale,
        )
    return QuantizedModel(model.graph, tensors, weights)


def _agree(model: QuantizedModel, other: QuantizedModel, operator: Operator) -> bool:
    if isinstance(operator, Add):
        return model.add_parameters(operator) == other.add_parameters(operator)
    if isinstance(operator, Concat):
        return model.concat_inputs(operator) == other.concat_inputs(operator)
    if operator.name not in model.weights:
        return True
    held, seen = model.weights[operator.name], other.weights[operator.name]
    return np.array_equal(held.multiplier, seen.multiplier) and np.array_equal(
        held.shift, seen.shift
    )
