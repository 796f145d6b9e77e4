"""The firmware around a dense network: what it computes, and that it does not grow."""

import pytest
from conftest import requires_tool

from experiments.bench_firmware import measure
from sparse_search.deploy import Optimize


@pytest.mark.parametrize(
    ("optimize", "flash_bytes", "instructions"),
    [("size", 3_600, 460_000), ("speed", 5_600, 83_000)],
)
def test_small_and_equal_to_the_reference(
    optimize: Optimize, flash_bytes: int, instructions: int
) -> None:
    """``measure`` compares every operator, also those whose map a pooling kernel never writes."""
    requires_tool("arm-none-eabi-gcc")
    requires_tool("qemu-system-arm")
    row = measure(optimize)
    assert row["weights"] == 1958
    assert row["flash_bytes"] <= flash_bytes
    assert row["instructions"] <= instructions
