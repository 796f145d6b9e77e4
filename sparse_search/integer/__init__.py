"""Integer operators: int8 in, int8 out, bit for bit as CMSIS-NN and the C runtime compute them.

Activations are batch first, [n, height, width, channels]; weights are in CMSIS-NN's layouts.
``real = scale * (q - zero_point)``; weights have zero point 0.
"""

from .affine import INPUT_QUANTIZATION, QuantizedWeights, TensorQuantization, channel_rows
from .arithmetic import (
    LEFT_SHIFT_MAX,
    MULTIPLIER_MIN,
    RIGHT_SHIFT_MAX,
    Requantization,
    quantize_multiplier,
    requantize,
    rescale,
)
from .channels import (
    BIAS_STEPS_MAX,
    ChannelConstants,
    bias_units,
    narrow_biases,
    narrow_channels,
    powers_of_two_apart,
    wide_channels,
)
from .concat import ConcatInput, concat
from .elementwise import ADD_LEFT_SHIFT, AddParameters, add
from .linear import conv2d, dense, depthwise_conv2d
from .pooling import average_pool2d, max_pool2d

__all__ = [
    "ADD_LEFT_SHIFT",
    "BIAS_STEPS_MAX",
    "INPUT_QUANTIZATION",
    "LEFT_SHIFT_MAX",
    "MULTIPLIER_MIN",
    "RIGHT_SHIFT_MAX",
    "AddParameters",
    "ChannelConstants",
    "ConcatInput",
    "QuantizedWeights",
    "Requantization",
    "TensorQuantization",
    "add",
    "average_pool2d",
    "bias_units",
    "channel_rows",
    "concat",
    "conv2d",
    "dense",
    "depthwise_conv2d",
    "max_pool2d",
    "narrow_biases",
    "narrow_channels",
    "powers_of_two_apart",
    "quantize_multiplier",
    "requantize",
    "rescale",
    "wide_channels",
]
