"""What it takes to read encoded weights: instructions and machine code, measured on a Cortex-M4.

    instructions = places * (stored * s + skipped * z + outputs * o + runs * r)

    symbol    meaning
    places    positions of the output map, 1 for a fully connected operator
    stored    weights that are stored
    skipped   weights that are not
    outputs   output channels
    runs      outputs * kernel height of a convolution; 0 for a fully connected operator

Every row is of the kernel for narrow channels, fitted to counts of instructions (GCC 12.2, -O2, no
wait states, no caches) by ``experiments/bench_encodings.py``;
``experiments/results/bench_encodings.json`` holds the same figures with their errors: 3 % root mean
square over 1,600 measurements of nine layers at five sparsities, 20 % at worst (convolutions that
read lists). Code is that of the kernel under -Os for the same core, without what a program has
anyway; the width of a codebook changes it by at most 4 B.
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
        ("conv2d", "", False): KernelCost(4.5, 0.0, 103.2, 0.5, 556),
        ("conv2d", "columns_gaps8", False): KernelCost(13.8, 0.0, 90.4, 10.0, 682),
        ("conv2d", "columns_bitmap", False): KernelCost(9.5, 1.6, 87.4, 27.2, 754),
        ("conv2d", "columns_gaps4", False): KernelCost(19.8, 0.0, 99.5, 10.8, 706),
        ("conv2d", "lists8", False): KernelCost(10.8, 0.1, 57.5, 15.5, 698),
        ("conv2d", "lists16", False): KernelCost(10.4, 0.0, 61.0, 14.3, 696),
        ("conv2d", "gaps8", False): KernelCost(13.9, 0.0, 71.4, 14.5, 668),
        ("conv2d", "bitmap", False): KernelCost(9.8, 1.5, 68.1, 29.6, 756),
        ("conv2d", "gaps4", False): KernelCost(19.2, 0.4, 69.2, 16.1, 706),
        ("conv2d", "", True): KernelCost(9.5, 0.0, 130.0, 0.0, 724),
        ("conv2d", "columns_gaps8", True): KernelCost(19.1, 0.0, 116.4, 5.2, 794),
        ("conv2d", "columns_bitmap", True): KernelCost(14.8, 1.8, 107.5, 27.2, 880),
        ("conv2d", "columns_gaps4", True): KernelCost(24.3, 0.1, 117.8, 10.6, 814),
        ("conv2d", "lists8", True): KernelCost(17.2, 0.2, 63.8, 20.7, 838),
        ("conv2d", "lists16", True): KernelCost(15.9, 0.1, 65.8, 17.5, 806),
        ("conv2d", "gaps8", True): KernelCost(19.3, 0.0, 72.8, 15.3, 776),
        ("conv2d", "bitmap", True): KernelCost(15.4, 1.6, 67.3, 35.3, 884),
        ("conv2d", "gaps4", True): KernelCost(24.0, 0.4, 71.0, 19.4, 814),
        ("dense", "", False): KernelCost(6.0, 0.0, 49.7, 0.0, 202),
        ("dense", "columns_gaps8", False): KernelCost(15.0, 0.0, 53.5, 0.0, 252),
        ("dense", "columns_bitmap", False): KernelCost(11.3, 2.2, 52.4, 0.0, 290),
        ("dense", "columns_gaps4", False): KernelCost(21.0, 0.0, 64.0, 0.0, 324),
        ("dense", "lists8", False): KernelCost(10.0, 0.0, 49.0, 0.0, 220),
        ("dense", "lists16", False): KernelCost(10.0, 0.0, 46.5, 0.0, 218),
        ("dense", "gaps8", False): KernelCost(15.0, 0.0, 51.4, 0.0, 258),
        ("dense", "bitmap", False): KernelCost(11.5, 2.1, 58.8, 0.0, 298),
        ("dense", "gaps4", False): KernelCost(20.1, 0.5, 51.9, 0.0, 320),
        ("dense", "", True): KernelCost(12.5, 0.0, 51.8, 0.0, 258),
        ("dense", "columns_gaps8", True): KernelCost(21.5, 0.0, 55.7, 0.0, 298),
        ("dense", "columns_bitmap", True): KernelCost(17.9, 2.3, 59.8, 0.0, 330),
        ("dense", "columns_gaps4", True): KernelCost(26.5, 0.0, 68.1, 0.0, 364),
        ("dense", "lists8", True): KernelCost(17.5, 0.0, 52.1, 0.0, 284),
        ("dense", "lists16", True): KernelCost(16.5, 0.0, 50.5, 0.0, 278),
        ("dense", "gaps8", True): KernelCost(21.5, 0.0, 52.5, 0.0, 296),
        ("dense", "bitmap", True): KernelCost(18.1, 2.2, 65.5, 0.0, 338),
        ("dense", "gaps4", True): KernelCost(25.5, 0.5, 54.4, 0.0, 360),
    }
)
"""By (kind of operator, name of the positions, whether the values are in a codebook)."""

DEPTHWISE_CODE_BYTES = 532
"""Machine code of the depthwise kernel, which reads dense weights only."""


def kernel_cost(kind: str, encoding: str) -> KernelCost:
    """The costs of the kernel for an operator "conv2d" or "dense"."""
    parts = ENCODINGS[encoding]
    return COSTS[kind, parts.positions.name, parts.values.has_table]


def kernel_code_bytes(kind: str, encoding: str) -> int:
    """Machine code of the kernel that reads such weights, in bytes."""
    if kind == "depthwise_conv2d":
        return DEPTHWISE_CODE_BYTES
    return kernel_cost(kind, encoding).code_bytes
