"""Evaluator: everything that happens to one candidate, from weights to measured objectives.

    inherit -> train -> prune step by step -> quantize -> plan -> measure

What is measured is what is deployed: error, size and memory are those of the pruned int8 model
that the run folder keeps for export. The outcome depends on the study's seed, the candidate and
its parent's files, and on nothing else, so a candidate can be evaluated again after a crash.
"""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from .candidate import Candidate, Evaluation, Outcome, Rejection
from .dataset import Dataset
from .errors import QuantizationError, TrainingDivergedError
from .inheritance import inherit
from .interfaces import Objective, Pruner
from .memory import KernelLibrary, MemoryPlan, plan_memory
from .network import Network
from .quantize import quantize
from .quantized import QuantizedModel
from .space import SearchSpace
from .training import TrainingConfig, default_augmentation, error_rate, train

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
        fine_tuning_epochs: Fine-tuning after each pruning step, in the search.
        final_epochs: Dense training of a model of the front.
        final_fine_tuning_epochs: Fine-tuning after each pruning step of a model of the front.
        fine_tuning_rate: Learning rate of fine-tuning as a fraction of the training's.
        calibration_images: Training images that fix the int8 ranges of activations.
    """

    training: TrainingConfig = field(default_factory=TrainingConfig)
    inherited_epochs: int = 4
    fine_tuning_epochs: int = 2
    final_epochs: int = 24
    final_fine_tuning_epochs: int = 8
    fine_tuning_rate: float = 0.5
    calibration_images: int = 512

    @staticmethod
    def for_dataset(dataset: Dataset) -> "EvaluationConfig":
        """Defaults by the number of training images: about as many steps for small sets."""
        augmentation = default_augmentation(dataset)
        if len(dataset.train.labels) < 10_000:
            return EvaluationConfig(
                TrainingConfig(epochs=40, batch_size=32, augmentation=augmentation),
                inherited_epochs=25,
                fine_tuning_epochs=12,
                final_epochs=120,
                final_fine_tuning_epochs=40,
            )
        return EvaluationConfig(TrainingConfig(augmentation=augmentation))

    def dense(self, candidate: Candidate) -> TrainingConfig:
        """Training before pruning."""
        if candidate.effort == "final":
            return self.training.with_epochs(self.final_epochs)
        inherits = candidate.parent is not None
        return self.training.with_epochs(self.inherited_epochs) if inherits else self.training

    def fine_tuning(self, candidate: Candidate) -> TrainingConfig:
        """Training during and after each pruning step."""
        final = candidate.effort == "final"
        epochs = self.final_fine_tuning_epochs if final else self.fine_tuning_epochs
        rate = self.training.learning_rate * self.fine_tuning_rate
        return self.training.with_epochs(epochs).with_learning_rate(rate)


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
        try:
            network, curve = self._trained(candidate)
            network = self._pruned(candidate, network)
            model = quantize(network, self._calibration_images())
        except TrainingDivergedError as error:
            return Rejection(candidate, "diverged", str(error))
        except QuantizationError as error:
            return Rejection(candidate, "failed", f"cannot be quantized: {error}")
        plan = plan_memory(model, KernelLibrary.RUNTIME)
        objectives = {o.name: o.measure(model, plan, self.dataset) for o in self.objectives}
        _write(model_path(self.folder, candidate.id), model)
        return Evaluation(
            candidate,
            objectives,
            {
                "float_val_error": error_rate(network, self.dataset.validation),
                **plan_metrics(plan),
            },
            curve,
            time.perf_counter() - started,
        )

    def _trained(self, candidate: Candidate) -> tuple[Network, tuple[float, ...]]:
        """The dense network before pruning, and its learning curve.

        Final candidates of one architecture share one long training, whoever comes first: its
        seed is that of the architecture, so all would compute the same.
        """
        path = _weights_path(self.folder, candidate)
        if candidate.effort == "final" and path.exists():
            return Network.load(str(path)), _read_curve(path)
        stream = candidate.id
        if candidate.effort == "final":
            stream = int(candidate.architecture.hash(), 16) % 2**31 + 2**31
        torch_generator = self._torch_generator(stream, 0)
        network = Network(self.space.build(candidate.architecture), torch_generator)
        if candidate.parent is not None:
            parent = Network.load(str(_search_weights_path(self.folder, candidate.parent)))
            inherit(network, parent, np.random.default_rng([self.seed, stream, 1]))
        result = train(network, self.dataset, self.config.dense(candidate), torch_generator)
        _curve_path(path).parent.mkdir(parents=True, exist_ok=True)
        _curve_path(path).write_text(json.dumps(result.curve))
        _write(path, network)  # Last: where there are weights, there is a curve.
        return network, result.curve

    def _pruned(self, candidate: Candidate, network: Network) -> Network:
        by_name = {pruner.name: pruner for pruner in self.pruners}
        for number, step in enumerate(candidate.pruning):
            network = by_name[step.method].prune(
                network,
                self.dataset,
                step.sparsity,
                self.config.fine_tuning(candidate),
                self._torch_generator(candidate.id, 2 + number),
            )
        return network

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
    return folder / "models" / f"{candidate_id}.safetensors"


def _search_weights_path(folder: Path, candidate_id: int) -> Path:
    return folder / "weights" / f"{candidate_id}.safetensors"


def _weights_path(folder: Path, candidate: Candidate) -> Path:
    """Where the dense weights of a candidate are kept."""
    if candidate.effort == "final":
        return folder / "weights" / f"final-{candidate.architecture.hash()}.safetensors"
    return _search_weights_path(folder, candidate.id)


def _curve_path(weights: Path) -> Path:
    return weights.with_suffix(".curve.json")


def _read_curve(weights: Path) -> tuple[float, ...]:
    return tuple(json.loads(_curve_path(weights).read_text()))


def _write(path: Path, content: Network | QuantizedModel) -> None:
    """Writes a file at once or not at all: a killed process leaves no half file behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    content.save(str(partial))
    partial.replace(path)
