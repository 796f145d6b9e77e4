"""The order of execution: as good as the best of all orders, and only changed where that helps."""

from collections.abc import Iterator

import numpy as np
import pytest
from float_models import random_graph, random_images, random_model
from hypothesis import given, settings
from strategies import members

from sparse_search.architecture import Architecture
from sparse_search.builder import build_graph
from sparse_search.graph import Add, Conv2d, Graph, MaxPool2d, Operator, Tensor
from sparse_search.memory import in_best_order, plan_memory
from sparse_search.memory.kernels import KernelLibrary
from sparse_search.memory.lifetimes import find_lifetimes
from sparse_search.memory.offsets import place
from sparse_search.memory.overlap import find_leads
from sparse_search.quantize import quantize
from sparse_search.space import SearchSpace


def orders(graph: Graph) -> Iterator[Graph]:
    """The graph in every order in which it can run, the last operator being the last."""

    def go(done: list[Operator]) -> Iterator[list[Operator]]:
        if len(done) == len(graph.operators):
            yield done
        known = {graph.input.name, *(op.output for op in done)}
        for op in graph.operators:
            last = op is graph.operators[-1] and len(done) < len(graph.operators) - 1
            if op not in done and known.issuperset(op.inputs) and not last:
                yield from go([*done, op])

    for found in go([]):
        tensors = (graph.input, *(graph.tensor(op.output) for op in found))
        yield Graph(tensors, tuple(found))


def bound(graph: Graph) -> int:
    """Bytes of the operator that needs most, in the order of the graph."""
    lifetimes = find_lifetimes(graph, KernelLibrary.RUNTIME)
    return place(lifetimes, 4, 0, find_leads(graph)).lower_bound_bytes


@pytest.mark.parametrize("seed", range(40))
def test_no_order_needs_less(seed: int) -> None:
    """All orders of small random graphs were tried."""
    graph = random_graph(np.random.default_rng(seed), 7)
    best = in_best_order(graph)
    assert bound(best) == min(bound(other) for other in orders(graph))
    assert bound(best) < bound(graph) or best == graph
    assert in_best_order(best) == best


def test_a_wide_branch_runs_while_little_else_exists() -> None:
    """A pooled branch that was written after the wide one shrinks the input first."""
    tensors = (
        Tensor("x", (8, 8, 4)),
        Tensor("wide", (8, 8, 16)),
        Tensor("left", (4, 4, 4)),
        Tensor("right", (4, 4, 4)),
        Tensor("y", (4, 4, 4)),
    )
    same = (0, 0, 0, 0)
    operators = (
        Conv2d("conv", ("x",), "wide", (1, 1), (1, 1), same),
        Conv2d("narrow", ("wide",), "left", (2, 2), (2, 2), same),
        MaxPool2d("pool", ("x",), "right", (2, 2), (2, 2)),
        Add("add", ("left", "right"), "y"),
    )
    graph = Graph(tensors, operators)
    best = in_best_order(graph)
    assert [op.name for op in best.operators] == ["pool", "conv", "narrow", "add"]
    # The input waits beside the wide map, over which its small successor lies but for two pixels.
    assert bound(graph) == 256 + 1024 + 8
    assert bound(best) < bound(graph)


@settings(max_examples=60, deadline=None)
@given(members())
def test_a_plan_and_a_model_use_the_same_order(member: tuple[SearchSpace, Architecture]) -> None:
    """What is predicted of a graph is what its int8 model needs."""
    space, architecture = member
    graph = build_graph(architecture, space.input_shape, space.class_count)
    plan = plan_memory(graph)
    assert [layer.name for layer in plan.layers] == [
        op.name for op in in_best_order(graph).operators
    ]
    assert bound(in_best_order(graph)) <= bound(graph)


@pytest.mark.parametrize("seed", range(6))
def test_a_model_is_planned_as_its_network_was(seed: int) -> None:
    """The arena that was predicted before there were weights."""
    rng = np.random.default_rng(seed)
    network = random_model(rng, 8)
    model = quantize(network, random_images(network.graph, 6, rng))
    assert model.graph == in_best_order(network.graph)
    assert plan_memory(model).arena_bytes == plan_memory(network.graph).arena_bytes
