"""From an architecture of the space to verified C: every stage agrees with the next one."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import requires_tool
from strategies import SHAPES

from pruning.channels import select_channels
from pruning.magnitude import update_masks
from sparse_search.candidate import PruningStep
from sparse_search.cutting import cut
from sparse_search.deploy import export_c, verify
from sparse_search.graph import Graph
from sparse_search.memory import plan_memory
from sparse_search.network import Network
from sparse_search.quantize import quantize
from sparse_search.space import SearchSpace
from sparse_search.sparsity import sparsity_targets

CASES = int(os.environ.get("SPARSE_SEARCH_FUZZ_CASES", "12"))


@pytest.mark.parametrize("seed", range(CASES))
def test_a_random_member_of_the_space_survives_the_whole_chain(seed: int, tmp_path: Path) -> None:
    """Graph = network shapes; reference = compiled C, bit for bit; arena within the plan."""
    requires_tool("gcc")
    rng = np.random.default_rng(seed)
    space = SearchSpace(SHAPES[seed % len(SHAPES)], int(rng.integers(2, 12)), max_filters=32)
    graph = space.build(space.sample(rng))
    network = Network(graph, torch.Generator().manual_seed(seed))
    settle(network, torch.Generator().manual_seed(seed + 1))
    if rng.random() < 0.5:
        own = exceptions(graph, "channels", rng)
        step = PruningStep("channels", float(rng.uniform(0.0, 0.8)), tuple(own.items()))
        network = cut(network, select_channels(network, step))
    own = exceptions(graph, "magnitude", rng)
    update_masks(network, own, float(rng.choice([0.0, 0.3, 0.6, 0.9, 0.99])))
    network.apply_masks()
    images = rng.integers(0, 256, (12, *space.input_shape), dtype=np.uint8)
    shapes = {name: t.shape[1:] for name, t in network.activations(images).items()}
    assert shapes == {t.name: t.shape for t in network.graph.tensors}

    model = quantize(network, images)
    plan = plan_memory(model)
    export_c(model, plan, tmp_path / "export")
    certificate = verify(tmp_path / "export", images)
    assert certificate.failures == ()
    assert certificate.identical == len(images)
    assert certificate.measured_arena_bytes <= plan.arena_bytes == certificate.predicted_arena_bytes


def exceptions(graph: Graph, method: str, rng: np.random.Generator) -> dict[str, float]:
    """A sparsity of its own for about every third layer that may have one."""
    names = sparsity_targets(graph, method)
    return {name: float(rng.uniform(0.0, 0.95)) for name in names if rng.random() < 0.3}


def settle(network: Network, generator: torch.Generator) -> None:
    """Gives the batch norms statistics and scales as uneven as training may leave them."""
    with torch.no_grad():
        for _, unit in network:
            if unit.norm is not None:
                unit.norm.running_mean.normal_(generator=generator)
                unit.norm.running_var.uniform_(0.1, 4.0, generator=generator)
                unit.norm.weight.uniform_(-0.5, 2.0, generator=generator)
                unit.norm.bias.normal_(std=0.5, generator=generator)
