"""What it takes to read encoded weights: instructions and machine code, measured on a Cortex-M4.

    instructions = places * (stored * s + skipped * z + outputs * o + runs * r)

    symbol    meaning
    places    positions of the output map, 1 for a fully connected operator
    stored    weights that are stored
    skipped   weights that are not
    outputs   output channels
    runs      outputs * kernel height of a convolution; 0 for a fully connected operator

Every row was fitted to counts of instructions (GCC 12.2, -O2, no wait states, no caches) by
``experiments/bench_encodings.py``; ``experiments/results/bench_encodings.json`` holds the same
figures with their errors: 3 % root mean square over 1,600 measurements of nine layers at five
sparsities, 21 % at worst (convolutions that read lists). Code is that of the kernel under -Os for
the same core, without what a program has anyway; the width of a codebook changes it by at most 8 B.
"""

from dataclasses import dataclass
from types import MappingProxyType

from .encodings import ENCODINGS


@dataclass(frozen=True, slots=True)
class KernelCost:
    """What one kernel over weights takes on a Cortex-M4.

    Attributes:
        stored: Instructions per stored weight.
        skipped: Instructions per weight that is not stored.
        output: Instructions per output.
        run: Instructions per output and row of a convolution's kernel.
        code_bytes: Machine code.
    """

    stored: float
    skipped: float
    output: float
    run: float
    code_bytes: int


COSTS = MappingProxyType(
    {
        ("conv2d", "", False): KernelCost(4.5, 0.0, 94.2, 1.4, 524),
        ("conv2d", "columns_gaps8", False): KernelCost(13.8, 0.0, 85.4, 10.1, 688),
        ("conv2d", "columns_bitmap", False): KernelCost(9.5, 1.6, 83.5, 27.2, 750),
        ("conv2d", "columns_gaps4", False): KernelCost(19.8, 0.0, 95.5, 10.9, 714),
        ("conv2d", "lists8", False): KernelCost(10.8, 0.1, 54.7, 15.6, 700),
        ("conv2d", "lists16", False): KernelCost(10.4, 0.0, 58.2, 14.6, 694),
        ("conv2d", "gaps8", False): KernelCost(13.9, 0.0, 64.7, 14.7, 672),
        ("conv2d", "bitmap", False): KernelCost(9.8, 1.5, 64.2, 29.8, 750),
        ("conv2d", "gaps4", False): KernelCost(19.2, 0.4, 64.1, 16.0, 710),
        ("conv2d", "", True): KernelCost(9.5, 0.0, 123.9, 0.0, 722),
        ("conv2d", "columns_gaps8", True): KernelCost(19.1, 0.0, 112.4, 5.2, 794),
        ("conv2d", "columns_bitmap", True): KernelCost(14.8, 1.8, 102.6, 27.3, 882),
        ("conv2d", "columns_gaps4", True): KernelCost(24.3, 0.1, 113.9, 10.7, 814),
        ("conv2d", "lists8", True): KernelCost(17.2, 0.2, 61.8, 20.7, 840),
        ("conv2d", "lists16", True): KernelCost(15.9, 0.1, 62.8, 17.6, 808),
        ("conv2d", "gaps8", True): KernelCost(19.3, 0.0, 67.8, 15.3, 772),
        ("conv2d", "bitmap", True): KernelCost(15.4, 1.6, 61.7, 35.4, 882),
        ("conv2d", "gaps4", True): KernelCost(24.0, 0.4, 67.4, 19.5, 810),
        ("dense", "", False): KernelCost(6.0, 0.0, 42.7, 0.0, 190),
        ("dense", "columns_gaps8", False): KernelCost(15.0, 0.0, 46.7, 0.0, 236),
        ("dense", "columns_bitmap", False): KernelCost(11.3, 2.2, 48.5, 0.0, 278),
        ("dense", "columns_gaps4", False): KernelCost(21.0, 0.0, 57.1, 0.0, 310),
        ("dense", "lists8", False): KernelCost(10.0, 0.0, 42.0, 0.0, 216),
        ("dense", "lists16", False): KernelCost(10.0, 0.0, 40.4, 0.0, 212),
        ("dense", "gaps8", False): KernelCost(15.0, 0.0, 42.7, 0.0, 236),
        ("dense", "bitmap", False): KernelCost(11.5, 2.1, 51.0, 0.0, 278),
        ("dense", "gaps4", False): KernelCost(20.0, 0.5, 42.7, 0.0, 302),
        ("dense", "", True): KernelCost(12.5, 0.0, 40.9, 0.0, 238),
        ("dense", "columns_gaps8", True): KernelCost(21.5, 0.0, 47.8, 0.0, 278),
        ("dense", "columns_bitmap", True): KernelCost(17.9, 2.4, 51.8, 0.0, 318),
        ("dense", "columns_gaps4", True): KernelCost(26.5, 0.0, 62.2, 0.0, 342),
        ("dense", "lists8", True): KernelCost(17.5, 0.0, 46.9, 0.0, 264),
        ("dense", "lists16", True): KernelCost(16.5, 0.0, 45.4, 0.0, 270),
        ("dense", "gaps8", True): KernelCost(21.5, 0.0, 45.9, 0.0, 284),
        ("dense", "bitmap", True): KernelCost(18.1, 2.2, 59.7, 0.0, 318),
        ("dense", "gaps4", True): KernelCost(25.5, 0.5, 48.5, 0.0, 346),
    }
)
"""By (kind of operator, name of the positions, whether the values are in a codebook)."""

DEPTHWISE_CODE_BYTES = 512
"""Machine code of the depthwise kernel, which reads dense weights only."""


def kernel_cost(kind: str, encoding: str) -> KernelCost:
    """The costs of the kernel for an operator "conv2d" or "dense"."""
    parts = ENCODINGS[encoding]
    return COSTS[kind, parts.positions.name, bool(parts.values.name)]


def kernel_code_bytes(kind: str, encoding: str) -> int:
    """Machine code of the kernel that reads such weights, in bytes."""
    if kind == "depthwise_conv2d":
        return DEPTHWISE_CODE_BYTES
    return kernel_cost(kind, encoding).code_bytes
