"""Channel groups, pruners, and the contract that every pruner keeps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from random_models import random_graph, trainable_graph
from strategies import members, seeds

from pruning import PRUNERS
from pruning.channels import select_channels
from pruning.groups import cut, keep
from pruning.magnitude import lamp_scores, update_masks
from pruning.selection import may_be_pruned, zero_counts
from sparse_search.architecture import (
    Architecture,
    Conv2D,
    ConvBlock,
    InputTransform,
    SeparableConv2D,
)
from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset, load_dataset
from sparse_search.errors import ArchitectureError
from sparse_search.graph import Add, Concat, Conv2d, Dense, Graph, Tensor
from sparse_search.groups import channel_groups
from sparse_search.network import Network, to_input
from sparse_search.space import SearchSpace
from sparse_search.training import TrainingConfig, error_rate, train

BY_NAME = {p.name: p for p in PRUNERS}
CHAIN = Architecture((ConvBlock((Conv2D(6, 3), SeparableConv2D(8, 3, 2)), "max"),))
BRANCHING = Architecture(
    (
        ConvBlock((Conv2D(6, 3), SeparableConv2D(8, 3, 2)), "max", "conv1", "average"),
        ConvBlock((Conv2D(8, 3),), "none", "shortcut"),
    ),
    (12,),
    "flatten",
    InputTransform(fc_branch="flatten"),
)
QUICK = TrainingConfig(epochs=3, batch_size=32)
CONV = {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)}


def generator(seed: int) -> torch.Generator:
    """A torch generator with a seed."""
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The embedded data set."""
    return load_dataset("digits", seed=0)


def train_quickly(architecture: Architecture, dataset: Dataset) -> Network:
    """A small network after three epochs."""
    space = SearchSpace(dataset.input_shape, dataset.class_count)
    network = Network(space.build(architecture), generator(0))
    train(network, dataset, QUICK, generator(1))
    return network


@pytest.fixture(scope="module")
def chain(digits) -> Network:
    """A trained network without second paths."""
    return train_quickly(CHAIN, digits)


@pytest.fixture(scope="module")
def branching(digits) -> Network:
    """A trained network with sums and a concatenation."""
    return train_quickly(BRANCHING, digits)


def hand_made(*, with_image: bool = False) -> Graph:
    """Convolutions a and b, added; the sum and the image are concatenated for the output."""
    first = "image" if with_image else "a"
    return Graph(
        (
            Tensor("image", (4, 4, 4)),
            *(Tensor(name, (4, 4, 4)) for name in ("a", "b", "s")),
            Tensor("all", (1, 1, 128)),
            Tensor("out", (1, 1, 3)),
        ),
        (
            Conv2d("a", ("image",), "a", **CONV),
            Conv2d("b", ("a",), "b", **CONV),
            Add("s", (first, "b"), "s"),
            Concat("all", ("image", "s"), "all"),
            Dense("out", ("all",), "out"),
        ),
    )


class TestGroups:
    """Channel groups follow the graph."""

    def test_additions_join_and_concatenations_list(self):
        """The groups of a hand-made graph are those of pen and paper."""
        groups = [(g.tensors, g.producers, g.parts, g.frozen) for g in channel_groups(hand_made())]
        assert groups == [
            (("image",), (), (), True),
            (("a", "b", "s"), ("a", "b"), (), False),
            (("all",), (), ("image", "s"), False),
            (("out",), ("out",), (), True),
        ]

    def test_what_is_added_to_the_image_is_frozen(self):
        """A shortcut from the image fixes the channels of the whole sum."""
        groups = {g.tensors: g.frozen for g in channel_groups(hand_made(with_image=True))}
        assert groups[("image", "b", "s")]
        assert not groups[("a",)]

    def test_what_is_added_to_a_concatenation_is_frozen(self):
        """So are the inputs of the concatenation: its channels could not follow."""
        vector = Tensor("v", (1, 1, 2))
        graph = Graph(
            (vector, *(Tensor(n, (1, 1, 4)) for n in ("x", "y", "cat", "sum", "out"))),
            (
                Dense("x", ("v",), "x"),
                Dense("y", ("v",), "y"),
                Concat("cat", ("v", "v"), "cat"),
                Add("sum", ("cat", "y"), "sum"),
                Dense("out", ("sum",), "out"),
            ),
        )
        groups = {g.tensors: g.frozen for g in channel_groups(graph)}
        assert groups == {("v",): True, ("x",): False, ("y", "cat", "sum"): True, ("out",): True}

    @settings(deadline=None, max_examples=60)
    @given(seed=seeds())
    def test_they_are_the_connected_components(self, seed):
        """Two tensors are in one group if and only if operators that keep channels link them."""
        graph = random_graph(np.random.default_rng(seed))
        names = [t.name for t in graph.tensors]
        linked = np.eye(len(names), dtype=bool)
        for op in graph.operators:
            if not isinstance(op, Conv2d | Dense | Concat):
                for tensor in op.inputs:
                    i, j = names.index(tensor), names.index(op.output)
                    linked[i, j] = linked[j, i] = True
        for _ in names:
            linked = (linked.astype(int) @ linked.astype(int)) > 0
        expected = {
            tuple(n for n, member in zip(names, row, strict=True) if member) for row in linked
        }
        assert {g.tensors for g in channel_groups(graph)} == expected


def masked_logits(network: Network, kept: dict, images: np.ndarray) -> np.ndarray:
    """What the network computes when channels that are not kept are zero after each operator."""
    network.eval()
    tensors = {network.graph.input.name: to_input(images)}
    with torch.no_grad():
        for operator in network.graph.operators:
            values = network._run(operator, tensors)
            mask = torch.zeros(network.graph.shape(operator.output)[2])
            mask[torch.from_numpy(kept[operator.output])] = 1
            tensors[operator.output] = values * mask.reshape(-1, *[1] * (values.dim() - 2))
    return tensors[network.graph.output.name].flatten(1).numpy()


def assert_cut_is_masked(network: Network, step: PruningStep, seed: int) -> None:
    """The cut network has the logits of the masked one; statistics and factors are not trivial."""
    rng = np.random.default_rng(seed)
    for _, unit in network:
        if unit.norm is not None:
            count = len(unit.norm.bias)
            unit.norm.running_mean.copy_(torch.from_numpy(rng.normal(0, 0.5, count)))
            unit.norm.running_var.copy_(torch.from_numpy(rng.uniform(0.5, 2, count)))
            with torch.no_grad():
                unit.norm.weight.copy_(torch.from_numpy(rng.uniform(0.5, 1.5, count)))
                unit.norm.bias.copy_(torch.from_numpy(rng.normal(0, 0.3, count)))
    kept = select_channels(network, step)
    smaller = cut(network, kept).eval()
    images = rng.integers(0, 256, (2, *network.graph.input.shape), dtype=np.uint8)
    expected = masked_logits(network, kept, images)
    with torch.no_grad():
        found = smaller(to_input(images)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    assert all(t.shape[2] >= 1 for t in smaller.graph.tensors)


class TestCut:
    """Cutting channels leaves what masking them computes."""

    @settings(deadline=None, max_examples=80)
    @given(member=members(), seed=seeds())
    def test_cutting_equals_masking(self, member, seed):
        """On any network of the space, with an exception or without."""
        space, architecture = member
        graph = space.build(architecture)
        rng = np.random.default_rng(seed)
        names = [op.name for op in graph.weighted]
        layers = ((str(rng.choice(names)), float(rng.uniform(0, 0.99))),)
        step = PruningStep("channels", float(rng.uniform(0, 0.95)), layers[: rng.integers(2)])
        assert_cut_is_masked(Network(graph, generator(seed % 2**31)), step, seed)

    @settings(deadline=None, max_examples=40)
    @given(seed=seeds())
    def test_it_does_on_any_graph(self, seed):
        """Also where sums and concatenations are laid out as the space never does."""
        graph = trainable_graph(np.random.default_rng(seed))
        network = Network(graph, generator(seed % 2**31))
        assert_cut_is_masked(network, PruningStep("channels", 0.5), seed)

    def test_positions_of_lost_channels_leave_a_concatenation(self):
        """Of two 2 x 1 maps of 2 and 3 channels, one after another, each pixel loses a channel."""
        graph = Graph(
            (
                Tensor("image", (2, 1, 1)),
                Tensor("a", (2, 1, 2)),
                Tensor("b", (2, 1, 3)),
                Tensor("all", (1, 1, 10)),
                Tensor("out", (1, 1, 2)),
            ),
            (
                Conv2d("a", ("image",), "a", **CONV),
                Conv2d("b", ("image",), "b", **CONV),
                Concat("all", ("a", "b"), "all"),
                Dense("out", ("all",), "out"),
            ),
        )
        choices = {"a": np.array([1]), "b": np.array([0, 2])}
        kept = keep(graph, PruningStep("channels", 0.5), lambda group, _: choices[group.tensors[0]])
        assert kept["all"].tolist() == [1, 3, 4, 6, 7, 9]


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
        counts = {op.name: unit.weight.numel() for op, unit in pruned if may_be_pruned(op)}
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
        if may_be_pruned(operator) and unit.mask is not None:
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
