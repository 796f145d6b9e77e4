"""train(network, dataset, config, generator): AdamW, one-cycle schedule, light augmentation.

One training runs on one thread: two processes with one thread each train more images per second
than one process with two. The same seed on the same machine gives the same weights.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .dataset import Dataset, Split
from .errors import TrainingDivergedError
from .network import Network, planes, to_float, to_input

_EVALUATION_BATCH = 1000
StepHook = Callable[[int, int], None]


@dataclass(frozen=True)
class Augmentation:
    """What is done to a training image at random.

    Attributes:
        shift_px: Largest shift along each axis; what enters the image is 0.
        flip: Whether images are mirrored left to right half of the time.
    """

    shift_px: int = 0
    flip: bool = False


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
        augmentation: What is done to training images.
    """

    epochs: int = 6
    batch_size: int = 128
    learning_rate: float = 0.03
    weight_decay: float = 1e-4
    warmup: float = 0.25
    label_smoothing: float = 0.0
    augmentation: Augmentation = Augmentation()

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


def default_augmentation(dataset: Dataset) -> Augmentation:
    """Shifts in proportion to the image; flips only where a mirrored image is the same class."""
    side = min(dataset.input_shape[:2])
    return Augmentation(shift_px=side // 16, flip=dataset.name.startswith("cifar"))


class Batches:
    """A split as torch tensors, cut into random, augmented batches."""

    def __init__(self, split: Split, augmentation: Augmentation) -> None:
        """Copies the images to [n, c, h, w] with a border as wide as the largest shift."""
        self._shift = augmentation.shift_px
        self._flip = augmentation.flip
        border = (self._shift, self._shift)
        padded = np.pad(split.images, ((0, 0), border, border, (0, 0)))
        self._images = planes(padded)
        self._labels = torch.tensor(split.labels)
        self._size = split.images.shape[1:3]

    def __len__(self) -> int:
        return len(self._labels)

    def draw(self, indices: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augmented images [n, c, h, w] in [0, 1] and labels [n] of the given rows."""
        count, (height, width) = len(indices), self._size
        if self._shift == 0:
            images = self._images[indices]
        else:
            start = torch.randint(0, 2 * self._shift + 1, (2, count, 1), generator=generator)
            rows = (start[0] + torch.arange(height))[:, None, :, None]
            columns = (start[1] + torch.arange(width))[:, None, None, :]
            channels = torch.arange(self._images.shape[1])[None, :, None, None]
            images = self._images[indices[:, None, None, None], channels, rows, columns]
        if self._flip:
            mirrored = torch.rand(count, generator=generator) < 0.5
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        return to_float(images), self._labels[indices]


def train(
    network: Network,
    dataset: Dataset,
    config: TrainingConfig,
    generator: torch.Generator,
    *,
    after_step: StepHook | None = None,
) -> TrainingResult:
    """Trains a network in place; masked weights stay zero.

    Args:
        network: Trained in place.
        dataset: The training split is learned from, the validation split measured on.
        config: How to train.
        generator: Source of the order of images and of the augmentation.
        after_step: Called with (step from 1, number of steps) after each optimizer step.

    Raises:
        TrainingDivergedError: The loss is not finite.
    """
    batches = Batches(dataset.train, config.augmentation)
    batch_size = min(config.batch_size, len(batches))
    total = max(1, config.epochs * ceil(len(batches) / batch_size))
    optimizer = torch.optim.AdamW(
        [p for p in network.parameters() if p.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: one_cycle(step / total, config.warmup)
    )
    curve: list[float] = []
    seconds, step = 0.0, 0
    for epoch in range(1, config.epochs + 1):
        network.train()
        started = time.perf_counter()
        loss_sum = torch.zeros(())
        for indices in _batch_indices(len(batches), batch_size, generator):
            images, labels = batches.draw(indices, generator)
            loss = functional.cross_entropy(
                network(images), labels, label_smoothing=config.label_smoothing
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            step += 1
            if after_step is not None:
                after_step(step, total)
            network.apply_masks()
            loss_sum += loss.detach()
        seconds += time.perf_counter() - started
        if not torch.isfinite(loss_sum):
            raise TrainingDivergedError(
                f"the loss became {loss_sum.item()} in epoch {epoch} of {config.epochs}; "
                f"a learning rate below {config.learning_rate} may help"
            )
        curve.append(error_rate(network, dataset.validation))
    network.eval()
    return TrainingResult(tuple(curve), config.epochs * len(batches) / max(seconds, 1e-9))


def _batch_indices(count: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows of each batch of an epoch; a last batch of one is left out: it has no variance."""
    order = torch.randperm(count, generator=generator)
    for start in range(0, count, batch_size):
        indices = order[start : start + batch_size]
        if len(indices) > 1 or count == 1:
            yield indices


def one_cycle(progress: float, warmup: float) -> float:
    """Learning rate as a fraction of its peak: linear warm-up, then a cosine to 0.

    >>> [round(one_cycle(p, 0.25), 3) for p in (0.0, 0.25, 1.0)]
    [0.04, 1.0, 0.0]
    """
    if progress < warmup:
        return 0.04 + 0.96 * progress / warmup
    return 0.5 * (1.0 + float(np.cos(np.pi * min(1.0, (progress - warmup) / (1.0 - warmup)))))


@torch.no_grad()
def error_rate(network: Network, split: Split) -> float:
    """Fraction of images whose largest logit is not their class."""
    network.eval()
    wrong = 0
    for start in range(0, len(split.labels), _EVALUATION_BATCH):
        logits = network(to_input(split.images[start : start + _EVALUATION_BATCH]))
        labels = torch.tensor(split.labels[start : start + _EVALUATION_BATCH])
        wrong += int((logits.argmax(1) != labels).sum())
    return wrong / len(split.labels)
