"""Evaluator: everything that happens to one candidate, from weights to measured objectives.

    inherit -> train -> prune step by step -> quantize, and train as int8 -> plan -> measure

After the search, channels that pruning has left without use are cut before quantization.

A training that cannot give a Pareto-optimal model any more is stopped (``stopping``), and one that
is interrupted goes on from its last rung (``rungs``).

What is measured is what is deployed: error, size and memory are those of the pruned int8 model
that the run folder keeps for export. The outcome depends on the study's seed, the candidate and
its parent's files, and on nothing else, so a candidate can be evaluated again after a crash.
"""

import hashlib
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from .atomic_files import write_at_once
from .augmentation import Augmentation, default_augmentation
from .candidate import Candidate, Evaluation, Outcome, Recipe, Rejection
from .cutting import without_dead_channels
from .dataset import Dataset
from .dense_training import DenseTraining
from .distillation import Distillation
from .errors import QuantizationError, TrainingDivergedError
from .inheritance import inherit
from .interfaces import Objective, Pruner
from .memory import KernelLibrary, MemoryPlan, plan_memory
from .network import Network
from .quantization_aware import fine_tune_quantized
from .quantize import quantize
from .quantized import QuantizedModel
from .rungs import Rungs
from .space import SearchSpace
from .training import Criterion, TrainingConfig, error_rate, train
from .workers import Device

_CHECKPOINT_VERSION = 2
_PLAN_METRICS = (
    "nonzeros",
    "int8_dense_bytes",
    "flash_bytes",
    "arena_bytes",
    "in_weights_bytes",
    "in_out_bytes",
    "live_no_input_bytes",
    "macs",
    "parameters",
)


@dataclass(frozen=True)
class EvaluationConfig:
    """How long and how candidates are trained.

    Attributes:
        training: Dense training of a candidate without a parent, in the search.
        inherited_epochs: Dense training of a candidate that inherits weights, in the search.
        inherited_loss: Largest validation error with inherited weights, before training, at which
            ``inherited_epochs`` are enough; 1 is the error of guessing. A child that has lost more
            of what its parent knew is trained as long as one without a parent.
        fine_tuning_epochs: Fine-tuning after each pruning step, in the search.
        final_epochs: Dense training of a model of the front.
        final_fine_tuning_epochs: Fine-tuning after each pruning step of a model of the front.
        fine_tuning_rate: Learning rate of fine-tuning as a fraction of the training's.
        calibration_images: Training images that fix the int8 ranges of activations.
        distillation: How much fine-tuning learns from the network before pruning, in the search.
        final_distillation: The same for a model of the front.
        quantized_epochs: Quantization-aware training at the end, in the search; 0 for
            quantization after training.
        final_quantized_epochs: The same of a model of the front.
        quantized_rate: Learning rate of quantization-aware training, as a fraction of that of the
            training.
        clustering_epochs: Quantization-aware training of a candidate with a codebook, in the
            search, in place of ``quantized_epochs``: weights have further to go.
        final_clustering_epochs: The same of a model of the front.
    """

    training: TrainingConfig = field(default_factory=TrainingConfig)
    inherited_epochs: int = 4
    fine_tuning_epochs: int = 2
    final_epochs: int = 24
    final_fine_tuning_epochs: int = 8
    fine_tuning_rate: float = 0.5
    inherited_loss: float = 0.65
    calibration_images: int = 512
    distillation: Distillation = field(default_factory=partial(Distillation, weight=0.0))
    final_distillation: Distillation = field(default_factory=Distillation)
    quantized_epochs: int = 0
    final_quantized_epochs: int = 4
    quantized_rate: float = 0.1
    clustering_epochs: int = 2
    final_clustering_epochs: int = 20

    @staticmethod
    def for_dataset(dataset: Dataset) -> "EvaluationConfig":
        """Defaults by the number of training images: about as many steps for small sets."""
        # Recipes may double the learning rate: then clipping halves the worst spikes of the error.
        training = TrainingConfig(clip_norm=2.0, augmentation=default_augmentation(dataset))
        if len(dataset.train.labels) < 10_000:
            return EvaluationConfig(
                replace(training, epochs=40, batch_size=32),
                inherited_epochs=25,
                fine_tuning_epochs=12,
                final_epochs=120,
                final_fine_tuning_epochs=40,
                final_quantized_epochs=20,
                clustering_epochs=12,
                final_clustering_epochs=60,
            )
        return EvaluationConfig(training)

    def on(self, device: Device) -> "EvaluationConfig":
        """The same with training on another device."""
        return replace(self, training=replace(self.training, device=device))

    def augmented(self, augmentation: Augmentation) -> "EvaluationConfig":
        """The same with training on images that vary otherwise."""
        return replace(self, training=replace(self.training, augmentation=augmentation))

    def dense(self, candidate: Candidate, loss: float = 1.0) -> TrainingConfig:
        """Training before pruning.

        Args:
            candidate: Its effort and recipe count.
            loss: Validation error before training; 1 is the error of guessing.
        """
        training = apply_recipe(self.training, candidate.recipe)
        if not candidate.searching:
            return training.with_epochs(self.final_epochs)
        short = loss <= self.inherited_loss
        return training.with_epochs(self.inherited_epochs) if short else training

    def fine_tuning(self, candidate: Candidate) -> TrainingConfig:
        """Training during and after each pruning step."""
        epochs = self.fine_tuning_epochs if candidate.searching else self.final_fine_tuning_epochs
        return self._tuning(candidate, epochs, self.fine_tuning_rate)

    def teaching(self, candidate: Candidate) -> Distillation:
        """What fine-tuning learns from the network before pruning."""
        return self.distillation if candidate.searching else self.final_distillation

    def quantized_tuning(self, candidate: Candidate) -> TrainingConfig:
        """Training in the arithmetic of the int8 model, at the end; maybe of no epochs."""
        search, final = self.quantized_epochs, self.final_quantized_epochs
        if candidate.codebook_bits is not None:
            search, final = self.clustering_epochs, self.final_clustering_epochs
        epochs = search if candidate.searching else final
        return self._tuning(candidate, epochs, self.quantized_rate)

    def _tuning(self, candidate: Candidate, epochs: int, rate: float) -> TrainingConfig:
        training = apply_recipe(self.training, candidate.recipe)
        return training.with_epochs(epochs).with_learning_rate(training.learning_rate * rate)


def apply_recipe(training: TrainingConfig, recipe: Recipe) -> TrainingConfig:
    """The study's training as a candidate's recipe changes it.

    >>> changed = apply_recipe(TrainingConfig(batch_size=3), Recipe(0.5, 0.1, None, 0.2))
    >>> changed.learning_rate, changed.batch_size, changed.weight_decay, changed.dropout
    (0.015, 2, 0.0001, 0.2)
    """
    decay = recipe.weight_decay
    return replace(
        training,
        learning_rate=training.learning_rate * recipe.learning_rate_scale,
        # A batch of one image has no variance.
        batch_size=max(2, round(training.batch_size * recipe.batch_scale)),
        weight_decay=training.weight_decay if decay is None else decay,
        dropout=recipe.dropout,
    )


@dataclass(frozen=True)
class Evaluator:
    """Evaluates candidates of one study; can be sent to another process.

    Attributes:
        dataset: Its training and validation splits are read.
        space: Builds the graph of a candidate.
        pruners: Methods that candidates may ask for.
        objectives: What is measured.
        config: How candidates are trained.
        folder: Run folder; weights and models are written below it.
        seed: The study's seed.
    """

    dataset: Dataset
    space: SearchSpace
    pruners: tuple[Pruner, ...]
    objectives: tuple[Objective, ...]
    config: EvaluationConfig
    folder: Path
    seed: int

    def __call__(self, candidate: Candidate) -> Outcome:
        """Trains, prunes, quantizes and measures; divergence becomes a rejection."""
        started = time.perf_counter()
        checkpoint = self.folder / DenseTraining.of(candidate).checkpoint
        rungs = Rungs(candidate, checkpoint, self._key(candidate))
        try:
            outcome = self._evaluate(candidate, rungs)
        except TrainingDivergedError as error:
            outcome = Rejection(candidate, "diverged", str(error))
        except QuantizationError as error:
            outcome = Rejection(candidate, "unquantizable", str(error))
        rungs.clear()
        return replace(outcome, seconds=time.perf_counter() - started)

    def _evaluate(self, candidate: Candidate, rungs: Rungs) -> Outcome:
        network, curve = self._trained(candidate, rungs)
        shrinks = candidate.pruning or candidate.codebook_bits is not None
        if rungs.reason is None and shrinks and curve:
            # Whether fine-tuning is worth while: the training is over.
            rungs.judge(curve, len(curve))
        if rungs.reason is not None:
            return Rejection(candidate, "stopped", rungs.reason, curve, rungs.expected_error)
        teaching = self.config.teaching(candidate)
        criterion = teaching.criterion(network, self.config.training.label_smoothing)
        network = self._pruned(candidate, network, criterion)
        model = self._quantized(candidate, network, criterion)
        plan = plan_memory(model, KernelLibrary.RUNTIME)
        objectives = {o.name: o.measure(model, plan, self.dataset) for o in self.objectives}
        path = model_path(self.folder, candidate.id)
        write_at_once(path, lambda partial: model.save(str(partial)))
        return Evaluation(
            candidate,
            objectives,
            {
                "float_val_error": error_rate(network, self.dataset.validation),
                **plan_metrics(plan),
            },
            curve,
        )

    @property
    def device(self) -> Device:
        """Where networks are trained."""
        return self.config.training.device

    def reads(self, candidate: Candidate) -> tuple[str, ...]:
        """Files below the folder that the evaluation reads, where they exist."""
        dense = DenseTraining.of(candidate)
        parent = () if candidate.parent is None else (_search_weights(candidate.parent),)
        return (dense.curve, dense.weights, *parent)

    def writes(self, candidate: Candidate) -> tuple[str, ...]:
        """Files below the folder that it may leave, in the order in which they must appear."""
        dense = DenseTraining.of(candidate)
        return (dense.curve, dense.weights, _model(candidate.id))

    def at(self, folder: Path) -> "Evaluator":
        """The same evaluator for another folder."""
        return replace(self, folder=folder)

    def _trained(self, candidate: Candidate, rungs: Rungs) -> tuple[Network, tuple[float, ...]]:
        """The dense network before pruning, and its learning curve."""
        dense = DenseTraining.of(candidate)
        with dense.alone(self.folder):
            if dense.shared and (found := dense.load(self.folder)) is not None:
                return found
            network, curve = self._train(candidate, rungs)
            if rungs.reason is None:
                dense.save(self.folder, network, curve)
        return network, curve

    def _train(self, candidate: Candidate, rungs: Rungs) -> tuple[Network, tuple[float, ...]]:
        stream = candidate.id
        if not candidate.searching:
            # That of the architecture: candidates that share the training all compute the same.
            stream = int(candidate.architecture.hash(), 16) % 2**31 + 2**31
        torch_generator = self._torch_generator(stream, 0)
        network = Network(self.space.build(candidate.architecture), torch_generator)
        loss = 1.0
        if candidate.parent is not None:
            parent = Network.load(str(self.folder / _search_weights(candidate.parent)))
            rng = np.random.default_rng([self.seed, stream, 1])
            # A quarter of the calibration images is plenty for means and variances.
            inherit(network, parent, rng, self._calibration_images()[::4])
            guessing = 1.0 - 1.0 / self.dataset.class_count
            loss = error_rate(network, self.dataset.validation) / guessing
        result = train(
            network,
            self.dataset,
            self.config.dense(candidate, loss),
            torch_generator,
            after_epoch=rungs,
            resume=rungs.resume(),
        )
        return network, result.curve

    def _pruned(
        self, candidate: Candidate, network: Network, criterion: Criterion | None
    ) -> Network:
        by_name = {pruner.name: pruner for pruner in self.pruners}
        config = self.config.fine_tuning(candidate)
        for number, step in enumerate(candidate.pruning):
            network = by_name[step.method].prune(
                network,
                self.dataset,
                step,
                config,
                self._torch_generator(candidate.id, 2 + number),
                criterion=criterion,
            )
        # The search forecasts memory from the channels that there are: it must find them again.
        return network if candidate.searching else without_dead_channels(network)

    def _quantized(
        self, candidate: Candidate, network: Network, criterion: Criterion | None
    ) -> QuantizedModel:
        config, bits = self.config.quantized_tuning(candidate), candidate.codebook_bits
        if bits is None and config.epochs == 0:
            return quantize(network, self._calibration_images())
        return fine_tune_quantized(
            network,
            self.dataset,
            config,
            self._calibration_images(),
            self._torch_generator(candidate.id, 2 + len(candidate.pruning)),
            codebook_bits=bits,
            criterion=criterion,
        )

    def _key(self, candidate: Candidate) -> str:
        """Of what a training depends on, besides the data and the parent's weights."""
        dense = DenseTraining.of(candidate)
        trained = dense.name if dense.shared else candidate.to_json()
        config = TypeAdapter(EvaluationConfig).dump_json(self.config)
        text = f"{_CHECKPOINT_VERSION} {self.seed} {trained} {config.decode()}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _calibration_images(self) -> NDArray[np.uint8]:
        images = self.dataset.train.images
        count = min(self.config.calibration_images, len(images))
        chosen = np.random.default_rng([self.seed, 0]).choice(len(images), count, replace=False)
        return images[np.sort(chosen)]

    def _torch_generator(self, stream: int, purpose: int) -> torch.Generator:
        state = np.random.SeedSequence([self.seed, stream, purpose]).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(state[0]) % 2**63)


def plan_metrics(plan: MemoryPlan) -> dict[str, float]:
    """Every size of a plan by the name under which evaluations and tables hold it."""
    return {name: float(getattr(plan, name)) for name in _PLAN_METRICS}


def model_path(folder: Path, candidate_id: int) -> Path:
    """Where a run folder keeps the int8 model of a candidate."""
    return folder / _model(candidate_id)


def _model(candidate_id: int) -> str:
    return f"models/{candidate_id}.safetensors"


def _search_weights(candidate_id: int) -> str:
    return f"weights/{candidate_id}.safetensors"
