"""KernelLibrary: whose kernels run the model, since they decide scratch memory and storage."""

from enum import StrEnum
from types import MappingProxyType


class KernelLibrary(StrEnum):
    """The kernels that execute a graph.

    ``RUNTIME`` is the C that this product exports: no scratch memory, dense and sparse weights.
    The others are CMSIS-NN as compiled for cores without DSP instructions (Cortex-M0, M0+, M3),
    with them (M4, M7, M33) and with the vector extension (M55, M85); weights are always dense.
    """

    RUNTIME = "runtime"
    CMSIS_SCALAR = "cmsis-nn-scalar"
    CMSIS_DSP = "cmsis-nn-dsp"
    CMSIS_MVE = "cmsis-nn-mve"


ALIGNMENT_BYTES = 4
"""Of every buffer: kernels read words, and CMSIS-NN's scratch holds 32-bit sums."""

OUTPUT_BLOCK = MappingProxyType(
    {
        "conv2d": 2,
        "depthwise_conv2d": 1,
        "max_pool2d": 1,
        "avg_pool2d": 1,
        "add": 4,
    }
)
"""Output pixels that a kernel of the runtime writes at a time, by kind of operator; elements for
"add".

Blocks are written in the order of the output, rows first, all channels of a block before the next
block. While a block is written, the input is read from the first byte on that its pixels or later
ones need, and nothing before that. So an output may lie over the part of its own input that is no
longer needed. A block has that many pixels or fewer and may begin at any pixel: when pixel p is
written, what pixel p - block + 1 needs may still be read. Figures are the most of all variants:
dense and encoded weights, for size and for speed, any core. Fully connected operators and
concatenations promise no order.
"""

POOLED_BLOCK = 1
"""The same of a convolution that pools: pixels of the pooled map.

All windows of the convolution under one pixel are read before any of the next pixel.
"""
