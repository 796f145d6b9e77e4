"""Channel groups, and that cutting channels equals masking them."""

import numpy as np
import torch
from hypothesis import given, settings
from pruning_networks import generator
from random_models import random_graph, trainable_graph
from strategies import members, seeds

from pruning.channels import select_channels
from pruning.groups import keep
from pruning.magnitude import update_masks
from sparse_search.candidate import PruningStep
from sparse_search.cutting import cut
from sparse_search.graph import Add, Concat, Conv2d, Dense, Graph, Tensor
from sparse_search.groups import channel_groups
from sparse_search.memory.fusion import Run
from sparse_search.network import Network, to_input

CONV = {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)}


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
            values = network._run(Run(operator), tensors)
            mask = torch.zeros(network.graph.shape(operator.output)[2])
            mask[torch.from_numpy(kept[operator.output])] = 1
            tensors[operator.output] = values * mask.reshape(-1, *[1] * (values.dim() - 2))
    return tensors[network.graph.output.name].flatten(1).numpy()


def perturb(network: Network, rng: np.random.Generator) -> None:
    """Biases, statistics and factors that are not trivial."""
    for _, unit in network:
        if unit.bias is not None:
            with torch.no_grad():
                unit.bias.copy_(torch.from_numpy(rng.normal(0, 0.3, len(unit.bias))))
        if unit.norm is not None:
            count = len(unit.norm.bias)
            unit.norm.running_mean.copy_(torch.from_numpy(rng.normal(0, 0.5, count)))
            unit.norm.running_var.copy_(torch.from_numpy(rng.uniform(0.5, 2, count)))
            with torch.no_grad():
                unit.norm.weight.copy_(torch.from_numpy(rng.uniform(0.5, 1.5, count)))
                unit.norm.bias.copy_(torch.from_numpy(rng.normal(0, 0.3, count)))


def assert_cut_is_masked(network: Network, step: PruningStep, seed: int) -> None:
    """The cut network has the logits of the masked one; statistics and factors are not trivial.

    Half of the time some weights are masked before.
    """
    rng = np.random.default_rng(seed)
    perturb(network, rng)
    if rng.random() < 0.5:
        update_masks(network, {}, float(rng.choice([0.5, 0.9, 0.99])))
    kept = select_channels(network, step)
    smaller = cut(network, kept).eval()
    images = rng.integers(0, 256, (2, *network.graph.input.shape), dtype=np.uint8)
    expected = masked_logits(network, kept, images)
    with torch.no_grad():
        found = smaller(to_input(images)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    assert all(t.shape[2] >= 1 for t in smaller.graph.tensors)
    assert all(unit.mask is None or bool(unit.mask.any()) for _, unit in smaller)
    assert all(
        bool((unit.weight == 0)[unit.mask == 0].all())
        for _, unit in smaller
        if unit.mask is not None
    )


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

    def test_masks_go_where_their_weights_go(self):
        """Of convolutions that are added, a mask keeps the rows and columns of the channels."""
        network = Network(hand_made(), generator(0))
        for name in ("a", "b"):
            unit = network.unit(name)
            unit.mask = (torch.rand(unit.weight.shape, generator=generator(1)) < 0.5).float()
        network.apply_masks()
        choices = {"a": np.array([1, 2]), "image": np.arange(4)}
        kept = keep(
            network.graph, PruningStep("channels", 0.5), lambda group, _: choices[group.tensors[0]]
        )
        smaller = cut(network, kept)
        assert torch.equal(smaller.unit("a").mask, network.unit("a").mask[1:3])
        assert torch.equal(smaller.unit("b").mask, network.unit("b").mask[1:3, 1:3])

    def test_no_layer_is_emptied_by_a_cut(self):
        """Where only masked weights would stay, one of them may learn again; it is still 0."""
        network = Network(hand_made(), generator(0))
        unit = network.unit("b")
        unit.mask = torch.zeros_like(unit.weight)
        unit.mask[0] = 1.0
        network.apply_masks()
        choices = {"a": np.array([2, 3]), "image": np.arange(4)}
        kept = keep(
            network.graph, PruningStep("channels", 0.5), lambda group, _: choices[group.tensors[0]]
        )
        smaller = cut(network, kept).unit("b")
        assert int(smaller.mask.sum()) == 1
        assert not bool(smaller.weight.any())
