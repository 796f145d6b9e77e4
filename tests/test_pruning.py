"""Pruners, and the contract that every pruner keeps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from pruning_networks import BRANCHING, CHAIN, QUICK, generator, train_quickly
from strategies import members, seeds

from pruning import PRUNERS
from pruning.magnitude import lamp_scores, update_masks
from pruning.selection import zero_counts
from sparse_search.builder import is_compressible
from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset, load_dataset
from sparse_search.errors import ArchitectureError, PruningError
from sparse_search.network import Network
from sparse_search.sparsity import STRUCTURED
from sparse_search.training import error_rate

BY_NAME = {p.name: p for p in PRUNERS}
LEARNED = ("bayesian", "variational")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The embedded data set."""
    return load_dataset("digits", seed=0)


@pytest.fixture(scope="module")
def chain(digits) -> Network:
    """A trained network without second paths."""
    return train_quickly(CHAIN, digits)


@pytest.fixture(scope="module")
def branching(digits) -> Network:
    """A trained network with sums and a concatenation."""
    return train_quickly(BRANCHING, digits)


class TestExceptions:
    """Layers with a sparsity of their own."""

    def test_a_channel_group_loses_the_fraction_of_its_operator(self, branching):
        """The named one does, and the largest counts of two that share channels."""
        step = PruningStep("channels", 0.5, (("conv1", 0.0), ("branch1", 0.75), ("conv3", 0.25)))
        graph, _ = BY_NAME["channels"].predict(branching.graph, step)
        shapes = {op.name: graph.shape(op.output)[2] for op in graph.weighted}
        assert (shapes["conv1"], shapes["conv2"], shapes["branch1"], shapes["conv3"]) == (
            6,
            2,
            2,
            2,
        )
        assert shapes["dense1"] == 6

    def test_a_layer_has_its_own_number_of_zeros(self, branching, digits):
        """Exact in that layer; the others share the rest by score."""
        step = PruningStep("magnitude", 0.5, (("conv2", 0.25), ("dense1", 0.9)))
        pruned = BY_NAME["magnitude"].prune(
            branching, digits, step, QUICK.with_epochs(1), generator(2)
        )
        zeros = {op.name: int((unit.weight == 0).sum()) for op, unit in pruned}
        counts = {op.name: unit.weight.numel() for op, unit in pruned if is_compressible(op)}
        assert zeros["conv2"] == round(0.25 * counts["conv2"])
        assert zeros["dense1"] == round(0.9 * counts["dense1"])
        shared = counts.keys() - {"conv2", "dense1"}
        assert sum(zeros[n] for n in shared) == round(0.5 * sum(counts[n] for n in shared))

    @pytest.mark.parametrize("pruner", PRUNERS, ids=lambda p: p.name)
    def test_operators_that_do_not_exist_are_named(self, pruner, chain, digits):
        """In a prediction and in a run; pooling has no weights to lose."""
        for name in ("conv9", "pool1"):
            step = PruningStep(pruner.name, 0.3, (("conv1", 0.1), (name, 0.5)))
            with pytest.raises(ArchitectureError, match=f"got {name};"):
                pruner.predict(chain.graph, step)
            with pytest.raises(ArchitectureError, match=f"got {name};"):
                pruner.prune(chain, digits, step, QUICK, generator(0))

    @settings(deadline=None, max_examples=60)
    @given(member=members(), seed=seeds())
    def test_the_number_of_zeros_is_predicted_exactly(self, member, seed):
        """Of the network as a whole, and of each layer with a sparsity of its own."""
        space, architecture = member
        network = Network(space.build(architecture), generator(seed % 2**31))
        rng = np.random.default_rng(seed)
        names = [op.name for op in network.graph.weighted]
        chosen = rng.choice(names, min(len(names), int(rng.integers(4))), replace=False)
        layers = tuple((str(name), float(rng.uniform(0, 0.99))) for name in chosen)
        step = PruningStep("magnitude", float(rng.choice([0, 0.3, 0.9, 0.99])), layers)
        graph, fractions = BY_NAME["magnitude"].predict(network.graph, step)
        update_masks(network, dict(layers), step.sparsity)
        zeros, predicted = {}, {}
        for op, unit in network:
            zeros[op.name] = 0 if unit.mask is None else int((unit.mask == 0).sum())
            predicted[op.name] = fractions.get(op.name, 0.0) * graph.weight_count(op)
            assert zeros[op.name] < graph.weight_count(op)
            if op.name in chosen:
                assert zeros[op.name] == pytest.approx(predicted[op.name])
        assert sum(zeros.values()) == pytest.approx(sum(predicted.values()))


@pytest.mark.parametrize("network", ["chain", "branching"])
@pytest.mark.parametrize("pruner", PRUNERS, ids=lambda p: p.name)
class TestPrunerContract:
    """What every pruner must keep."""

    @pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.8, 0.99])
    def test_the_result_is_what_was_predicted(self, pruner, network, sparsity, request, digits):
        """Graph and zeros are as predicted, nothing is emptied, and the argument is unchanged."""
        trained = request.getfixturevalue(network)
        before = {k: v.clone() for k, v in trained.state_dict().items()}
        step = PruningStep(pruner.name, sparsity, (("conv1", 0.5),))
        graph, fractions = pruner.predict(trained.graph, step)
        pruned = pruner.prune(trained, digits, step, QUICK.with_epochs(1), generator(2))
        assert pruned.graph == graph
        zeros = sum(int((unit.weight == 0).sum()) for _, unit in pruned)
        expected = sum(fractions.get(op.name, 0) * graph.weight_count(op) for op in graph.weighted)
        assert zeros == pytest.approx(expected)
        assert all(bool((unit.weight != 0).any()) for _, unit in pruned)
        assert all(torch.equal(v, before[k]) for k, v in trained.state_dict().items())

    def test_it_is_deterministic(self, pruner, network, request, digits):
        """One seed, one result."""
        trained, step = request.getfixturevalue(network), PruningStep(pruner.name, 0.5)
        config = QUICK.with_epochs(1)
        one, other = (pruner.prune(trained, digits, step, config, generator(7)) for _ in range(2))
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name])

    def test_fine_tuning_recovers_accuracy(self, pruner, network, request, digits):
        """A third removed costs less than ten points after fine-tuning."""
        trained, step = request.getfixturevalue(network), PruningStep(pruner.name, 0.33)
        pruned = pruner.prune(trained, digits, step, QUICK, generator(2))
        before = error_rate(trained, digits.validation)
        assert error_rate(pruned, digits.validation) < before + 0.1

    def test_masks_of_the_argument_are_kept(self, pruner, network, request, digits):
        """Weights that were masked before are masked afterwards, also where less is asked for."""
        masked = request.getfixturevalue(network).copy()
        update_masks(masked, {}, 0.6)
        step, config = PruningStep(pruner.name, 0.0), QUICK.with_epochs(1)
        pruned = pruner.prune(masked, digits, step, config, generator(0))
        for operator, unit in masked:
            if unit.mask is not None:
                assert torch.equal(pruned.unit(operator.name).mask, unit.mask)
                assert bool((pruned.unit(operator.name).weight[unit.mask == 0] == 0).all())

    @pytest.mark.parametrize("threshold", [-100.0, -3.0, 100.0])
    def test_a_threshold_is_learned_from_or_refused(
        self, pruner, network, threshold, request, digits
    ):
        """What is predicted is a bound, exact for exceptions, and nothing is ever emptied."""
        trained = request.getfixturevalue(network)
        step = PruningStep(pruner.name, 0.0, (("conv1", 0.5),), threshold)
        if pruner.name not in LEARNED:
            with pytest.raises(PruningError, match="expected a sparsity, got the threshold"):
                pruner.predict(trained.graph, step)
            with pytest.raises(PruningError, match="expected a sparsity, got the threshold"):
                pruner.prune(trained, digits, step, QUICK, generator(0))
            return
        graph, fractions = pruner.predict(trained.graph, step)
        pruned = pruner.prune(trained, digits, step, QUICK.with_epochs(1), generator(2))
        assert pruned.graph.shape("conv1") == graph.shape("conv1")
        for tensor in pruned.graph.tensors:
            assert 1 <= tensor.shape[2] <= graph.shape(tensor.name)[2]
        for operator, unit in pruned:
            zeros = int((unit.weight == 0).sum())
            count = graph.weight_count(operator)
            if pruned.graph == graph:
                assert zeros >= round(fractions.get(operator.name, 0.0) * count)
            assert zeros < count
        if threshold == 100.0:
            assert pruned.graph == graph
        with pytest.raises(PruningError, match="leave one of them out"):
            pruner.predict(trained.graph, PruningStep(pruner.name, 0.5, (), threshold))


@pytest.mark.parametrize("pruner", PRUNERS, ids=lambda p: p.name)
def test_structured_methods_are_known_to_the_search(pruner, branching):
    """Exactly those predict fewer channels; they come first in the registry."""
    graph, fractions = pruner.predict(branching.graph, PruningStep(pruner.name, 0.5))
    assert (graph != branching.graph) == (pruner.name in STRUCTURED)
    assert (not fractions) == (pruner.name in STRUCTURED)
    kinds = [p.name in STRUCTURED for p in PRUNERS]
    assert kinds == sorted(kinds, reverse=True)


@pytest.mark.parametrize("network", ["chain", "branching"])
def test_masks_survive_a_later_structured_cut(network, request, digits):
    """Channels cut from a masked network take their masks along."""
    trained, config = request.getfixturevalue(network), QUICK.with_epochs(1)
    masked = BY_NAME["magnitude"].prune(
        trained, digits, PruningStep("magnitude", 0.6), config, generator(0)
    )
    smaller = BY_NAME["channels"].prune(
        masked, digits, PruningStep("channels", 0.3), config, generator(1)
    )
    assert sum(unit.mask is not None for _, unit in smaller) >= 2
    for operator, unit in smaller:
        if is_compressible(operator) and unit.mask is not None:
            assert bool((unit.weight[unit.mask == 0] == 0).all())


def test_lamp_scores_are_those_of_the_paper():
    """Score = w^2 over the sum of squares at least as large, by brute force."""
    weight = torch.tensor([[3.0, -1.0], [0.5, 2.0]])
    squares = weight.flatten() ** 2
    expected = [float(w / squares[squares >= w].sum()) for w in squares]
    assert lamp_scores(weight).flatten().tolist() == pytest.approx(expected)


def test_no_layer_is_emptied_by_its_own_sparsity():
    """At least one weight of each layer stays, whatever is asked."""
    zeros = zero_counts({"a": 3, "b": 4, "c": 5}, {"a": 1.0}, 1.0)
    assert (zeros.own, zeros.shared) == ({"a": 2}, 7)
