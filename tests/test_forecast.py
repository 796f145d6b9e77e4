"""Forecasts: equal to plans of pruned graphs, exact or an upper bound of pruned models."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from encoded import encode_smallest

from pruning import PRUNERS
from sparse_search.architecture import Architecture, Conv2D, ConvBlock, SeparableConv2D
from sparse_search.candidate import Candidate, PruningStep
from sparse_search.encoding import allowed_encodings, measured_options
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

    def predict(self, graph, step):
        """The same graph."""
        self.calls.append(step.sparsity)
        return graph, {op.name: self.factor * step.sparsity for op in graph.weighted}


SPACE = SearchSpace((12, 12, 1), 3, pruning=(PruningRange("a", 0.5), PruningRange("b", 0.9)))
ARCHITECTURE = SPACE.canonical(Architecture((ConvBlock((Conv2D(6, 3),), "max"),), (12,)))


BY_NAME = {pruner.name: pruner for pruner in PRUNERS}


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


def test_clustered_candidates_are_forecast_smaller():
    """Few different values are part of the forecast and of what is remembered."""
    forecaster = Forecaster(SPACE, fakes())
    plain, clustered = Candidate(0, ARCHITECTURE), Candidate(1, ARCHITECTURE, codebook_bits=3)
    expected = plan_memory(SPACE.build(ARCHITECTURE), codebook_bits=3)
    assert forecaster.plan(plain).flash_bytes > forecaster.plan(clustered).flash_bytes
    assert forecaster.plan(clustered) == expected


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


def pruned_bytes(graph, zeros_by_name, bits, rng):
    """Encoded bytes of weights with as many zeros in each layer, of 2^bits values with them."""
    values = few = np.setdiff1d(np.arange(-127, 128), 0)
    if bits is not None:
        few = rng.permutation(values)[: (1 << bits) - 1]
    table = () if bits is None else (0, *few.tolist())
    own, sharing = 0, len(table)
    for op in graph.weighted:
        clustered = op.kind != "depthwise_conv2d" and op.name != "grey"
        drawn = rng.choice(few if clustered else values, graph.weight_count(op)).astype(np.int8)
        drawn[rng.permutation(len(drawn))[: zeros_by_name.get(op.name, 0)]] = 0
        rows, allowed = drawn.reshape(graph.bias_count(op), -1), allowed_encodings(op.kind)
        own += encode_smallest(rows, allowed).bytes
        options = measured_options(rows, allowed, table if clustered else ())
        sharing += min(option.bytes for option in options)
    return min(own, sharing)


def test_layers_with_their_own_sparsity_are_predicted_exactly():
    """Their zeros are known one by one, those of all other layers together."""
    space = SearchSpace((12, 12, 1), 3)
    layers = (Conv2D(6, 3), SeparableConv2D(7, 3))
    architecture = space.canonical(Architecture((ConvBlock(layers, "max"),), (12,)))
    step = PruningStep("magnitude", 0.37, (("conv1", 0.2), ("dense1", 0.9)))
    plan = Forecaster(space, PRUNERS).plan(Candidate(0, architecture, (step,)))
    found = {layer.name: layer.weights - layer.nonzeros for layer in plan.layers if layer.weights}
    counts = {layer.name: layer.weights for layer in plan.layers if layer.weights}
    assert found["conv1"] == round(0.2 * counts["conv1"])
    assert found["dense1"] == round(0.9 * counts["dense1"])
    assert found["depthwise1"] == 0
    shared = round(0.37 * (counts["conv2"] + counts["output"]))
    assert found["conv2"] + found["output"] == shared
    assert found["conv2"] == pytest.approx(0.37 * counts["conv2"], abs=1)


def test_exceptions_survive_a_structured_step():
    """Both methods have one of their own; the plan is that of the smaller graph with its zeros."""
    space = SearchSpace((12, 12, 1), 3)
    architecture = space.canonical(Architecture((ConvBlock((Conv2D(8, 3),), "max"),), (12,)))
    steps = (
        PruningStep("channels", 0.5, (("dense1", 0.25),)),
        PruningStep("magnitude", 0.0, (("output", 0.5),)),
    )
    graph = space.build(architecture).with_channels({"conv1": 4, "pool1": 4, "dense1": 9})
    expected = plan_memory(graph, sparsity={"output": 14 / 27})
    assert Forecaster(space, PRUNERS).plan(Candidate(0, architecture, steps)) == expected


def test_operators_that_do_not_exist_are_named():
    """A step with an exception for another network is refused."""
    step = PruningStep("magnitude", 0.5, (("conv7", 0.1),))
    with pytest.raises(ArchitectureError, match="got conv7"):
        Forecaster(SPACE, (BY_NAME["magnitude"], *fakes())).plan(
            Candidate(0, ARCHITECTURE, (step,))
        )


@pytest.mark.parametrize("bits", [None, 2, 3, 4])
def test_predicted_flash_bounds_every_way_to_spread_the_zeros(bits):
    """However global pruning spreads its zeros, the weights take no more than predicted."""
    space = SearchSpace((16, 16, 3), 4, max_filters=20)
    forecaster, rng = Forecaster(space, PRUNERS), np.random.default_rng(0)
    for number in range(60):
        architecture = space.sample(rng)
        graph = space.build(architecture)
        sparsity = float(rng.choice([0.1, 0.3, 0.6, 0.9]))
        prunable = [
            op for op in graph.weighted if not isinstance(op, DepthwiseConv2d) and op.name != "grey"
        ]
        own = {op.name: float(rng.uniform(0, 0.9)) for op in prunable if rng.random() < 0.2}
        step = PruningStep("magnitude", sparsity, tuple(own.items()))
        candidate = Candidate(number, architecture, (step,), codebook_bits=bits)
        predicted = sum(x.weight_bytes for x in forecaster.plan(candidate).layers)
        zeros = {name: round(own[name] * weights(graph, name)) for name in own}
        shared = [op for op in prunable if op.name not in own]
        if shared:
            owner = np.repeat([op.name for op in shared], [graph.weight_count(op) for op in shared])
            keys = rng.random(len(owner)) * np.where(owner == rng.choice(owner), 0.2, 1.0)
            chosen = owner[np.argsort(keys)[: round(sparsity * len(owner))]]
            zeros |= {op.name: int((chosen == op.name).sum()) for op in shared}
        # A layer's zeros are predicted as a whole number, so each may be off by one, which is two
        # bytes of gaps; whether its codebook pays may change with its zeros.
        slack = 2 if bits is None else 1 << bits
        assert pruned_bytes(graph, zeros, bits, rng) <= predicted + slack * len(shared)


def weights(graph, name):
    """Number of weights of an operator."""
    return next(graph.weight_count(op) for op in graph.weighted if op.name == name)
