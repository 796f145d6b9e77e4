"""Random graphs with random weights: the compiled C equals the integer reference, bit for bit."""

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_tool
from random_models import random_graph, random_images, random_model
from sanitizers import requires_sanitizers

from sparse_search.deploy import ExportOptions, Optimize, export_c, verify
from sparse_search.encoding import ALL_ENCODINGS, EncodingPolicy
from sparse_search.graph import Concat
from sparse_search.memory import plan_memory

CASES = int(os.environ.get("SPARSE_SEARCH_FUZZ_CASES", "12"))
IMAGES = 12


@pytest.mark.parametrize("optimize", ["size", "speed"])
@pytest.mark.parametrize("seed", range(CASES))
def test_c_equals_integer_reference(tmp_path: Path, seed: int, optimize: Optimize) -> None:
    """Every byte of every output; the arena stays within the plan; no undefined behaviour."""
    requires_tool("gcc")
    generator = np.random.default_rng(seed)
    graph = random_graph(generator)
    kind = ALL_ENCODINGS[seed // 2 % len(ALL_ENCODINGS)]
    bits = int(kind[-1]) if "codebook" in kind else None
    one = bool(generator.random() < 0.5)
    model = random_model(generator, graph, codebook_bits=bits, one_codebook=one)
    # Half of the cases choose freely, the others try every encoding in turn.
    policy = EncodingPolicy() if seed % 2 == 0 else EncodingPolicy(allowed=(kind,))
    plan = plan_memory(model, policy=policy)
    export_c(model, plan, tmp_path / "export", options=ExportOptions(optimize=optimize))
    images = random_images(generator, graph, IMAGES)
    flags = requires_sanitizers(tmp_path) if seed % 5 < 2 else ("-O2",)
    certificate = verify(tmp_path / "export", images, flags=flags)
    assert certificate.failures == ()
    assert certificate.identical == IMAGES
    assert certificate.measured_arena_bytes <= plan.arena_bytes


def test_random_models_exercise_everything() -> None:
    """The fuzz would be blind if an operator never occurred or all outputs were saturated."""
    kinds: set[str] = set()
    joined: set[int] = set()
    copied = varied = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        graph = random_graph(generator)
        kinds |= {operator.kind for operator in graph.operators}
        model = random_model(generator, graph)
        for operator in graph.operators:
            if isinstance(operator, Concat):
                joined.add(len(operator.inputs))
                sources = [model.tensors[name] for name in operator.inputs]
                copied += model.tensors[operator.output] in sources
        logits = model.forward(random_images(generator, graph, IMAGES))
        varied += int(len(np.unique(logits)) > IMAGES)
    assert kinds == {
        *("conv2d", "depthwise_conv2d", "dense", "max_pool2d", "avg_pool2d", "add", "concat")
    }
    assert joined == {2, 3, 4}
    assert copied > 3
    assert varied > 50
