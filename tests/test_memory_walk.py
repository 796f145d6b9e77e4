"""Memory plans of many networks agree with a walk over their graphs."""

import numpy as np
import pytest
from float_models import random_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_checks import check_no_harm
from strategies import members

from sparse_search.architecture import Architecture
from sparse_search.builder import build_graph
from sparse_search.graph import Conv2d, Graph, MaxPool2d
from sparse_search.memory import KernelLibrary, in_best_order, plan_memory
from sparse_search.space import SearchSpace


def pooled_at_once(graph: Graph) -> dict[str, str]:
    """By map of a convolution, the pooled map that is written in its place."""
    found = {}
    for conv in graph.operators:
        readers = [op for op in graph.operators if conv.output in op.inputs]
        pool = readers[0] if len(readers) == 1 else None
        if not isinstance(conv, Conv2d) or not isinstance(pool, MaxPool2d):
            continue
        if pool.kernel == pool.stride and not any(pool.padding):
            found[conv.output] = pool.output
    return found


def live_by_simulation(
    graph: Graph, alignment: int, *, with_input: bool, fused: bool = True
) -> list[int]:
    """Bytes alive at each operator, by walking the graph and asking who still reads what.

    Where convolutions pool their outputs, their maps take no bytes and the pooled ones are there
    earlier.
    """
    totals = []
    pooled = pooled_at_once(graph) if fused else {}
    for index, operator in enumerate(graph.operators):
        later = {name for op in graph.operators[index:] for name in op.inputs}
        done = {op.output for op in graph.operators[: index + 1]}
        written = {graph.input.name} | {op.output for op in graph.operators[:index]}
        alive = (written & (later | {graph.output.name})) | {operator.output}
        alive |= {pooled[name] for name in done & pooled.keys() if pooled[name] not in done}
        alive -= pooled.keys()
        if not with_input:
            alive.discard(graph.input.name)
        totals.append(sum(-(-graph.tensor(n).size // alignment) * alignment for n in alive))
    return totals


@settings(max_examples=60, deadline=None)
@given(members(), st.sampled_from(list(KernelLibrary)), st.floats(0, 1))
def test_networks_of_the_space_agree_with_a_walk(
    member: tuple[SearchSpace, Architecture], kernels: KernelLibrary, sparsity: float
) -> None:
    """Figures agree with a walk over the graph; the definitions are ordered as they must be."""
    space, architecture = member
    graph = in_best_order(build_graph(architecture, space.input_shape, space.class_count))
    plan = plan_memory(graph, kernels, sparsity)
    check_no_harm(plan, graph)
    assert plan.lower_bound_bytes == plan.peak.live_bytes
    fused = kernels is KernelLibrary.RUNTIME
    apart = max(live_by_simulation(graph, 4, with_input=True, fused=fused))
    if fused:
        assert plan.lower_bound_bytes <= plan.arena_bytes <= apart
    else:
        assert plan.arena_bytes == plan.lower_bound_bytes >= max(plan.in_out_bytes, apart)
    live = max(live_by_simulation(graph, 1, with_input=False, fused=fused))
    assert plan.live_no_input_bytes == live
    assert (plan.macs, plan.parameters) == (graph.macs, graph.parameters)
    assert plan.nonzeros <= plan.parameters <= plan.int8_dense_bytes
    weights = sum(layer.weight_bytes for layer in plan.layers)
    assert weights <= sum(layer.weights for layer in plan.layers)


@pytest.mark.parametrize("seed", range(30))
def test_random_graphs_agree_with_a_walk(seed: int) -> None:
    """Additions and concatenations keep everything that they read alive."""
    graph = in_best_order(random_graph(np.random.default_rng(seed), 8))
    plan = plan_memory(graph)
    check_no_harm(plan, graph)
    assert plan.arena_bytes <= max(live_by_simulation(graph, 4, with_input=True))
    other = plan_memory(graph, KernelLibrary.CMSIS_SCALAR)
    assert other.arena_bytes >= other.lower_bound_bytes >= plan.lower_bound_bytes
    assert plan.live_no_input_bytes == max(live_by_simulation(graph, 1, with_input=False))
