"""export_tflite(model, path): the file. The same model gives the same bytes."""

from pathlib import Path
from typing import Final

import numpy as np

from ... import __version__
from ...quantized import QuantizedModel
from . import schema
from .flatbuffer import Fields, Numbers, Scalar, Table, serialize
from .lower import lower
from .network import LiteNetwork, LiteOperator, LiteTensor, Scales
from .schema import BuiltinOperator, TensorType

_VERSIONS: Final = {
    BuiltinOperator.ADD: 2,
    BuiltinOperator.AVERAGE_POOL_2D: 2,
    BuiltinOperator.CONCATENATION: 2,
    BuiltinOperator.CONV_2D: 3,
    BuiltinOperator.DEPTHWISE_CONV_2D: 3,
    BuiltinOperator.FULLY_CONNECTED: 12,
    BuiltinOperator.MAX_POOL_2D: 2,
    BuiltinOperator.RESHAPE: 1,
    BuiltinOperator.PAD: 2,
    BuiltinOperator.PADV2: 2,
    BuiltinOperator.QUANTIZE: 2,
}
"""The first version of each operator that computes in int8 as it is used here."""


def export_tflite(model: QuantizedModel, path: str | Path) -> Path:
    """Writes a model as a .tflite file.

    Its input is int8 [1, H, W, C], pixel - 128; its output int8, one value per class. TensorFlow
    Lite Micro's interpreter gives the bytes of ``model.forward``.

    Raises:
        ExportError: TensorFlow Lite has no operators for the model; says which.
    """
    data = tflite_bytes(model)
    partial = Path(f"{path}.partial")
    partial.write_bytes(data)
    return partial.replace(path)


def tflite_bytes(model: QuantizedModel) -> bytes:
    """The bytes of the file that ``export_tflite`` writes."""
    description = f"sparse_search {__version__}, model {model.hash()}"
    return serialize(_model(lower(model), description), schema.FILE_IDENTIFIER)


def _model(network: LiteNetwork, description: str) -> Table:
    codes = sorted({operator.code for operator in network.operators})
    constants = [tensor for tensor in network.tensors if tensor.data is not None]
    # Buffer 0 is empty: it is what computed tensors refer to.
    buffers = {id(tensor): number for number, tensor in enumerate(constants, start=1)}
    subgraph = Table(
        {
            schema.SubGraph.TENSORS: tuple(
                _tensor(tensor, buffers.get(id(tensor), 0)) for tensor in network.tensors
            ),
            schema.SubGraph.INPUTS: _indices(network.input),
            schema.SubGraph.OUTPUTS: _indices(network.output),
            schema.SubGraph.OPERATORS: tuple(
                _operator(operator, codes.index(operator.code)) for operator in network.operators
            ),
            schema.SubGraph.NAME: "main",
        }
    )
    return Table(
        {
            schema.Model.VERSION: Scalar("uint32", schema.SCHEMA_VERSION),
            schema.Model.OPERATOR_CODES: tuple(_code(code) for code in codes),
            schema.Model.SUBGRAPHS: (subgraph,),
            schema.Model.DESCRIPTION: description,
            schema.Model.BUFFERS: (Table({}), *(_buffer(tensor) for tensor in constants)),
        }
    )


def _code(code: BuiltinOperator) -> Table:
    return Table(
        {
            schema.OperatorCode.DEPRECATED_BUILTIN_CODE: Scalar("int8", code),
            schema.OperatorCode.VERSION: Scalar("int32", _VERSIONS[code]),
            schema.OperatorCode.BUILTIN_CODE: Scalar("int32", code),
        }
    )


def _tensor(tensor: LiteTensor, buffer: int) -> Table:
    fields: Fields = {
        schema.Tensor.SHAPE: _indices(*tensor.shape),
        schema.Tensor.TYPE: Scalar("int8", tensor.type),
        schema.Tensor.BUFFER: Scalar("uint32", buffer),
        schema.Tensor.NAME: tensor.name,
    }
    if tensor.scales is not None:
        fields[schema.Tensor.QUANTIZATION] = _quantization(tensor.scales)
    return Table(fields)


def _quantization(scales: Scales) -> Table:
    return Table(
        {
            schema.QuantizationParameters.SCALE: Numbers(scales.scales),
            schema.QuantizationParameters.ZERO_POINT: Numbers(scales.zero_points),
            schema.QuantizationParameters.QUANTIZED_DIMENSION: Scalar("int32", scales.dimension),
        }
    )


def _buffer(tensor: LiteTensor) -> Table:
    assert tensor.data is not None
    kind = "<i4" if tensor.type is TensorType.INT32 else "<i1"
    data = np.frombuffer(tensor.data.astype(kind).tobytes(), np.uint8)
    return Table({schema.Buffer.DATA: Numbers(data)})


def _operator(operator: LiteOperator, code_index: int) -> Table:
    kind, options = operator.options
    return Table(
        {
            schema.Operator.OPCODE_INDEX: Scalar("uint32", code_index),
            schema.Operator.INPUTS: _indices(*operator.inputs),
            schema.Operator.OUTPUTS: _indices(operator.output),
            schema.Operator.BUILTIN_OPTIONS_TYPE: Scalar("uint8", kind),
            schema.Operator.BUILTIN_OPTIONS: options,
        }
    )


def _indices(*values: int) -> Numbers:
    return Numbers(np.array(values, np.int32))
