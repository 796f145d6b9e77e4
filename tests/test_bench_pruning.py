"""What the benchmarks of pruning read off a network and a firmware."""

from pathlib import Path

import numpy as np
import torch
from conftest import requires_tool
from random_models import random_graph, random_model

from experiments.bench_pruning import units_left
from experiments.firmware import link
from experiments.lenets import LENETS
from sparse_search import export_c, plan_memory
from sparse_search.network import Network


def test_units_left_are_rows_and_columns_that_are_not_zero():
    """Counted by hand on networks of which most is zero; whole ones keep what they are named by."""
    generator = torch.Generator().manual_seed(0)
    whole = {name: Network(graph(), generator) for name, graph in LENETS.items()}
    assert units_left(whole["lenet-300-100"]) == "784-300-100"
    assert units_left(whole["lenet-5-caffe"]) == "20-50-800-500"
    network = whole["lenet-5-caffe"]
    with torch.no_grad():
        network.unit("conv1").weight[8:] = 0.0
        network.unit("conv2").weight[:3] = 0.0
        network.unit("fc1").weight[:, 88:] = 0.0
        network.unit("fc1").weight[13:] = 0.0
    assert units_left(network) == "8-47-88-13"


def test_a_linked_firmware_holds_the_predicted_constants(tmp_path: Path):
    """Read-only data of the linked file is flash_bytes, but for the gaps of alignment."""
    requires_tool("arm-none-eabi-gcc")
    requires_tool("arm-none-eabi-size")
    generator = np.random.default_rng(1)
    model = random_model(generator, random_graph(generator))
    plan = plan_memory(model)
    export = export_c(model, plan, tmp_path / "export").folder
    sizes = link(export, tmp_path / "build")
    gaps = sizes.constants - plan.flash_bytes
    assert 0 <= gaps < 4 * 6 * len(plan.layers)
    assert sizes.flash == sizes.code + sizes.constants  # Nothing is initialised data.
    assert sizes.code > 500
