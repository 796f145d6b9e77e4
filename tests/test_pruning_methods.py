"""What is particular to Taylor saliency, feedback, the same fraction everywhere, and ``prune``."""

import numpy as np
import pytest
import torch
from pruning_networks import BRANCHING, QUICK, generator, train_quickly
from torch.nn import functional

import pruning.feedback
from pruning import PRUNERS, prune
from pruning.feedback import FeedbackPruner, MaskedForward
from pruning.layerwise import LayerwisePruner
from pruning.schedule import Ramp, cubic
from pruning.taylor import Gates, TaylorPruner, taylor_saliency
from sparse_search.builder import is_compressible
from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset, load_dataset
from sparse_search.errors import PruningError
from sparse_search.groups import channel_groups
from sparse_search.network import Network, to_input


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The embedded data set."""
    return load_dataset("digits", seed=0)


@pytest.fixture(scope="module")
def branching(digits) -> Network:
    """A trained network with sums and a concatenation."""
    return train_quickly(BRANCHING, digits)


class TestTaylor:
    """First-order saliency of channels."""

    def test_it_is_the_slope_of_the_loss_when_a_channel_is_scaled(self, branching, digits):
        """Against central differences, image by image, also of added paths and depthwise layers."""
        images, labels = digits.train.images[:40], digits.train.labels[:40]
        network = branching.copy()
        found = taylor_saliency(network, images, labels)
        groups = {g.tensors[0]: g for g in channel_groups(network.graph) if not g.frozen}
        groups = {name: g for name, g in groups.items() if not g.parts}
        assert found.keys() == groups.keys()
        x, target = to_input(images), torch.tensor(labels)
        step = 2e-3
        for name, group in groups.items():
            for channel in range(0, group.channels, 3):
                losses = []
                for sign in (1, -1):
                    gates = {n: torch.ones(40, g.channels) for n, g in groups.items()}
                    gates[name][:, channel] += sign * step
                    with torch.no_grad():
                        logits = network(x, None, Gates.of(network.graph, groups, gates))
                    losses.append(functional.cross_entropy(logits, target, reduction="none"))
                slope = float(((losses[0] - losses[1]) / (2 * step)).abs().mean())
                assert found[name][channel] == pytest.approx(slope, rel=0.03, abs=1e-3)

    def test_a_channel_that_nothing_reads_goes_first(self, branching, digits):
        """However large its own weights are."""
        network = branching.copy()
        with torch.no_grad():
            network.unit("output").weight[:, 3] = 0.0
            network.unit("dense1").weight[3] *= 10.0
        step = PruningStep("taylor", 0.0, (("dense1", 0.1),))
        pruned = TaylorPruner().prune(network, digits, step, QUICK.with_epochs(0), generator(0))
        rest = [i for i in range(12) if i != 3]
        found = pruned.unit("output").weight.detach()
        assert torch.equal(found, network.unit("output").weight.detach()[:, rest])

    def test_a_criterion_replaces_the_cross_entropy(self, branching, digits):
        """A loss that no channel changes has no slope."""

        def nothing(logits, images, labels):
            return (logits * 0.0).mean()

        images, labels = digits.train.images[:10], digits.train.labels[:10]
        found = taylor_saliency(branching.copy(), images, labels, nothing)
        assert all(not values.any() for values in found.values())


class TestFeedback:
    """Dynamic pruning with feedback."""

    def test_masked_weights_get_the_gradient_at_the_masked_network(self, branching):
        """Value and gradient are those of a network whose weights are multiplied by the mask."""
        operator = next(op for op in branching.graph.weighted if op.name == "dense1")
        unit = branching.copy().unit("dense1")
        mask = (torch.rand(unit.weight.shape, generator=generator(0)) < 0.5).float()
        x = torch.rand(6, unit.weight.shape[1], generator=generator(1))
        sums = MaskedForward({"dense1": mask}).sums(operator, unit, x, functional.linear)
        sums.square().sum().backward()
        masked = (unit.weight.detach() * mask).requires_grad_(True)
        expected = functional.linear(x, masked)
        expected.square().sum().backward()
        assert torch.equal(sums, expected)
        assert torch.equal(unit.weight.grad, masked.grad)
        assert bool((unit.weight.grad[mask == 0] != 0).any())

    def test_weights_come_back(self, branching, digits, monkeypatch):
        """Some that were masked are alive in the end; the final sparsity is exact all the same."""
        history = []
        original = pruning.feedback.lowest_masked

        def spy(*arguments):
            masks = original(*arguments)
            history.append({name: mask for name, mask in masks.items() if mask is not None})
            return masks

        monkeypatch.setattr(pruning.feedback, "lowest_masked", spy)
        step = PruningStep("feedback", 0.7)
        pruned = FeedbackPruner().prune(branching, digits, step, QUICK, generator(0))
        back = sum(
            int(((mask == 0) & (pruned.unit(name).weight != 0)).sum())
            for masks in history
            for name, mask in masks.items()
        )
        assert back > 0
        units = [unit for op, unit in pruned if is_compressible(op)]
        total = sum(unit.weight.numel() for unit in units)
        assert sum(int((unit.weight == 0).sum()) for unit in units) == round(0.7 * total)


class TestLayerwise:
    """The same fraction in each layer."""

    def test_each_layer_loses_its_smallest_weights(self, branching, digits):
        """Without a training step, those of least magnitude; the fraction is that of each layer."""
        step = PruningStep("layerwise", 0.4, (("dense1", 0.8),))
        config = QUICK.with_epochs(0)
        pruned = LayerwisePruner().prune(branching, digits, step, config, generator(0))
        for operator, unit in pruned:
            weight = branching.unit(operator.name).weight.detach().abs().flatten()
            if not is_compressible(operator):
                assert unit.mask is None
                continue
            count = round(len(weight) * (0.8 if operator.name == "dense1" else 0.4))
            gone = unit.mask.flatten() == 0
            assert int(gone.sum()) == count
            assert weight[gone].max() <= weight[~gone].min()


def test_a_ramp_reaches_its_end_and_updates_when_it_is_due():
    """Every fourth step with the cubic schedule, at 70 % the final sparsity, afterwards nothing."""
    for after in (False, True):
        calls = []
        ramp = Ramp({"a": 0.4}, 0.8, 4, lambda own, s, to=calls: to.append((own["a"], s)), after)
        for number in range(1, 21):
            ramp(number, 20)
        steps = [4, 8, 12, 14, *([16, 20] if after else [])]
        assert calls == [
            (cubic(0.4, min(1, n / 14)), pytest.approx(cubic(0.8, min(1, n / 14)))) for n in steps
        ]


class TestPrune:
    """``prune`` outside of a search."""

    def test_it_is_the_pruner_of_that_name(self, branching, digits):
        """Equal to a call of the pruner with a step; a pruner may stand for its name."""
        config = QUICK.with_epochs(1)
        step = PruningStep("layerwise", 0.5, (("conv1", 0.2),))
        expected = LayerwisePruner().prune(branching, digits, step, config, generator(0))
        for method in ("layerwise", LayerwisePruner()):
            arguments = {"sparsity": 0.5, "layers": {"conv1": 0.2}, "config": config}
            found = prune(branching, digits, method, **arguments)
            for name, value in expected.state_dict().items():
                assert torch.equal(found.state_dict()[name], value)

    def test_what_cannot_be_done_is_said(self, branching, digits):
        """Unknown methods and fractions that are none."""
        with pytest.raises(PruningError, match="among channels, taylor"):
            prune(branching, digits, "lottery", sparsity=0.5)
        for method in (pruner.name for pruner in PRUNERS):
            for sparsity in (-0.1, 1.0, float("nan")):
                with pytest.raises(PruningError, match="below 1"):
                    prune(branching, digits, method, sparsity=sparsity)
            with pytest.raises(PruningError, match="below 1"):
                prune(branching, digits, method, sparsity=0.5, layers={"conv1": 1.5})


def test_the_most_salient_channels_stay(branching, digits):
    """Of each group, in their order; nothing is cut that is frozen."""
    images, labels = digits.train.images, digits.train.labels
    rows = torch.randperm(len(labels), generator=generator(3))[:64].numpy()
    saliency = taylor_saliency(branching.copy(), images[rows], labels[rows])["conv1"]
    pruned = TaylorPruner(images=64).prune(
        branching, digits, PruningStep("taylor", 0.5), QUICK.with_epochs(0), generator(3)
    )
    kept = np.sort(np.argsort(-saliency)[:3])
    found = pruned.unit("conv1").weight.detach()
    assert torch.equal(found, branching.unit("conv1").weight.detach()[torch.from_numpy(kept)])
