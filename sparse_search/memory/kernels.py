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
    {"conv2d": 1, "depthwise_conv2d": 1, "max_pool2d": 1, "avg_pool2d": 1}
)
"""How many output pixels a kernel of the runtime may compute before it writes the first, by kind.

Pixels are written in raster order, all channels of a block before the next block begins, and then
nothing before the first input byte of any later pixel is read. Outputs may therefore lie over
their own inputs; see ``overlap``.
"""
