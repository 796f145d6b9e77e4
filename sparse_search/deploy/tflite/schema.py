"""The part of TensorFlow Lite's published schema that is written: enumerations, slots of tables.

A class named after a table says at which slot each of its fields is. Names are those of the schema
(version 3) in capitals. A union such as the options of an operator has two slots, its type first.
"""

from enum import IntEnum
from typing import Final

FILE_IDENTIFIER: Final = b"TFL3"
SCHEMA_VERSION: Final = 3


class TensorType(IntEnum):
    """Of the elements of a tensor."""

    INT32 = 2
    INT8 = 9


class BuiltinOperator(IntEnum):
    """What an operator computes."""

    ADD = 0
    AVERAGE_POOL_2D = 1
    CONCATENATION = 2
    CONV_2D = 3
    DEPTHWISE_CONV_2D = 4
    FULLY_CONNECTED = 9
    MAX_POOL_2D = 17
    RESHAPE = 22
    PAD = 34
    PADV2 = 60
    QUANTIZE = 114


class BuiltinOptions(IntEnum):
    """Which table the options of an operator are."""

    CONV_2D_OPTIONS = 1
    DEPTHWISE_CONV_2D_OPTIONS = 2
    POOL_2D_OPTIONS = 5
    FULLY_CONNECTED_OPTIONS = 8
    CONCATENATION_OPTIONS = 10
    ADD_OPTIONS = 11
    RESHAPE_OPTIONS = 17
    PAD_OPTIONS = 22
    PAD_V2_OPTIONS = 43
    QUANTIZE_OPTIONS = 89


class Padding(IntEnum):
    """Where windows may lie: SAME gives ceil(size / stride) of them, VALID pads nothing."""

    SAME = 0
    VALID = 1


class ActivationFunctionType(IntEnum):
    """What an operator does to its result."""

    NONE = 0
    RELU = 1


class Model(IntEnum):
    """The root."""

    VERSION = 0
    OPERATOR_CODES = 1
    SUBGRAPHS = 2
    DESCRIPTION = 3
    BUFFERS = 4


class OperatorCode(IntEnum):
    """An operator with its version; the deprecated field is what older readers look at."""

    DEPRECATED_BUILTIN_CODE = 0
    VERSION = 2
    BUILTIN_CODE = 3


class SubGraph(IntEnum):
    """Tensors, and operators in execution order."""

    TENSORS = 0
    INPUTS = 1
    OUTPUTS = 2
    OPERATORS = 3
    NAME = 4


class Tensor(IntEnum):
    """A tensor; buffer 0 means that it is computed."""

    SHAPE = 0
    TYPE = 1
    BUFFER = 2
    NAME = 3
    QUANTIZATION = 4


class QuantizationParameters(IntEnum):
    """Scales and zero points, one or one along ``QUANTIZED_DIMENSION``."""

    SCALE = 2
    ZERO_POINT = 3
    QUANTIZED_DIMENSION = 6


class Operator(IntEnum):
    """One call of an operator."""

    OPCODE_INDEX = 0
    INPUTS = 1
    OUTPUTS = 2
    BUILTIN_OPTIONS_TYPE = 3
    BUILTIN_OPTIONS = 4


class Buffer(IntEnum):
    """Constant data."""

    DATA = 0


class Conv2DOptions(IntEnum):
    """Of CONV_2D."""

    PADDING = 0
    STRIDE_W = 1
    STRIDE_H = 2
    FUSED_ACTIVATION_FUNCTION = 3
    DILATION_W_FACTOR = 4
    DILATION_H_FACTOR = 5


class DepthwiseConv2DOptions(IntEnum):
    """Of DEPTHWISE_CONV_2D."""

    PADDING = 0
    STRIDE_W = 1
    STRIDE_H = 2
    DEPTH_MULTIPLIER = 3
    FUSED_ACTIVATION_FUNCTION = 4
    DILATION_W_FACTOR = 5
    DILATION_H_FACTOR = 6


class Pool2DOptions(IntEnum):
    """Of MAX_POOL_2D and AVERAGE_POOL_2D."""

    PADDING = 0
    STRIDE_W = 1
    STRIDE_H = 2
    FILTER_WIDTH = 3
    FILTER_HEIGHT = 4
    FUSED_ACTIVATION_FUNCTION = 5


class FullyConnectedOptions(IntEnum):
    """Of FULLY_CONNECTED."""

    FUSED_ACTIVATION_FUNCTION = 0


class AddOptions(IntEnum):
    """Of ADD."""

    FUSED_ACTIVATION_FUNCTION = 0


class ConcatenationOptions(IntEnum):
    """Of CONCATENATION."""

    AXIS = 0
    FUSED_ACTIVATION_FUNCTION = 1


class ReshapeOptions(IntEnum):
    """Of RESHAPE."""

    NEW_SHAPE = 0
