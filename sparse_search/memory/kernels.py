"""KernelLibrary: whose kernels run the model, since they decide scratch memory and storage."""

from enum import StrEnum


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
