"""Scratch bytes that CMSIS-NN's int8 operators ask for.

The rules are those of the ``*_wrapper_s8_get_buffer_size`` functions of CMSIS-NN 7 (Apache-2.0,
github.com/ARM-software/CMSIS-NN, commit 99f736a6), written as closed formulas over the layer.
They hold for GCC and clang.

Notation:
    K      k_h * k_w * in_c, the length of one im2col column
    up     the next multiple: ``round_up(K, 4)``

CMSIS-NN's 1xN convolution on MVE computes wrong outputs for some odd paddings and strides at that
commit; its scratch size is what the library reports all the same.
"""

from dataclasses import dataclass
from math import fmod, trunc

from ..errors import MemoryPlanError
from ..graph import AvgPool2d, Conv2d, Dense, DepthwiseConv2d, Graph, Operator, Shape
from .kernels import KernelLibrary

_MVE_CHANNEL_BLOCK = 124
"""Channels that the MVE depthwise kernel treats at a time (CH_IN_BLOCK_MVE)."""


@dataclass(frozen=True, slots=True)
class ConvLayer:
    """A convolution as CMSIS-NN's getters see it.

    Attributes:
        input: (height, width, channels) of the input.
        output: (height, width, channels) of the output.
        kernel: (height, width).
        stride: (height, width).
        padding: (top, left); what is missing at the bottom and right follows from ``output``.
        dilation: (height, width).
        groups: Channel groups of an ordinary convolution; unused by depthwise ones, whose
            multiplier is output channels / input channels.
        batch: Images per call.
    """

    input: Shape
    output: Shape
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    batch: int = 1


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple of ``multiple`` that is at least ``value``.

    >>> round_up(9, 4), round_up(8, 4)
    (12, 8)
    """
    return -(-value // multiple) * multiple


def conv_scratch_bytes(layer: ConvLayer, kernels: KernelLibrary) -> int:
    """Scratch of ``arm_convolve_wrapper_s8``.

    >>> layer = ConvLayer((8, 8, 16), (6, 6, 8), (3, 3))
    >>> conv_scratch_bytes(layer, KernelLibrary.CMSIS_MVE)
    576
    """
    in_h, _, in_c = layer.input
    k_h, k_w = layer.kernel
    if (
        layer.kernel == (1, 1)
        and layer.padding == (0, 0)
        and layer.dilation == (1, 1)
        and layer.groups == 1
    ):
        return 0
    if (
        kernels is KernelLibrary.CMSIS_MVE
        and in_h == k_h == 1
        and layer.dilation[1] == 1
        and layer.stride[1] * in_c % 4 == 0
        and layer.groups == 1
    ):
        return _conv_1xn_mve_bytes(layer)
    step = 16 if kernels is KernelLibrary.CMSIS_MVE else 4
    return 4 * round_up(k_h * k_w * in_c, step)


def _conv_1xn_mve_bytes(layer: ConvLayer) -> int:
    """Scratch of ``arm_convolve_1_x_n_s8`` on MVE; C's division and remainder truncate to 0."""
    _, in_w, in_c = layer.input
    out_w = layer.output[1]
    k_w, s_w, pad_w = layer.kernel[1], layer.stride[1], layer.padding[1]
    total_pad = (out_w - 1) * s_w + k_w - in_w
    asymmetric = int(fmod(total_pad, 2))
    right = 0
    if pad_w + asymmetric != 0:
        right = max(1, trunc((pad_w + asymmetric + s_w - 1) / s_w))
    left = max(1, (pad_w + s_w - 1) // s_w) if pad_w else 0
    middle = max(out_w - right - left, 0)
    if right + middle + left != out_w:
        return 4 * round_up(k_w * in_c, 16)
    edge = right * in_c if asymmetric else pad_w * in_c
    return max(k_w * in_c + pad_w * in_c, (k_w - 1) * in_c + edge)


def depthwise_scratch_bytes(layer: ConvLayer, kernels: KernelLibrary) -> int:
    """Scratch of ``arm_depthwise_conv_wrapper_s8``.

    >>> layer = ConvLayer((16, 16, 16), (16, 16, 16), (5, 5), padding=(2, 2))
    >>> depthwise_scratch_bytes(layer, KernelLibrary.CMSIS_DSP)
    800
    """
    in_c, out_c = layer.input[2], layer.output[2]
    k_h, k_w = layer.kernel
    if kernels is KernelLibrary.CMSIS_MVE and in_c == 1 and out_c > 1:
        # One input channel: CMSIS-NN transposes the weights and runs an ordinary convolution.
        return conv_scratch_bytes(layer, kernels) + out_c * k_h * k_w
    if in_c != out_c or layer.batch != 1 or layer.dilation != (1, 1):
        return 0
    if kernels is KernelLibrary.CMSIS_MVE:
        return 4 * _MVE_CHANNEL_BLOCK * k_h * k_w
    if kernels is KernelLibrary.CMSIS_DSP:
        is_3x3 = layer.kernel == (3, 3) and max(layer.padding) <= 1
        return 0 if is_3x3 else 2 * in_c * k_h * k_w
    return 0


def dense_scratch_bytes(out_count: int, kernels: KernelLibrary) -> int:
    """Scratch of ``arm_fully_connected_s8``: on MVE a 32-bit kernel sum per output."""
    return 4 * out_count if kernels is KernelLibrary.CMSIS_MVE else 0


def average_pool_scratch_bytes(channels: int, kernels: KernelLibrary) -> int:
    """Scratch of ``arm_avgpool_s8``: with DSP a 32-bit accumulator per channel."""
    return 4 * channels if kernels is KernelLibrary.CMSIS_DSP else 0


def operator_scratch_bytes(graph: Graph, operator: Operator, kernels: KernelLibrary) -> int:
    """Scratch bytes of one operator of ``graph``; 0 where it needs none.

    Max pooling and addition need none. Neither does concatenation: CMSIS-NN's own only copies, so
    each element is requantized (``arm_nn_requantize``) on its way from the input to its place.

    Raises:
        MemoryPlanError: ``kernels`` is not one of CMSIS-NN's.
    """
    if kernels is KernelLibrary.RUNTIME:
        raise MemoryPlanError("expected kernels of CMSIS-NN, got the exported runtime: it has none")
    output = graph.shape(operator.output)
    if isinstance(operator, Conv2d | DepthwiseConv2d):
        layer = ConvLayer(
            input=graph.shape(operator.inputs[0]),
            output=output,
            kernel=operator.kernel,
            stride=operator.stride,
            padding=(operator.padding[0], operator.padding[2]),
        )
        if isinstance(operator, Conv2d):
            return conv_scratch_bytes(layer, kernels)
        return depthwise_scratch_bytes(layer, kernels)
    if isinstance(operator, Dense):
        return dense_scratch_bytes(output[2], kernels)
    if isinstance(operator, AvgPool2d):
        return average_pool_scratch_bytes(output[2], kernels)
    return 0
