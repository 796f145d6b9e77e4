"""The memory plan beside that of TensorFlow Lite Micro's interpreter, for the same network."""

import numpy as np
from conftest import requires_module
from random_models import random_graph, random_model

from experiments.tflite_arena import compare
from sparse_search.errors import ExportError

MODELS = 150


def test_the_interpreter_never_plans_less_and_mostly_the_same() -> None:
    """Aligned alike, where its network has no further tensors; with those it needs no less."""
    requires_module("tflite_micro")
    same = []
    for seed in range(MODELS):
        generator = np.random.default_rng(seed)
        try:
            found = compare(random_model(generator, random_graph(generator)))
        except ExportError:
            continue
        assert found["head_bytes"] >= found["plan16_bytes"] >= found["plan_bytes"]
        if not found["extra_tensors"]:
            same.append(found["head_bytes"] == found["plan16_bytes"])
    assert len(same) > MODELS // 4
    assert np.mean(same) > 0.9
