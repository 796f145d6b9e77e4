"""Learned noise: its divergence, its sampling, and what variational dropout removes."""

from itertools import pairwise
from math import log, pi, sqrt

import numpy as np
import pytest
import torch
from pruning_networks import CONFIG, generator, made_dataset
from scipy.integrate import quad

from pruning.gaussian import log_uniform_divergence, sampled_sums, travel_rate
from pruning.variational import VariationalPruner, WeightNoise, select
from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset
from sparse_search.graph import Conv2d, Dense, DepthwiseConv2d, Graph, Tensor
from sparse_search.network import Network, linear_part
from sparse_search.training import error_rate, train

ROOTS = {"kernel": (3, 3), "stride": (2, 1), "padding": (1, 1, 0, 1)}
OPERATORS = {
    "conv": (Conv2d("op", ("x",), "y", **ROOTS), (4, 3, 3, 3), (3, 6, 5)),
    "depthwise": (DepthwiseConv2d("op", ("x",), "y", **ROOTS), (3, 1, 3, 3), (3, 6, 5)),
    "dense": (Dense("op", ("x",), "y"), (5, 8), (8,)),
}


def exact_divergence(alpha: float) -> float:
    """KL(N(1, alpha) || 1 / |w|), 0 for infinite alpha, by numerical integration.

    It is E log|e| - log(alpha) / 2 - C for e from N(1, alpha); C is the limit of the first two.
    """

    def integrand(e: float) -> float:
        return log(abs(e)) * np.exp(-((e - 1) ** 2) / (2 * alpha)) / sqrt(2 * pi * alpha)

    width = 12 * sqrt(alpha)
    low, high = min(1 - width, -1e-3), 1 + width
    points = sorted({p for p in (0.0, 1.0) if low < p < high})
    edges = [low, *points, high]
    total = sum(quad(integrand, a, b, limit=500)[0] for a, b in pairwise(edges))
    return total - 0.5 * log(alpha) + 0.5 * (np.euler_gamma + log(2))


@pytest.mark.parametrize("log_alpha", [-7.5, -5.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 7.5])
def test_the_divergence_is_the_integral(log_alpha):
    """Within the error of the published approximation."""
    found = float(log_uniform_divergence(torch.tensor(log_alpha, dtype=torch.float64)))
    assert found == pytest.approx(exact_divergence(np.exp(log_alpha)), abs=0.01)


def test_more_noise_costs_less():
    """The divergence falls everywhere within its range, and does not change outside of it."""
    values = log_uniform_divergence(torch.linspace(-8, 8, 200))
    assert bool((values.diff() < 0).all())
    assert torch.equal(log_uniform_divergence(torch.tensor([-20.0])), values[:1])


@pytest.mark.parametrize("kind", OPERATORS)
def test_sampled_sums_are_sums_of_sampled_weights(kind):
    """Mean and variance of every sum, against weights that are drawn one by one."""
    operator, shape, x_shape = OPERATORS[kind]
    rng, count = generator(0), 4000
    mean = torch.randn(shape, generator=rng)
    variance = torch.rand(shape, generator=rng)
    x = torch.randn(1, *x_shape, generator=rng)
    linear = linear_part(operator, x)
    found = sampled_sums(linear, x.expand(count, *x_shape), mean, variance, rng)
    drawn = torch.cat(
        [
            linear(x, mean + variance.sqrt() * torch.randn(shape, generator=rng))
            for _ in range(count)
        ]
    )
    assert found.shape == drawn.shape
    spread = drawn.std(0)
    # Means of 4000 samples differ by sqrt(2 / 4000) deviations, deviations by as much.
    assert bool(((found.mean(0) - drawn.mean(0)).abs() < 0.12 * spread + 1e-5).all())
    assert bool(((found.std(0) - spread).abs() < 0.12 * spread + 1e-5).all())


def linear_graph() -> Graph:
    """One fully connected operator from pixels to classes."""
    tensors = (Tensor("image", (1, 12, 1)), Tensor("logits", (1, 1, 3)))
    return Graph(tensors, (Dense("output", ("image",), "logits"),))


@pytest.fixture(scope="module")
def made() -> Dataset:
    """Half of the inputs say nothing."""
    return made_dataset()


@pytest.fixture(scope="module")
def linear(made) -> Network:
    """A trained linear classifier."""
    network = Network(linear_graph(), generator(0))
    train(network, made, CONFIG, generator(1))
    return network


def test_weights_of_meaningless_inputs_are_removed(linear, made):
    """With a threshold of 3; every meaningful input stays, and the error does not rise."""
    step = PruningStep("variational", 0.0, threshold=3.0)
    pruned = VariationalPruner().prune(linear, made, step, CONFIG, generator(2))
    alive = (pruned.unit("output").weight != 0).sum(0)
    assert bool((alive[:6] >= 1).all())
    assert int(alive[6:].sum()) <= 1
    assert error_rate(pruned, made.validation) <= error_rate(linear, made.validation) + 0.01


def test_log_alpha_separates_meaningful_from_meaningless(linear, made):
    """Every meaningful input has a weight with less noise than any weight of the others."""
    network = linear.copy()
    rate = travel_rate(20.0, made, CONFIG)
    noise = WeightNoise(network, VariationalPruner(), rate, len(made.train.labels), generator(3))
    train(network, made, CONFIG, generator(4), noise=noise)
    found = noise.log_alpha()["output"]
    assert float(found[:, 6:].median()) > 3.0
    assert float(found[:, :6].min(0).values.max()) < float(found[:, 6:].min())


def test_exceptions_lose_their_own_fraction_also_with_a_threshold():
    """The others lose what lies above it; one weight stays where all do; masks stay masked."""
    tensors = (Tensor("x", (1, 1, 4)), *(Tensor(n, (1, 1, 4)) for n in ("a", "b", "c")))
    names = ("a", "b", "c")
    sources = ("x", "a", "b")
    graph = Graph(tensors, tuple(Dense(n, (s,), n) for n, s in zip(names, sources, strict=True)))
    network = Network(graph, generator(0))
    network.unit("c").mask = torch.ones(4, 4)
    network.unit("c").mask[0] = 0.0
    values = torch.arange(16.0).reshape(4, 4)
    step = PruningStep("variational", 0.0, (("a", 0.25),), threshold=9.5)
    log_alpha = {"a": values, "b": values + 100, "c": values}
    masks = select(network, log_alpha, step, {"a": 0.25})
    assert torch.equal(masks["a"], (values < 12).float())
    assert torch.equal(masks["b"], (values == 0).float())
    assert torch.equal(masks["c"], ((values <= 9) & (values >= 4)).float())


def test_masked_weights_have_no_noise(linear, made):
    """They neither disturb a sum nor cost anything."""
    network = linear.copy()
    unit = network.unit("output")
    unit.mask = torch.zeros_like(unit.weight)
    unit.mask[:, 0] = 1.0
    network.apply_masks()
    noise = WeightNoise(network, VariationalPruner(), 0.1, 1, generator(0))
    x = torch.ones(50, 12)
    x[:, 0] = 0.0
    operator = network.graph.weighted[0]
    sums = noise.sums(operator, unit, x, torch.nn.functional.linear)
    assert float(sums.detach().abs().max()) < 1e-4
    # Three weights, at the price of log alpha near -5.
    assert float(noise.penalty(1.0).detach()) < 3 * exact_divergence(np.exp(-8.0))
