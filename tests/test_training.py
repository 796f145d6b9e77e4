"""Network, training and the evaluation of one candidate."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from float_models import FloatStub
from hypothesis import given, settings
from strategies import members, seeds

from objectives import DEFAULT_OBJECTIVES
from pruning import PRUNERS
from sparse_search.architecture import Architecture, Conv2D, ConvBlock, SeparableConv2D
from sparse_search.candidate import Candidate, Evaluation, PruningStep, Rejection
from sparse_search.checkpoint import TrainingState
from sparse_search.dataset import Dataset, load_dataset
from sparse_search.errors import TrainingDivergedError
from sparse_search.evaluation import EvaluationConfig, Evaluator, model_path
from sparse_search.network import Network
from sparse_search.optimizer import AdamW
from sparse_search.quantized import QuantizedModel
from sparse_search.quantized import error_rate as int8_error_rate
from sparse_search.space import SearchSpace
from sparse_search.training import Augmentation, Batches, Progress, TrainingConfig, train

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

    def test_an_epoch_has_every_image_once_but_for_a_last_one_alone(self, digits):
        """A batch of one has no variance; a data set of one has nothing else."""
        split = digits.train
        for count, expected in ((10, 10), (9, 8), (1, 1)):
            part = replace(split, images=split.images[:count], labels=np.arange(count))
            batches = Batches(part, Augmentation(1))
            drawn = [labels.tolist() for _, labels in batches.epoch(4, generator(0))]
            assert len(drawn) == batches.count(4)
            images = [y for labels in drawn for y in labels]
            assert len(images) == len(set(images)) == expected

    def test_steps_are_numbered_without_gaps(self, digits, space):
        """Also where a last image alone is left out of every epoch: schedules count on that."""
        part = digits.train
        part = replace(part, images=part.images[:65], labels=part.labels[:65])
        steps: list[tuple[int, int]] = []
        train(
            Network(space.build(SMALL), generator(0)),
            replace(digits, train=part),
            replace(QUICK, epochs=3, batch_size=32),
            generator(0),
            after_step=lambda number, total: steps.append((number, total)),
        )
        assert steps == [(number, 6) for number in range(1, 7)]

    def test_it_can_be_ended_after_any_epoch(self, digits, space):
        """The hook sees the curve so far, and its False is the end."""
        network, seen = Network(space.build(SMALL), generator(3)), []

        def until_two(progress: Progress) -> bool:
            seen.append(progress.curve)
            return len(progress.curve) < 2

        result = train(network, digits, QUICK, generator(4), after_epoch=until_two)
        whole = train(Network(space.build(SMALL), generator(3)), digits, QUICK, generator(4))
        assert result.curve == whole.curve[:2]
        assert seen == [whole.curve[:1], whole.curve[:2]]

    def test_an_interrupted_training_ends_like_one_that_was_not(self, digits, space, tmp_path):
        """From the file of every epoch: the same curve and weights, bit for bit."""
        config = replace(QUICK, dropout=0.2, augmentation=Augmentation(1))

        def save(progress: Progress) -> bool:
            progress.state().save(tmp_path / str(len(progress.curve)), "key")
            return True

        whole = Network(space.build(SMALL), generator(3))
        curve = train(whole, digits, config, generator(4), after_epoch=save).curve
        for epoch in (1, 2):
            state = TrainingState.load(tmp_path / str(epoch), "key")
            network = Network(space.build(SMALL), generator(9))
            assert train(network, digits, config, generator(8), resume=state).curve == curve
            for name, value in whole.state_dict().items():
                assert torch.equal(network.state_dict()[name], value)
        assert TrainingState.load(tmp_path / "1", "another key") is None

    def test_dropout_is_on_what_the_first_dense_operator_reads(self, digits, space):
        """It changes training, draws from the training's generator, and spares evaluation."""
        architecture = replace(SMALL, hidden=(12,))
        network, shapes = Network(space.build(architecture), generator(0)), []

        def nothing(x: torch.Tensor) -> torch.Tensor:
            shapes.append(x.shape)
            return torch.zeros_like(x)

        images = torch.rand(5, 1, 8, 8, generator=generator(1))
        logits = network(images, nothing)
        inputs = network.unit("dense1").weight.shape[1]
        assert shapes == [(5, inputs)]
        assert torch.equal(logits, logits[:1].expand_as(logits))
        before = torch.get_rng_state()
        curves = [
            train(
                Network(space.build(architecture), generator(3)),
                digits,
                replace(QUICK, dropout=fraction),
                generator(4),
            ).curve
            for fraction in (0.0, 0.3, 0.3)
        ]
        assert curves[0] != curves[1] == curves[2]
        assert torch.equal(torch.get_rng_state(), before)


class TestAdamW:
    """One long vector, and the update of torch's own optimizer."""

    @pytest.mark.parametrize("clip_norm", [None, 0.5])
    def test_it_is_that_of_torch(self, digits, space, clip_norm):
        """Fifty steps with changing rates end at the weights of ``torch.optim.AdamW``."""
        ours, theirs = (Network(space.build(SMALL), generator(0)).double() for _ in range(2))
        optimizer = AdamW(ours.parameters(), 0.1, clip_norm)
        matrices = [p for p in theirs.parameters() if p.dim() > 1]
        vectors = [p for p in theirs.parameters() if p.dim() == 1]
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        reference = torch.optim.AdamW(groups, weight_decay=0.1)
        images = torch.rand(8, 1, 8, 8, generator=generator(1)).double()
        for step in range(50):
            rate = 0.01 * (1 + step % 3)
            optimizer.zero_gradient()
            ours(images).square().sum().backward()
            optimizer.step(rate)
            reference.zero_grad()
            theirs(images).square().sum().backward()
            if clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(theirs.parameters(), clip_norm)
            for group in reference.param_groups:
                group["lr"] = rate
            reference.step()
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)

    def test_parameters_begin_at_aligned_addresses(self, space):
        """Some kernels of GPUs read 16 bytes at a time, and from nowhere else."""
        network = Network(space.build(SMALL), generator(0))
        AdamW(network.parameters(), 0.0, None)
        for parameter in network.parameters():
            assert parameter.data_ptr() % 16 == parameter.grad.data_ptr() % 16 == 0

    def test_a_released_parameter_has_memory_of_its_own(self, space):
        """The same numbers and strides, no gradient, and nothing shared."""
        network = Network(space.build(SMALL), generator(0))
        before = [(p.detach().clone(), p.stride()) for p in network.parameters()]
        AdamW(network.parameters(), 0.0, None).release()
        for parameter, (values, strides) in zip(network.parameters(), before, strict=True):
            assert torch.equal(parameter, values)
            assert parameter.stride() == strides
            assert parameter.grad is None
        assert len({p.untyped_storage().data_ptr() for p in network.parameters()}) == len(before)


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
                Candidate(1, child, (PruningStep("magnitude", 0.5),), origin="morph", parent=0),
                Candidate(100, child, parent=1, effort="final"),
                Candidate(101, child, (PruningStep("magnitude", 0.3),), parent=1, effort="final"),
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
