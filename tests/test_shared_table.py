"""Codebooks that share one table: counted once, defined once, and read by every layer."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_tool
from emulated import requires_core
from random_models import random_graph, random_images, random_model

from sparse_search.deploy import ExportOptions, Optimize, export_c, verify
from sparse_search.encoding import EncodingPolicy, common_values, encode_as, measured_options
from sparse_search.errors import MemoryPlanError
from sparse_search.graph import Conv2d, Dense, Graph, Tensor
from sparse_search.memory import KernelLibrary, MemoryPlan, plan_memory
from sparse_search.quantized import QuantizedModel

OWN = EncodingPolicy(shared_table=False)
GRAPH = Graph(
    (
        Tensor("input", (9, 9, 2)),
        Tensor("first", (9, 9, 6)),
        Tensor("second", (9, 9, 6)),
        Tensor("output", (1, 1, 5)),
    ),
    (
        Conv2d("first", ("input",), "first", (3, 3), (1, 1), (1, 1, 1, 1)),
        Conv2d("second", ("first",), "second", (3, 3), (1, 1), (1, 1, 1, 1)),
        Dense("output", ("second",), "output"),
    ),
)


def model_of(seed: int, graph: Graph, sparsity: float = 0.0, bits: int = 4) -> QuantizedModel:
    """A model whose weights take few values, the same in all operators but depthwise ones."""
    generator = np.random.default_rng(seed)
    return random_model(generator, graph, sparsity, bits, narrow=True, one_codebook=True)


def holders(plan: MemoryPlan) -> list[str | None]:
    """Which operator holds the table of each operator with weights."""
    return [layer.codebook_of for layer in plan.layers if layer.weights]


def test_the_first_layer_holds_the_table_of_all() -> None:
    """Indices of half a byte each, and 15 values once in place of three times."""
    model = model_of(0, GRAPH)
    plan, own = plan_memory(model), plan_memory(model, policy=OWN)
    assert holders(plan) == ["first"] * 3
    assert holders(own) == ["first", "second", "output"]
    counts = [layer.weights for layer in plan.layers]
    assert [layer.weight_bytes for layer in plan.layers] == [
        (count + 1) // 2 + (15 if first else 0)
        for count, first in zip(counts, (True, False, False), strict=True)
    ]
    assert own.flash_bytes - plan.flash_bytes == 2 * 15


def test_a_table_holds_what_is_stored() -> None:
    """Zeros that a bitmap leaves out are no value of it, though others of the layer are."""
    plan = plan_memory(model_of(1, GRAPH, 0.7))
    assert {layer.encoding for layer in plan.layers} == {"bitmap_codebook4"}
    assert holders(plan) == ["first"] * 3
    counts = [(layer.weights + 7) // 8 + (layer.nonzeros + 1) // 2 for layer in plan.layers]
    assert [layer.weight_bytes for layer in plan.layers] == [counts[0] + 15, *counts[1:]]


def test_layers_of_other_values_keep_a_table_of_their_own() -> None:
    """Sharing is left where it would take more than 16 values, or more bytes."""
    shared, other = model_of(2, GRAPH), model_of(3, GRAPH)
    mixed = replace(shared, weights={**shared.weights, "second": other.weights["second"]})
    values = np.unique(np.concatenate([w.weights.ravel() for w in mixed.weights.values()]))
    assert len(values) > 16
    assert holders(plan_memory(mixed)) == ["first", "second", "first"]
    few = [np.int8([[1, 2], [3, 4]]), np.int8([[5, 6], [7, 8]])]
    assert common_values(few) == (1, 2, 3, 4, 5, 6, 7, 8)
    assert common_values([np.arange(10, dtype=np.int8), -np.arange(1, 8, dtype=np.int8)]) == (
        *range(10),
    )


@pytest.mark.parametrize("seed", range(8))
def test_sharing_never_costs_a_byte(seed: int) -> None:
    """On random graphs; the kernels of CMSIS-NN have no codebooks."""
    graph = random_graph(np.random.default_rng(seed))
    model = model_of(seed, graph, 0.4, 3)
    assert plan_memory(model).flash_bytes <= plan_memory(model, policy=OWN).flash_bytes
    counted = EncodingPolicy(count_code=True)
    plans = [plan_memory(model, policy=p) for p in (counted, replace(counted, shared_table=False))]
    sums = [plan.flash_bytes + plan.weight_code_bytes for plan in plans]
    assert sums[0] <= sums[1]
    assert not any(holders(plan_memory(model, KernelLibrary.CMSIS_DSP)))


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_predictions_count_the_table_once_and_bound_models(seed: int, bits: int) -> None:
    """Of a graph whose nonzeros are known."""
    graph = random_graph(np.random.default_rng(seed + 50))
    model = model_of(seed, graph, 0.5, bits)
    plan = plan_memory(model)
    zeros = {x.name: 1 - x.nonzeros / x.weights for x in plan.layers if x.weights}
    bound = plan_memory(model.graph, sparsity=zeros, codebook_bits=bits)
    own = plan_memory(model.graph, sparsity=zeros, codebook_bits=bits, policy=OWN)
    assert plan.flash_bytes <= bound.flash_bytes <= own.flash_bytes


@pytest.mark.parametrize("optimize", ["size", "speed"])
@pytest.mark.parametrize("sparsity", [0.0, 0.6])
def test_c_defines_the_table_once_and_equals_the_reference(
    tmp_path: Path, optimize: Optimize, sparsity: float
) -> None:
    """Three layers read the array of the first."""
    requires_tool("gcc")
    model = model_of(5, GRAPH, sparsity)
    plan = plan_memory(model)
    export = export_c(model, plan, tmp_path / "c", options=ExportOptions(optimize=optimize))
    text = "".join(path.read_text() for path in sorted(export.folder.glob("model*.[ch]")))
    assert len(re.findall(r"int8_t\) model_\w+_codebook\[", text)) == 1
    assert len(re.findall(r"model_first_codebook,", text)) == 3
    images = random_images(np.random.default_rng(0), GRAPH, 8)
    certificate = verify(export.folder, images)
    assert certificate.failures == ()
    assert certificate.identical == 8


@pytest.mark.parametrize("core", ["m4", "avr"])
def test_a_linked_file_holds_the_table_once(tmp_path: Path, core: str) -> None:
    """Its read-only data are the planned flash, byte for byte."""
    requires_core(core)
    model = model_of(6, GRAPH, 0.3)
    plan = plan_memory(model)
    assert holders(plan) == ["first"] * 3
    export = export_c(model, plan, tmp_path / "c")
    images = random_images(np.random.default_rng(0), GRAPH, 3)
    certificate = verify(export.folder, images, core=core)
    assert certificate.failures == ()
    assert certificate.figure(".rodata").measured == plan.flash_bytes


def test_weights_beside_the_table_are_refused() -> None:
    """They could not be read back; and neither can more values than indices tell apart."""
    weights = np.int8([[1, 2, 3, 1]])
    table = np.int8([1, 2, 3, 9])
    held = encode_as("codebook2", weights, table)
    np.testing.assert_array_equal(held.decode(), weights)
    assert held.codebook.tolist() == [1, 2, 3, 9]
    with pytest.raises(MemoryPlanError, match="and a table of 2 values"):
        encode_as("codebook2", weights, np.int8([1, 2]))
    with pytest.raises(MemoryPlanError, match="and a table of 5 values"):
        encode_as("codebook2", weights, np.int8([1, 2, 3, 4, 5]))
    names = {option.encoding: option for option in measured_options(weights, table=(1, 2, 3, 9))}
    assert names["codebook2"].bytes == 1
    assert names["codebook2"].shares
    assert not names["dense"].shares


def test_plans_of_earlier_versions_share_nothing() -> None:
    """Their policies do not say so."""
    fields = {"allowed": ["dense"], "max_mac_cost": None, "count_code": False}
    assert not EncodingPolicy.from_dict(fields).shared_table
