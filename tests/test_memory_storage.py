"""How weights are stored in a plan: predictions bound what models need, policies are kept."""

import json
from dataclasses import replace

import numpy as np
import pytest
from random_models import random_graph, random_model

from sparse_search.encoding import ALL_ENCODINGS, EncodingPolicy
from sparse_search.errors import MemoryPlanError
from sparse_search.graph import Conv2d, Dense, DepthwiseConv2d, Graph, Tensor
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.quantized import QuantizedModel

GRAPH = Graph(
    (
        Tensor("input", (9, 9, 3)),
        Tensor("grey", (9, 9, 1)),
        Tensor("conv", (9, 9, 4)),
        Tensor("depthwise", (4, 4, 4)),
        Tensor("output", (1, 1, 5)),
    ),
    (
        Conv2d("grey", ("input",), "grey", (1, 1), (1, 1), (0, 0, 0, 0), "none", False),
        Conv2d("conv", ("grey",), "conv", (3, 3), (1, 1), (1, 1, 1, 1)),
        DepthwiseConv2d("depthwise", ("conv",), "depthwise", (3, 3), (2, 2), (0, 0, 0, 0)),
        Dense("output", ("depthwise",), "output"),
    ),
)


def random_quantized(seed: int, sparsity: float, bits: int | None = None) -> QuantizedModel:
    """Random weights on a random graph."""
    generator = np.random.default_rng(seed)
    return random_model(generator, random_graph(generator), sparsity, bits, narrow=True)


@pytest.mark.parametrize("bits", [None, 1, 2, 3, 4, 6])
@pytest.mark.parametrize("seed", range(4))
def test_a_prediction_bounds_every_model_with_as_many_zeros(seed: int, bits: int | None) -> None:
    """Wherever the nonzeros are and whichever values they take, no layer needs more.

    Its channels are narrow, as those that ``quantize`` makes.
    """
    generator = np.random.default_rng(seed)
    model = random_quantized(seed, float(generator.uniform(0, 1)))
    counted = {layer.name: layer for layer in plan_memory(model).layers if layer.weights}
    zeros = {n: 1 - layer.nonzeros / layer.weights for n, layer in counted.items()}
    few = generator.permutation(np.setdiff1d(np.arange(-127, 128), 0))
    weights = {}
    for name, held in model.weights.items():
        values = few if bits is None else few[: (1 << bits) - 1]
        drawn = generator.choice(values, held.weights.shape) * (held.weights != 0)
        depthwise = counted[name].kind == "depthwise_conv2d"
        weights[name] = held if depthwise else replace(held, weights=drawn.astype(np.int8))
    plan = plan_memory(QuantizedModel(model.graph, model.tensors, weights))
    predicted = plan_memory(model.graph, sparsity=zeros, codebook_bits=bits)
    for layer, bound in zip(plan.layers, predicted.layers, strict=True):
        assert layer.weight_bytes <= bound.weight_bytes
        assert layer.nonzeros == bound.nonzeros
    assert plan.flash_bytes <= predicted.flash_bytes


def test_numbers_of_values_are_for_graphs() -> None:
    """The values of a quantized model are counted, and one bit is the least."""
    with pytest.raises(MemoryPlanError, match="expected codebook_bits of 1 or more, for a graph"):
        plan_memory(random_quantized(0, 0.0), codebook_bits=3)
    with pytest.raises(MemoryPlanError, match="got 0"):
        plan_memory(GRAPH, codebook_bits=0)


def test_clustered_layers_are_predicted_with_their_table() -> None:
    """3 bits: indices and once eight values, where less; grey and depthwise are not clustered."""
    plan = plan_memory(GRAPH, codebook_bits=3)
    stored = {layer.name: (layer.encoding, layer.weight_bytes) for layer in plan.layers}
    assert stored["grey"] == ("dense", 3)
    assert stored["conv"] == ("codebook3", 14 + 8)
    assert stored["depthwise"] == ("dense", 36)
    assert stored["output"] == ("codebook3", 120)
    assert plan.layers[3].codebook_of == "conv"


def test_a_policy_is_kept_and_recorded() -> None:
    """Only what it allows is used, JSON brings it back; CMSIS-NN's kernels read dense weights."""
    model = random_quantized(1, 0.8)
    policy = EncodingPolicy(("dense", "gaps8"), max_mac_cost=5.0)
    plan = plan_memory(model, policy=policy)
    assert {layer.encoding for layer in plan.layers} <= {None, "dense", "gaps8"}
    assert "gaps8" in {layer.encoding for layer in plan.layers}
    fields = json.loads(json.dumps(plan.to_dict()))
    assert EncodingPolicy.from_dict(fields["policy"]) == policy == plan.policy
    assert fields["weight_code_bytes"] == plan.weight_code_bytes > 0
    cmsis = plan_memory(model, KernelLibrary.CMSIS_DSP, policy=policy)
    assert {layer.encoding for layer in cmsis.layers} <= {None, "dense"}
    assert cmsis.weight_code_bytes == 0


def test_the_default_never_takes_more_than_another_policy() -> None:
    """Fewest bytes of every layer: no restriction can save flash."""
    for seed in range(6):
        model = random_quantized(seed, 0.6, 3)
        least = plan_memory(model).flash_bytes
        for policy in (
            *(EncodingPolicy((kind,)) for kind in ALL_ENCODINGS),
            EncodingPolicy(max_mac_cost=1.5),
            EncodingPolicy(count_code=True),
        ):
            assert plan_memory(model, policy=policy).flash_bytes >= least


def test_code_that_counts_is_least_in_sum() -> None:
    """Weights and kernels together never take more than under the default policy."""
    for seed in range(6):
        model = random_quantized(seed, 0.6, 3)
        default = plan_memory(model)
        counted = plan_memory(model, policy=EncodingPolicy(count_code=True))
        assert (
            counted.flash_bytes + counted.weight_code_bytes
            <= default.flash_bytes + default.weight_code_bytes
        )
