"""Forecasts: equal to plans of pruned graphs, exact or an upper bound of pruned models."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from pruning import PRUNERS
from sparse_search.architecture import Architecture, Conv2D, ConvBlock
from sparse_search.candidate import Candidate, PruningStep
from sparse_search.encoding import allowed_encodings, encoded_bytes
from sparse_search.errors import ArchitectureError
from sparse_search.forecast import Forecaster
from sparse_search.graph import DepthwiseConv2d
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.space import PruningRange, SearchSpace
from sparse_search.target import Limits


@dataclass(frozen=True)
class FakePruner:
    """Zeroes a fixed multiple of what it is asked for and counts how often it is asked."""

    name: str
    factor: float
    calls: list[float]

    def predict(self, graph, sparsity):
        """The same graph."""
        self.calls.append(sparsity)
        return graph, self.factor * sparsity


SPACE = SearchSpace((12, 12, 1), 3, pruning=(PruningRange("a", 0.5), PruningRange("b", 0.9)))
ARCHITECTURE = SPACE.canonical(Architecture((ConvBlock((Conv2D(6, 3),), "max"),), (12,)))


def fakes():
    """Two pruners, of which the second zeroes half of what it is asked for."""
    return FakePruner("a", 1.0, []), FakePruner("b", 0.5, [])


def test_unpruned_plan_is_that_of_the_graph():
    """Without pruning, a forecast is the plan of the graph under the forecaster's kernels."""
    candidate = Candidate(0, ARCHITECTURE)
    for kernels in (KernelLibrary.RUNTIME, KernelLibrary.CMSIS_DSP):
        expected = plan_memory(SPACE.build(ARCHITECTURE), kernels)
        assert Forecaster(SPACE, fakes(), kernels).plan(candidate) == expected


def test_pruners_are_asked_in_order_and_zeros_do_not_add_up():
    """Each step is predicted by its pruner; the sparsest of them decides the zeros."""
    first, second = fakes()
    steps = (PruningStep("a", 0.3), PruningStep("b", 0.4))
    plan = Forecaster(SPACE, (second, first)).plan(Candidate(0, ARCHITECTURE, steps))
    assert (first.calls, second.calls) == ([0.3], [0.4])
    assert plan == plan_memory(SPACE.build(ARCHITECTURE), sparsity=0.3)


def test_plans_are_remembered_up_to_a_bound():
    """A second look asks no pruner; with a cache of one the first plan is forgotten."""
    first, second = fakes()
    forecaster = Forecaster(SPACE, (first, second), cache_size=1)
    one = Candidate(0, ARCHITECTURE, (PruningStep("a", 0.1),))
    forecaster.plan(one)
    forecaster.plan(replace(one, id=7, origin="morph"))
    assert first.calls == [0.1]
    forecaster.plan(replace(one, pruning=(PruningStep("a", 0.2),)))
    forecaster.plan(one)
    assert first.calls == [0.1, 0.2, 0.1]


def test_unknown_pruners_are_named():
    """A space that names a method without a pruner is refused at once."""
    with pytest.raises(ArchitectureError, match="among a, got 'b'"):
        Forecaster(SPACE, fakes()[:1])


def test_violations_are_those_of_the_plan():
    """What a candidate breaks is said as the limits say it."""
    forecaster, candidate = Forecaster(SPACE, fakes()), Candidate(0, ARCHITECTURE)
    limits = Limits(ram_bytes=10)
    assert forecaster.violations(candidate, limits) == limits.check(forecaster.plan(candidate))
    assert "arena_bytes" in forecaster.violations(candidate, limits)[0]
    assert forecaster.violations(candidate, Limits()) == []


def pruned_bytes(graph, zeros_by_name):
    """Encoded bytes of all weights with the given number of zeros in each layer."""
    return sum(
        encoded_bytes(
            graph.weight_count(op),
            graph.weight_count(op) - zeros_by_name.get(op.name, 0),
            allowed_encodings(op.kind),
        )[1]
        for op in graph.weighted
    )


def test_predicted_flash_bounds_every_way_to_spread_the_zeros():
    """However global pruning spreads its zeros, the weights take no more than predicted."""
    space = SearchSpace((16, 16, 3), 4, max_filters=20)
    forecaster, rng = Forecaster(space, PRUNERS), np.random.default_rng(0)
    for number in range(60):
        architecture = space.sample(rng)
        graph = space.build(architecture)
        sparsity = float(rng.choice([0.1, 0.3, 0.6, 0.9]))
        candidate = Candidate(number, architecture, (PruningStep("magnitude", sparsity),))
        predicted = sum(x.weight_bytes for x in forecaster.plan(candidate).layers)
        prunable = [
            op for op in graph.weighted if not isinstance(op, DepthwiseConv2d) and op.name != "grey"
        ]
        owner = np.repeat([op.name for op in prunable], [graph.weight_count(op) for op in prunable])
        keys = rng.random(len(owner)) * np.where(owner == rng.choice(owner), 0.2, 1.0)
        chosen = owner[np.argsort(keys)[: round(sparsity * len(owner))]]
        zeros = {op.name: int((chosen == op.name).sum()) for op in prunable}
        # A layer's zeros are predicted as a rounded number, so each may be off by one half.
        assert pruned_bytes(graph, zeros) <= predicted + len(prunable)
