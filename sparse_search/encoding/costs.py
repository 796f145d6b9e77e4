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
        ("conv2d", "", False): KernelCost(4.5, 0.0, 94.0, 0.4, 530),
        ("conv2d", "columns_gaps8", False): KernelCost(13.9, 0.0, 87.9, 11.5, 674),
        ("conv2d", "columns_bitmap", False): KernelCost(9.4, 1.5, 83.6, 33.5, 738),
        ("conv2d", "columns_gaps4", False): KernelCost(19.9, 0.0, 94.7, 13.6, 706),
        ("conv2d", "lists8", False): KernelCost(10.9, 0.1, 55.5, 16.3, 688),
        ("conv2d", "lists16", False): KernelCost(10.5, 0.0, 58.0, 16.1, 680),
        ("conv2d", "gaps8", False): KernelCost(14.2, 0.0, 69.7, 14.1, 664),
        ("conv2d", "bitmap", False): KernelCost(9.8, 1.5, 64.4, 35.9, 736),
        ("conv2d", "gaps4", False): KernelCost(19.5, 0.5, 66.0, 16.1, 702),
        ("conv2d", "", True): KernelCost(9.5, 0.0, 131.9, 0.0, 696),
        ("conv2d", "columns_gaps8", True): KernelCost(19.1, 0.0, 110.8, 7.5, 780),
        ("conv2d", "columns_bitmap", True): KernelCost(14.7, 1.7, 104.3, 31.3, 874),
        ("conv2d", "columns_gaps4", True): KernelCost(24.4, 0.0, 118.0, 12.3, 810),
        ("conv2d", "lists8", True): KernelCost(16.5, 0.2, 65.1, 21.2, 822),
        ("conv2d", "lists16", True): KernelCost(16.1, 0.1, 63.9, 19.6, 794),
        ("conv2d", "gaps8", True): KernelCost(19.7, 0.0, 68.1, 15.6, 770),
        ("conv2d", "bitmap", True): KernelCost(15.4, 1.6, 63.1, 39.6, 872),
        ("conv2d", "gaps4", True): KernelCost(24.4, 0.5, 71.9, 17.7, 808),
        ("dense", "", False): KernelCost(6.0, 0.0, 42.7, 0.0, 190),
        ("dense", "columns_gaps8", False): KernelCost(15.0, 0.0, 49.7, 0.0, 252),
        ("dense", "columns_bitmap", False): KernelCost(11.3, 2.2, 50.5, 0.0, 284),
        ("dense", "columns_gaps4", False): KernelCost(21.0, 0.0, 63.1, 0.0, 320),
        ("dense", "lists8", False): KernelCost(10.0, 0.0, 42.7, 0.0, 226),
        ("dense", "lists16", False): KernelCost(10.0, 0.0, 44.8, 0.0, 222),
        ("dense", "gaps8", False): KernelCost(15.0, 0.0, 42.4, 0.0, 268),
        ("dense", "bitmap", False): KernelCost(11.5, 2.1, 56.0, 0.0, 284),
        ("dense", "gaps4", False): KernelCost(20.0, 0.5, 43.5, 0.0, 314),
        ("dense", "", True): KernelCost(12.5, 0.0, 47.9, 0.0, 250),
        ("dense", "columns_gaps8", True): KernelCost(21.5, 0.0, 51.9, 0.0, 296),
        ("dense", "columns_bitmap", True): KernelCost(17.8, 2.2, 57.7, 0.0, 332),
        ("dense", "columns_gaps4", True): KernelCost(26.5, 0.0, 66.3, 0.0, 352),
        ("dense", "lists8", True): KernelCost(17.5, 0.0, 48.0, 0.0, 270),
        ("dense", "lists16", True): KernelCost(16.5, 0.0, 51.1, 0.0, 278),
        ("dense", "gaps8", True): KernelCost(21.5, 0.0, 46.8, 0.0, 294),
        ("dense", "bitmap", True): KernelCost(18.0, 2.1, 63.1, 0.0, 334),
        ("dense", "gaps4", True): KernelCost(25.5, 0.5, 50.7, 0.0, 352),
    }
)
"""By (kind of operator, name of the positions, whether the values are in a codebook)."""

DEPTHWISE_CODE_BYTES = 516
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
