"""Memory plans: figures by hand, the papers' definitions, prediction against counting."""

import json
from dataclasses import replace

import numpy as np
import pytest
from encoded import encode_smallest
from float_models import random_images, random_model
from memory_checks import check_no_harm

from sparse_search.encoding import EncodingPolicy, allowed_encodings
from sparse_search.errors import MemoryPlanError
from sparse_search.graph import (
    Add,
    AvgPool2d,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Tensor,
)
from sparse_search.memory import (
    MEASURES,
    KernelLibrary,
    LayerCost,
    all_plans,
    definitions,
    plan_memory,
)
from sparse_search.quantize import quantize
from sparse_search.quantized import QuantizedModel

NO_PADDING = (0, 0, 0, 0)


def small_graph() -> Graph:
    """9x9x3 -> grey -> conv 3x3 SAME, 4 -> depthwise 3x3 stride 2 -> max pool -> dense 5."""
    return Graph(
        (
            Tensor("input", (9, 9, 3)),
            Tensor("grey", (9, 9, 1)),
            Tensor("conv", (9, 9, 4)),
            Tensor("depthwise", (4, 4, 4)),
            Tensor("pool", (2, 2, 4)),
            Tensor("output", (1, 1, 5)),
        ),
        (
            Conv2d("grey", ("input",), "grey", (1, 1), (1, 1), NO_PADDING, "none", False),
            Conv2d("conv", ("grey",), "conv", (3, 3), (1, 1), (1, 1, 1, 1)),
            DepthwiseConv2d("depthwise", ("conv",), "depthwise", (3, 3), (2, 2), NO_PADDING),
            MaxPool2d("pool", ("depthwise",), "pool", (2, 2), (2, 2)),
            Dense("output", ("pool",), "output"),
        ),
    )


def residual_graph() -> Graph:
    """Two convolutions beside a skip connection, added, averaged, classified."""
    same = (1, 1, 1, 1)
    return Graph(
        (
            Tensor("input", (6, 6, 2)),
            Tensor("a", (6, 6, 5)),
            Tensor("b", (6, 6, 7)),
            Tensor("c", (6, 6, 5)),
            Tensor("sum", (6, 6, 5)),
            Tensor("mean", (1, 1, 5)),
            Tensor("logits", (1, 1, 3)),
        ),
        (
            Conv2d("conv1", ("input",), "a", (3, 3), (1, 1), same),
            Conv2d("conv2", ("a",), "b", (3, 3), (1, 1), same),
            Conv2d("conv3", ("b",), "c", (1, 1), (1, 1), NO_PADDING),
            Add("add", ("a", "c"), "sum"),
            AvgPool2d("average", ("sum",), "mean", (6, 6), (6, 6)),
            Dense("dense", ("mean",), "logits"),
        ),
    )


def test_sparse_released_network_has_the_published_figures() -> None:
    """SpArSe's released MNIST network: 1802 parameters, max |x| + |w| = 1352 B.

    Its fully connected layer reads 122 gathered features of the 550 that the convolution writes,
    so the two halves are two graphs.
    """
    conv = plan_memory(
        Graph(
            (Tensor("input", (9, 9, 1)), Tensor("conv", (5, 5, 22))),
            (Conv2d("conv", ("input",), "conv", (5, 5), (1, 1), NO_PADDING),),
        )
    )
    dense = plan_memory(
        Graph(
            (Tensor("gathered", (1, 1, 122)), Tensor("output", (1, 1, 10))),
            (Dense("output", ("gathered",), "output"),),
        )
    )
    assert conv.parameters + dense.parameters == 1802
    assert conv.nonzeros + dense.nonzeros == 1802
    assert (conv.in_weights_bytes, dense.in_weights_bytes) == (653, 1352)
    assert (conv.in_out_bytes, dense.in_out_bytes) == (631, 132)


def test_every_figure_of_a_small_network_by_hand() -> None:
    """Weights 3 + 36 + 36 + 80, biases 1 + 4 + 4 + 5; arena peaks at the convolution.

    When its last pixel is written, 324 bytes, it still reads from byte 7 x 9 + 7 of its input on.
    """
    plan = plan_memory(small_graph())
    assert [a.size_bytes for a in plan.allocations] == [243, 81, 324, 64, 16, 5]
    assert [(a.first, a.last) for a in plan.allocations] == [
        (0, 0),
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 4),
        (4, 4),
    ]
    assert plan.lower_bound_bytes == 84 + 256
    assert 252 < 324 - (7 * 9 + 7) <= 256
    assert plan.arena_bytes == plan.lower_bound_bytes + 4  # The image cannot lie lower, too.
    assert plan.optimal
    assert plan.peak.operator == "conv"
    assert plan.peak.live_bytes == 340
    assert plan.peak.buffers == (("grey", 81), ("conv", 324))
    assert plan.macs == 81 * 3 + 81 * 36 + 16 * 36 + 80
    assert plan.parameters == plan.nonzeros == 155 + 14
    assert plan.int8_dense_bytes == 155 + 14 * 4
    assert plan.flash_bytes == 155 + 14 * (2 + 1) + 4 * 4 + (22 * 3 + 16 + 12)
    assert plan.layers[1] == LayerCost(
        name="conv",
        kind="conv2d",
        macs=81 * 36,
        weights=36,
        biases=4,
        nonzeros=36,
        encoding="dense",
        codebook_of=None,
        narrow=True,
        fused=False,
        weight_bytes=36,
        bias_bytes=8,
        requantize_bytes=8,
        table_bytes=22,
        input_bytes=81,
        output_bytes=324,
    )
    assert definitions(plan) == {
        "arena": 344,
        "persistent": 0,
        "in+weights": 324 + 36 + 4,
        "in+out": 405,
        "live-no-input": 405,
        "nonzeros": 169,
        "int8-dense": 211,
        "flash": 307,
    }
    check_no_harm(plan, small_graph())


def test_every_definition_says_what_it_counts() -> None:
    """Five definitions of working memory and three of model size have texts."""
    subjects = [measure.subject for measure in MEASURES.values()]
    assert subjects == ["working memory"] * 5 + ["model size"] * 3
    assert all(measure.text for measure in MEASURES.values())


def test_pooling_rounds_down() -> None:
    """A 2x2 pooling of a 7x7 map writes 3x3; the rest of the map is still read and counted."""
    graph = Graph(
        (Tensor("input", (7, 7, 4)), Tensor("pool", (3, 3, 4))),
        (MaxPool2d("pool", ("input",), "pool", (2, 2), (2, 2)),),
    )
    plan = plan_memory(graph)
    assert (plan.layers[0].input_bytes, plan.layers[0].output_bytes) == (196, 36)
    assert (plan.arena_bytes, plan.in_out_bytes) == (196 + 4, 232)
    assert (plan.flash_bytes, plan.nonzeros, plan.in_weights_bytes, plan.macs) == (16, 0, 0, 0)


def test_memory_without_the_input_is_much_smaller_for_a_large_image() -> None:
    """64x64x3 input: μNAS counts 258 B where the arena needs 12,292 B."""
    graph = Graph(
        (
            Tensor("input", (64, 64, 3)),
            Tensor("conv", (16, 16, 4)),
            Tensor("pool", (8, 8, 4)),
            Tensor("output", (1, 1, 2)),
        ),
        (
            Conv2d("conv", ("input",), "conv", (4, 4), (4, 4), NO_PADDING),
            MaxPool2d("pool", ("conv",), "pool", (2, 2), (2, 2)),
            Dense("output", ("pool",), "output"),
        ),
    )
    plan = plan_memory(graph)
    assert plan.arena_bytes == 64 * 64 * 3 + 4  # A pixel of four bytes at a time.
    assert plan.live_no_input_bytes == 256 + 2  # The convolution pools its output at once.
    assert plan.in_weights_bytes == 64 * 64 * 3 + 4 * 4 * 3 * 4 + 4


def test_a_skip_connection_keeps_its_tensor_alive() -> None:
    """The first convolution's output lives until the addition reads it."""
    graph = residual_graph()
    plan = plan_memory(graph)
    lives = {a.name: (a.first, a.last) for a in plan.allocations}
    assert lives["a"] == (0, 3)
    # The 1 x 1 convolution may write two pixels, of 5 bytes, before it has read their 7 each.
    assert plan.arena_bytes == plan.lower_bound_bytes == 180 + 252 + 12
    assert plan.peak.operator == "conv3"
    assert [name for name, _ in plan.peak.buffers] == ["a", "b", "c"]
    assert plan.in_out_bytes == 3 * 180
    assert plan.layers[3].table_bytes == plan.layers[3].flash_bytes == 24
    check_no_harm(plan, graph)


def test_a_tensor_that_an_operator_reads_twice_counts_once() -> None:
    """The operator x + x reads x."""
    graph = Graph(
        (Tensor("input", (2, 2, 2)), Tensor("sum", (2, 2, 2))),
        (Add("add", ("input", "input"), "sum"),),
    )
    plan = plan_memory(graph)
    assert (plan.layers[0].input_bytes, plan.arena_bytes) == (8, 16)


def test_scratch_memory_belongs_to_its_operator() -> None:
    """CMSIS-NN's scratch joins the arena; its peak may be at another operator."""
    plans = all_plans(small_graph())
    assert [plan.kernels for plan in plans.values()] == list(plans) == list(KernelLibrary)
    scratch = {
        kernels: {a.name: (a.size_bytes, a.first, a.last) for a in plan.allocations[6:]}
        for kernels, plan in plans.items()
    }
    assert scratch == {
        KernelLibrary.RUNTIME: {},
        KernelLibrary.CMSIS_SCALAR: {"conv:scratch": (48, 1, 1)},
        KernelLibrary.CMSIS_DSP: {"conv:scratch": (48, 1, 1)},
        KernelLibrary.CMSIS_MVE: {
            "conv:scratch": (64, 1, 1),
            "depthwise:scratch": (4464, 2, 2),
            "output:scratch": (20, 4, 4),
        },
    }
    arenas = [plan.arena_bytes for plan in plans.values()]
    assert arenas == [344, 408 + 48, 408 + 48, 324 + 64 + 4464]
    assert plans[KernelLibrary.CMSIS_MVE].peak.operator == "depthwise"
    for plan in plans.values():
        check_no_harm(plan, small_graph())


def test_cmsis_nn_stores_dense_weights_and_wide_shifts() -> None:
    """Its kernels read no bitmap and take int32 shifts; the count of nonzeros is the same."""
    runtime, *others = all_plans(small_graph(), sparsity=0.9).values()
    for plan in others:
        assert plan.nonzeros == runtime.nonzeros
        assert {layer.encoding for layer in plan.layers} == {"dense", None}
        assert (plan.persistent_bytes, runtime.persistent_bytes) == (14 * 8, 0)
        assert plan.flash_bytes == 155 + 14 * (4 + 8) + (22 * 3 + 16 + 12)


def test_sparsity_is_layer_wise_and_spares_biases_and_grey() -> None:
    """Of n weights, n - round(sparsity * n) stay; flash falls where the bitmap is smaller."""
    plan = plan_memory(small_graph(), sparsity=0.8)
    assert [layer.nonzeros for layer in plan.layers] == [3, 36 - 29, 36 - 29, 0, 80 - 64]
    assert [layer.encoding for layer in plan.layers] == ["dense", "bitmap", "dense", None, "bitmap"]
    assert [layer.weight_bytes for layer in plan.layers] == [3, 5 + 7, 36, 0, 10 + 16]
    assert plan.nonzeros == 33 + 14
    assert plan.int8_dense_bytes == 211


@pytest.mark.parametrize("sparsity", [-0.1, 1.1, float("nan")])
def test_impossible_sparsities_are_errors(sparsity: float) -> None:
    """Sparsity is a fraction."""
    with pytest.raises(MemoryPlanError, match=r"expected a sparsity in \[0, 1\]"):
        plan_memory(small_graph(), sparsity=sparsity)


def test_a_graph_without_operators_is_an_error() -> None:
    """There is nothing to plan."""
    with pytest.raises(MemoryPlanError, match="at least one operator"):
        plan_memory(Graph((Tensor("input", (1, 1, 1)),), ()))


def quantized(seed: int, sparsity: float) -> QuantizedModel:
    """A random int8 network."""
    generator = np.random.default_rng(seed)
    network = random_model(generator, 6, sparsity=sparsity)
    return quantize(network, random_images(network.graph, 4, generator))


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("seed", range(5))
def test_a_quantized_model_is_counted_not_predicted(seed: int, sparsity: float) -> None:
    """Nonzeros and weight bytes are those of the arrays as they are encoded."""
    model = quantized(seed, sparsity)
    plan = plan_memory(model)
    held = {name: weights.weights for name, weights in model.weights.items()}
    for layer in plan.layers:
        if layer.name not in held:
            assert (layer.nonzeros, layer.encoding, layer.weight_bytes) == (0, None, 0)
            continue
        rows = held[layer.name].reshape(held[layer.name].shape[0], -1)
        encoded = encode_smallest(rows, allowed_encodings(layer.kind))
        assert layer.nonzeros == np.count_nonzero(rows)
        assert (layer.encoding, layer.weight_bytes) == (encoded.kind, encoded.bytes)
    graph_plan = plan_memory(model.graph)
    assert plan.allocations == graph_plan.allocations
    assert plan.parameters == graph_plan.parameters


@pytest.mark.parametrize("kinds", [("dense",), ("dense", "bitmap")])
def test_a_prediction_equals_the_count_where_the_zeros_are_as_predicted(
    kinds: tuple[str, ...],
) -> None:
    """Dense and bitmap: the plan of a graph is that of any model with as many zeros."""
    model, policy = quantized(3, 0.0), EncodingPolicy(kinds)
    predicted = plan_memory(model.graph, sparsity=0.7, policy=policy)
    nonzeros = {layer.name: layer.nonzeros for layer in predicted.layers}
    weights = {}
    for name, held in model.weights.items():
        pruned = np.zeros(held.weights.size, np.int8)
        pruned[: nonzeros[name]] = 1
        weights[name] = replace(held, weights=pruned.reshape(held.weights.shape))
    pruned_model = QuantizedModel(model.graph, model.tensors, weights)
    assert plan_memory(pruned_model, policy=policy) == predicted


def test_a_model_takes_no_sparsity() -> None:
    """The zeros of a quantized model are counted."""
    with pytest.raises(MemoryPlanError, match="expected sparsity 0 for a quantized model"):
        plan_memory(quantized(0, 0.0), sparsity=0.5)


def test_a_plan_is_json() -> None:
    """A plan's dictionary holds every figure and survives JSON."""
    plan = plan_memory(residual_graph(), KernelLibrary.CMSIS_DSP, 0.5)
    fields = json.loads(json.dumps(plan.to_dict()))
    assert fields["kernels"] == "cmsis-nn-dsp"
    assert [a["name"] for a in fields["allocations"]] == [a.name for a in plan.allocations]
    assert fields["allocations"][0]["size_bytes"] == 72
    assert fields["peak"]["operator"] == plan.peak.operator
    assert fields["arena_bytes"] == plan.arena_bytes
    assert fields["layers"][0]["weights"] == 90
    for name in ("flash_bytes", "nonzeros", "in_weights_bytes", "live_no_input_bytes", "macs"):
        assert fields[name] == getattr(plan, name)
