"""Kernels for speed against CMSIS-NN, counted under emulation."""

from statistics import geometric_mean

import pytest
from conftest import requires_tool

from experiments.bench_inference import layers, measure
from experiments.emulator import CORES


@pytest.mark.parametrize(
    ("core", "largest", "mean"), [("m4", 0.85, 0.6), ("m0", 1, 1), ("m55", 1, 1)]
)
def test_fewer_instructions_than_cmsis_nn(core: str, largest: float, mean: float) -> None:
    """Ten layers, each with no more scratch memory; ``measure`` checks the outputs, too."""
    requires_tool("arm-none-eabi-gcc")
    requires_tool("qemu-system-arm")
    rows = [measure(CORES[core], name, graph, "speed") for name, graph in layers()]
    ratios = {row["layer"]: row["ratio"] for row in rows}
    assert len(ratios) == 10
    assert max(ratios.values()) <= largest, ratios
    assert geometric_mean(ratios.values()) <= mean
    assert all(row["scratch_bytes"] <= row["cmsis_nn_scratch_bytes"] for row in rows)
