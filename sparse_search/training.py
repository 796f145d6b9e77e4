"""train(network, dataset, config, generator): AdamW, one-cycle schedule, light augmentation.

One training runs on one thread: two processes with one thread each train more images per second
than one process with two. The same seed on the same machine gives the same weights.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .allocator import keep_freed_memory
from .augmentation import Augmentation
from .batches import Batches
from .checkpoint import TrainingState, clone, generator_state
from .dataset import Dataset, Split
from .errors import StudyError, TrainingDivergedError
from .network import Dropout, Noise, to_input
from .optimizer import AdamW
from .workers import Device

__all__ = [
    "Augmentation",
    "Batches",
    "Criterion",
    "Progress",
    "TrainingConfig",
    "TrainingResult",
    "check_device",
    "cross_entropy",
    "error_rate",
    "one_cycle",
    "train",
]

# As many maps of a small network fit into the cache of a processor.
_EVALUATION_BATCH = 250


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Attributes:
        epochs: Passes over the training split.
        batch_size: Images in a step.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Decoupled weight decay of AdamW.
        warmup: Fraction of the steps in which the learning rate rises.
        label_smoothing: Of the cross-entropy, in [0, 1).
        dropout: Fraction of the inputs of the first fully connected operator that a step leaves
            out, in [0, 1).
        clip_norm: Largest norm of a gradient; None for any.
        augmentation: What is done to training images.
        device: Where the network is while it is trained. Before and after, and wherever else
            something is computed, that is the processor.
    """

    epochs: int = 6
    batch_size: int = 128
    learning_rate: float = 0.03
    weight_decay: float = 1e-4
    warmup: float = 0.25
    label_smoothing: float = 0.0
    dropout: float = 0.0
    clip_norm: float | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    device: Device = "cpu"

    def with_epochs(self, epochs: int) -> "TrainingConfig":
        """The same with another number of epochs."""
        return replace(self, epochs=epochs)

    def with_learning_rate(self, learning_rate: float) -> "TrainingConfig":
        """The same with another peak learning rate."""
        return replace(self, learning_rate=learning_rate)


@dataclass(frozen=True)
class TrainingResult:
    """What a training gave; the weights are in the network.

    Attributes:
        curve: Validation error (fraction) of the float network after each epoch.
        images_per_second: Training images, evaluation not counted.
    """

    curve: tuple[float, ...]
    images_per_second: float


@dataclass(frozen=True)
class Progress:
    """Where a training stands after an epoch.

    Attributes:
        epochs: Of the whole training.
        curve: Validation error (fraction) after each epoch so far.
        state: Copies what is needed to go on from here.
    """

    epochs: int
    curve: tuple[float, ...]
    state: Callable[[], TrainingState]


class Trainable(Protocol):
    """What can be trained: a ``Network``, or another rendering of one; a ``torch.nn.Module``."""

    def __call__(
        self, images: Tensor, dropout: Dropout | None = None, noise: Noise | None = None, /
    ) -> Any:
        """Logits [n, classes] of images [n, c, h, w] in [0, 1]; see ``Network.forward``."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """What is learned, and what has ``requires_grad`` unset and is not."""
        ...

    def apply_masks(self) -> None:
        """Sets every pruned weight to zero."""
        ...

    def train(self) -> Any:
        """Switches to training."""
        ...

    def eval(self) -> Any:
        """Switches to evaluation."""
        ...

    def to(self, device: str) -> Any:
        """Moves everything to a device."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """What a training changes, by name."""
        ...

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> Any:
        """Takes over what ``state_dict`` gave."""
        ...


StepHook = Callable[[int, int], None]
Criterion = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Mean loss of a batch from (logits [n, classes], images [n, c, h, w], labels [n])."""
EpochHook = Callable[[Progress], bool]


def check_device(device: str) -> None:
    """Makes sure that networks can be trained on a device.

    Raises:
        StudyError: They cannot; says what to do.
    """
    if device not in get_args(Device):
        raise StudyError(f"expected a device among {', '.join(get_args(Device))}, got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        why = "its driver finds none" if torch.version.cuda else "this torch is built without CUDA"
        raise StudyError(
            f"expected a GPU for device='cuda', found none ({why}); install a torch with CUDA and "
            "the driver of the GPU, or use device='cpu'"
        )


def train(
    network: Trainable,
    dataset: Dataset,
    config: TrainingConfig,
    generator: torch.Generator,
    *,
    after_step: StepHook | None = None,
    after_epoch: EpochHook | None = None,
    resume: TrainingState | None = None,
    criterion: Criterion | None = None,
    noise: Noise | None = None,
) -> TrainingResult:
    """Trains a network in place; masked weights stay zero.

    Args:
        network: Trained in place.
        dataset: The training split is learned from, the validation split measured on.
        config: How to train.
        generator: Source of the order of images, of the augmentation and of dropout; of the
            processor, whatever the device.
        after_step: Called with (step from 1, number of steps) after each optimizer step.
        after_epoch: Called after each epoch but the last one; a False ends the training there.
        resume: Goes on from here, and gives what a training without an interruption gives. What
            ``noise`` has learned is not part of it.
        criterion: What is minimised; None for the cross-entropy with ``label_smoothing``.
        noise: Learned beside the weights.

    Raises:
        TrainingDivergedError: The loss is not finite.
    """
    keep_freed_memory()
    network.to(config.device)
    if resume is not None:
        network.load_state_dict(resume.network)
        generator.set_state(resume.generator)
    batches = Batches(dataset.train, config.augmentation)
    criterion = criterion or cross_entropy(config.label_smoothing)
    training = _Training(network, batches, config, generator, after_step, criterion, noise)
    curve: list[float] = []
    if resume is not None:
        training.optimizer.load_state(resume.optimizer)
        curve.extend(resume.curve)

    def state() -> TrainingState:
        return TrainingState(
            clone(network.state_dict()),
            training.optimizer.state(),
            generator_state(generator),
            tuple(curve),
        )

    first, seconds = len(curve), 0.0
    for epoch in range(first, config.epochs):
        started = time.perf_counter()
        training.run_epoch(epoch)
        seconds += time.perf_counter() - started
        curve.append(error_rate(network, dataset.validation))
        if after_epoch is None or len(curve) == config.epochs:
            continue
        if not after_epoch(Progress(config.epochs, tuple(curve), state)):
            break
    training.release()
    network.to("cpu").eval()
    images = (len(curve) - first) * len(batches)
    return TrainingResult(tuple(curve), images / max(seconds, 1e-9))


class _Training:
    """What one step does."""

    def __init__(
        self,
        network: Trainable,
        batches: Batches,
        config: TrainingConfig,
        generator: torch.Generator,
        after_step: StepHook | None,
        criterion: Criterion,
        noise: Noise | None,
    ) -> None:
        self.network = network
        self.batches = batches
        self.config = config
        self.generator = generator
        self.after_step = after_step
        self.batch_size = min(config.batch_size, len(batches))
        self.steps_per_epoch = batches.count(self.batch_size)
        parameters = (p for p in network.parameters() if p.requires_grad)
        self.optimizer = AdamW(parameters, config.weight_decay, config.clip_norm)
        self.dropout = _dropout(config.dropout, generator) if config.dropout > 0 else None
        self.criterion = criterion
        self.noise = noise
        self.noise_parameters = [] if noise is None else list(noise.parameters())
        self.noise_optimizer = _noise_optimizer(self.noise_parameters, config.device)

    def run_epoch(self, epoch: int) -> None:
        """Trains on every image once; ``epoch`` counts from 0."""
        self.network.train()
        total = self.config.epochs * self.steps_per_epoch
        loss_sum = torch.zeros((), device=self.config.device)
        batches = self.batches.epoch(self.batch_size, self.generator)
        for step, (images, labels) in enumerate(batches, start=epoch * self.steps_per_epoch):
            self.optimizer.zero_gradient()
            images, labels = images.to(self.config.device), labels.to(self.config.device)
            logits = self.network(images, self.dropout, self.noise)
            loss = self.criterion(logits, images, labels)
            rate = one_cycle(step / total, self.config.warmup)
            if self.noise is not None:
                if self.noise_optimizer is not None:
                    self.noise_optimizer.zero_gradient()
                loss = loss + self.noise.penalty(step / total)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step(self.config.learning_rate * rate)
            if self.noise is not None and self.noise_optimizer is not None:
                self.noise_optimizer.step(self.noise.learning_rate * rate)
            if self.after_step is not None:
                self.after_step(step + 1, total)
            self.network.apply_masks()
            loss_sum += loss.detach()
        if not torch.isfinite(loss_sum):
            raise TrainingDivergedError(
                f"the loss became {loss_sum.item()} in epoch {epoch + 1} of "
                f"{self.config.epochs}; a learning rate below {self.config.learning_rate} may help"
            )

    def release(self) -> None:
        """Gives every parameter memory of its own again."""
        self.optimizer.release()
        if self.noise_optimizer is not None:
            self.noise_optimizer.release()
        for parameter in self.noise_parameters:
            parameter.data = parameter.detach().cpu()


def cross_entropy(label_smoothing: float = 0.0) -> Criterion:
    """The criterion of labels alone; smoothing in [0, 1)."""

    def loss(logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, label_smoothing=label_smoothing)

    return loss


def _noise_optimizer(parameters: list[nn.Parameter], device: Device) -> AdamW | None:
    for parameter in parameters:
        parameter.data = parameter.detach().to(device)
    return AdamW(parameters, weight_decay=0.0, clip_norm=None) if parameters else None


def _dropout(fraction: float, generator: torch.Generator) -> Dropout:
    """Zeroes numbers at random and scales the others up, so that sums keep their mean."""

    def drop(x: Tensor) -> Tensor:
        kept = torch.empty(x.shape).bernoulli_(1.0 - fraction, generator=generator)
        return x * kept.div_(1.0 - fraction).to(x.device)

    return drop


def one_cycle(progress: float, warmup: float) -> float:
    """Learning rate as a fraction of its peak: linear warm-up, then a cosine to 0.

    >>> [round(one_cycle(p, 0.25), 3) for p in (0.0, 0.25, 1.0)]
    [0.04, 1.0, 0.0]
    """
    if progress < warmup:
        return 0.04 + 0.96 * progress / warmup
    return 0.5 * (1.0 + float(np.cos(np.pi * min(1.0, (progress - warmup) / (1.0 - warmup)))))


@torch.no_grad()
def error_rate(network: Trainable, split: Split) -> float:
    """Fraction of images whose largest logit is not their class."""
    network.eval()
    device = next(network.parameters()).device
    wrong = torch.zeros((), dtype=torch.int64, device=device)
    for start in range(0, len(split.labels), _EVALUATION_BATCH):
        images = to_input(split.images[start : start + _EVALUATION_BATCH]).to(device)
        labels = torch.tensor(split.labels[start : start + _EVALUATION_BATCH]).to(device)
        wrong += (network(images).argmax(1) != labels).sum()
    return int(wrong) / len(split.labels)
