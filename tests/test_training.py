"""Network, training, pruning and the evaluation of one candidate."""

import numpy as np
import pytest
import torch
from float_models import FloatStub
from hypothesis import given, settings
from strategies import members, seeds

from objectives import DEFAULT_OBJECTIVES
from pruning import PRUNERS
from pruning.channels import cut, select_channels
from pruning.groups import channel_groups
from pruning.magnitude import lamp_scores, may_be_pruned
from sparse_search.architecture import Architecture, Conv2D, ConvBlock, SeparableConv2D
from sparse_search.candidate import Candidate, Evaluation, PruningStep, Rejection
from sparse_search.dataset import Dataset, load_dataset
from sparse_search.errors import TrainingDivergedError
from sparse_search.evaluation import EvaluationConfig, Evaluator, model_path
from sparse_search.graph import Add, Conv2d, Dense, Graph, Tensor
from sparse_search.network import Network
from sparse_search.quantized import QuantizedModel
from sparse_search.quantized import error_rate as int8_error_rate
from sparse_search.space import SearchSpace
from sparse_search.training import Augmentation, Batches, TrainingConfig, error_rate, train

BY_NAME = {p.name: p for p in PRUNERS}
SMALL = Architecture((ConvBlock((Conv2D(6, 3), SeparableConv2D(8, 3, 2)), "max"),))
QUICK = TrainingConfig(epochs=3, batch_size=32)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The embedded data set."""
    return load_dataset("digits", seed=0)


@pytest.fixture(scope="module")
def space(digits) -> SearchSpace:
    """The default space for digits."""
    return SearchSpace(digits.input_shape, digits.class_count)


@pytest.fixture(scope="module")
def trained(digits, space) -> Network:
    """A small network after three epochs."""
    network = Network(space.build(SMALL), generator(0))
    train(network, digits, QUICK, generator(1))
    return network


def generator(seed: int) -> torch.Generator:
    """A torch generator with a seed."""
    return torch.Generator().manual_seed(seed)


class TestNetwork:
    """The float network is a rendering of the graph."""

    @settings(deadline=None, max_examples=40)
    @given(member=members(), seed=seeds())
    def test_it_has_the_shapes_of_the_graph_and_computes_the_folded_operators(self, member, seed):
        """Every tensor equals that of an independent float64 execution of the folded weights."""
        space, architecture = member
        graph = space.build(architecture)
        network = Network(graph, generator(seed % 2**31))
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 256, (2, *space.input_shape), dtype=np.uint8)
        found = network.activations(images)
        assert {name: t.shape[1:] for name, t in found.items()} == {
            t.name: t.shape for t in graph.tensors
        }
        weights = {op.name: network.folded(op.name) for op in graph.weighted}
        expected = FloatStub(graph, weights).activations(images)
        for name, values in expected.items():
            scale = max(1.0, float(np.abs(values).max()))
            np.testing.assert_allclose(found[name], values, atol=1e-4 * scale)

    def test_copies_and_files_hold_the_same_weights_and_masks(self, trained, tmp_path):
        """A copy and a saved and loaded network compute the same, bit for bit."""
        trained.unit("conv1").mask = (torch.rand(6, 1, 3, 3, generator=generator(0)) < 0.5).float()
        images = np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8, 1)
        expected = trained.activations(images)["output"]
        trained.save(str(tmp_path / "n.safetensors"))
        for twin in (trained.copy(), Network.load(str(tmp_path / "n.safetensors"))):
            assert twin.graph == trained.graph
            assert torch.equal(twin.unit("conv1").mask, trained.unit("conv1").mask)
            assert (twin.activations(images)["output"] == expected).all()
        trained.unit("conv1").mask = None


class TestTraining:
    """Training learns, is deterministic, and refuses to go on without a finite loss."""

    def test_it_learns_and_the_seed_decides(self, digits, space):
        """Two trainings of one seed are equal; three epochs leave less than 20 % error."""
        runs = []
        for _ in range(2):
            network = Network(space.build(SMALL), generator(3))
            result = train(network, digits, QUICK, generator(4))
            runs.append((result.curve, network.unit("conv1").weight.detach().clone()))
        assert runs[0][0] == runs[1][0]
        assert torch.equal(runs[0][1], runs[1][1])
        assert runs[0][0][-1] < 0.2
        assert len(runs[0][0]) == QUICK.epochs

    def test_a_loss_that_is_not_finite_is_divergence(self, digits, space):
        """An absurd learning rate is named as the cause."""
        network = Network(space.build(SMALL), generator(0))
        with torch.no_grad():
            network.unit("output").weight[0, 0] = float("nan")
        with pytest.raises(TrainingDivergedError, match="learning rate below"):
            train(network, digits, QUICK, generator(0))

    def test_shifted_images_are_windows_of_the_padded_image(self, digits):
        """Each augmented image is the original moved by at most the shift, zeros moving in."""
        shift = 2
        batches = Batches(digits.train, Augmentation(shift))
        indices = torch.arange(40)
        images, labels = batches.draw(indices, generator(5))
        moved = set()
        for image, original in zip(images.numpy(), digits.train.images[:40], strict=True):
            padded = np.pad(original[:, :, 0], shift) / np.float32(255)
            places = [
                (y, x)
                for y in range(2 * shift + 1)
                for x in range(2 * shift + 1)
                if np.allclose(padded[y : y + 8, x : x + 8], image[0], atol=1e-6)
            ]
            assert places
            moved.add(places[0])
        assert len(moved) > 10
        assert (labels.numpy() == digits.train.labels[:40]).all()

    def test_flips_mirror_about_half_of_the_images(self, digits):
        """An image comes as it is or mirrored."""
        batches = Batches(digits.train, Augmentation(0, flip=True))
        images, _ = batches.draw(torch.arange(200), generator(6))
        originals = digits.train.images[:200, :, :, 0].astype(np.float32) / 255
        same = np.isclose(images[:, 0].numpy(), originals, atol=1e-6).all((1, 2))
        mirrored = np.isclose(images[:, 0].numpy(), originals[:, :, ::-1], atol=1e-6).all((1, 2))
        assert (same | mirrored).all()
        assert 60 < same.sum() < 140


class TestGroups:
    """Channel groups follow the graph."""

    def test_depthwise_and_pooling_layers_follow_and_additions_join(self):
        """The groups of a hand-made residual graph are those of pen and paper."""
        conv = {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)}
        graph = Graph(
            (
                Tensor("image", (4, 4, 1)),
                *(Tensor(name, (4, 4, 4)) for name in ("a", "b", "s")),
                Tensor("out", (1, 1, 3)),
            ),
            (
                Conv2d("a", ("image",), "a", **conv),
                Conv2d("b", ("a",), "b", **conv),
                Add("s", ("a", "b"), "s"),
                Dense("out", ("s",), "out"),
            ),
        )
        groups = [(g.tensors, g.producers, g.frozen) for g in channel_groups(graph)]
        assert groups == [
            (("image",), (), True),
            (("a", "b", "s"), ("a", "b"), False),
            (("out",), ("out",), True),
        ]

    @settings(deadline=None, max_examples=30)
    @given(member=members(), seed=seeds())
    def test_cutting_equals_masking(self, member, seed):
        """A cut network computes what the whole one does with the other channels at zero."""
        space, architecture = member
        network = Network(space.build(architecture), generator(seed % 2**31)).eval()
        kept = select_channels(network, 0.4)
        smaller = cut(network, kept).eval()
        with torch.no_grad():
            for operator, unit in network:
                gone = np.setdiff1d(np.arange(unit.weight.shape[0]), kept[operator.output])
                if len(gone):
                    unit.weight[gone] = 0
                    unit.norm.weight[gone] = 0
                    unit.norm.bias[gone] = 0
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 256, (2, *space.input_shape), dtype=np.uint8)
        expected = network.activations(images)["output"]
        found = smaller.activations(images)["output"]
        np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("pruner", PRUNERS, ids=lambda p: p.name)
class TestPrunerContract:
    """What every pruner must keep."""

    @pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.8, 0.99])
    def test_the_result_is_what_was_predicted(self, pruner, sparsity, trained, digits):
        """Graph and zeros are as predicted, nothing is emptied, and the argument is unchanged."""
        before = {k: v.clone() for k, v in trained.state_dict().items()}
        graph, zero_fraction = pruner.predict(trained.graph, sparsity)
        pruned = pruner.prune(trained, digits, sparsity, QUICK.with_epochs(1), generator(2))
        assert pruned.graph == graph
        zeros = sum(int((unit.weight == 0).sum()) for _, unit in pruned)
        total = sum(unit.weight.numel() for _, unit in pruned)
        assert zeros == pytest.approx(zero_fraction * total, abs=len(graph.weighted))
        assert all(bool((unit.weight != 0).any()) for _, unit in pruned)
        assert all(torch.equal(v, before[k]) for k, v in trained.state_dict().items())

    def test_it_is_deterministic(self, pruner, trained, digits):
        """One seed, one result."""
        config = QUICK.with_epochs(1)
        one, other = (pruner.prune(trained, digits, 0.5, config, generator(7)) for _ in range(2))
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name])

    def test_fine_tuning_recovers_accuracy(self, pruner, trained, digits):
        """A third removed costs less than ten points after fine-tuning."""
        pruned = pruner.prune(trained, digits, 0.33, QUICK, generator(2))
        before = error_rate(trained, digits.validation)
        assert error_rate(pruned, digits.validation) < before + 0.1


def test_masks_survive_a_later_structured_cut(trained, digits):
    """Channels cut from a masked network take their masks along."""
    masked = BY_NAME["magnitude"].prune(trained, digits, 0.6, QUICK.with_epochs(1), generator(0))
    smaller = BY_NAME["channels"].prune(masked, digits, 0.3, QUICK.with_epochs(1), generator(1))
    for operator, unit in smaller:
        if may_be_pruned(operator):
            assert unit.mask is not None
            assert bool((unit.weight[unit.mask == 0] == 0).all())


def test_lamp_scores_are_those_of_the_paper():
    """Score = w^2 over the sum of squares at least as large, by brute force."""
    weight = torch.tensor([[3.0, -1.0], [0.5, 2.0]])
    squares = weight.flatten() ** 2
    expected = [float(w / squares[squares >= w].sum()) for w in squares]
    assert lamp_scores(weight).flatten().tolist() == pytest.approx(expected)


class TestEvaluator:
    """One candidate from weights to measured objectives."""

    def evaluator(self, digits, space, folder) -> Evaluator:
        """An evaluator that trains very briefly."""
        config = EvaluationConfig(QUICK, 1, 1, 2, 1)
        return Evaluator(digits, space, PRUNERS, DEFAULT_OBJECTIVES, config, folder, 0)

    def test_it_measures_the_model_that_it_keeps(self, digits, space, tmp_path):
        """The error and the sizes are those of the stored int8 model; pruning shows in both."""
        evaluate = self.evaluator(digits, space, tmp_path)
        steps = (PruningStep("channels", 0.3), PruningStep("magnitude", 0.6))
        outcome = evaluate(Candidate(0, SMALL, steps))
        assert isinstance(outcome, Evaluation)
        model = QuantizedModel.load(model_path(tmp_path, 0))
        assert outcome.objectives["val_error"] == int8_error_rate(model, digits.validation)
        nonzeros = sum(int((w.weights != 0).sum()) + len(w.bias) for w in model.weights.values())
        assert outcome.metrics["nonzeros"] == nonzeros
        assert outcome.metrics["nonzeros"] < 0.6 * space.build(SMALL).parameters
        assert outcome.metrics["flash_bytes"] == outcome.objectives["flash_bytes"]

    def test_the_same_candidate_gives_the_same_outcome(self, digits, space, tmp_path):
        """An evaluation can be repeated after a crash, also of a child and of a final model."""
        child = Architecture((ConvBlock((Conv2D(8, 3), SeparableConv2D(8, 3, 2)), "max"),))
        outcomes = []
        for folder in (tmp_path / "a", tmp_path / "b"):
            evaluate = self.evaluator(digits, space, folder)
            candidates = (
                Candidate(0, SMALL),
                Candidate(1, child, (PruningStep("magnitude", 0.5),), "morph", 0, ("widen",)),
                Candidate(100, child, (), "morph", 1, (), "final"),
                Candidate(101, child, (PruningStep("magnitude", 0.3),), "morph", 1, (), "final"),
            )
            found = [evaluate(c) for c in candidates]
            assert all(isinstance(o, Evaluation) for o in found)
            outcomes.append([(o.objectives, o.metrics) for o in found])
        assert outcomes[0] == outcomes[1]

    def test_divergence_is_a_rejection(self, digits, space, tmp_path):
        """A training whose loss is not finite is recorded with its reason."""
        config = EvaluationConfig(TrainingConfig(epochs=2, batch_size=32, learning_rate=1e30))
        evaluate = Evaluator(digits, space, PRUNERS, DEFAULT_OBJECTIVES, config, tmp_path, 0)
        outcome = evaluate(Candidate(0, SMALL))
        assert isinstance(outcome, Rejection)
        assert outcome.kind == "diverged"
        assert "learning rate" in outcome.reason
