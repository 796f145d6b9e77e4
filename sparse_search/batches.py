"""Batches: a training split cut into random, augmented batches.

Images stay bytes, and lie in memory as (image, row, column, channel), until they are in a batch:
so a shifted image is a few short copies out of its padded original.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from .augmentation import Augmentation
from .dataset import Split
from .network import channels_last, to_float


def batch_count(images: int, batch_size: int) -> int:
    """Batches of an epoch; a last one of a single image is left out.

    >>> batch_count(64, 32), batch_count(65, 32), batch_count(66, 32), batch_count(1, 32)
    (2, 2, 3, 1)
    """
    full, rest = divmod(images, batch_size)
    return max(1, full + (rest > 1))


class Batches:
    """A split as random, augmented batches."""

    def __init__(self, split: Split, augmentation: Augmentation) -> None:
        """Copies the images with a border as wide as the largest shift."""
        self._augmentation = augmentation
        self._starts = 2 * augmentation.shift_px + 1
        border = (augmentation.shift_px, augmentation.shift_px)
        padded = np.ascontiguousarray(np.pad(split.images, ((0, 0), border, border, (0, 0))))
        self._labels = torch.tensor(split.labels)
        count, self._height, self._width, self._channels = split.images.shape
        image, row = (padded.strides[0], padded.strides[1])
        # Every window of every image, [n, start row, start column, h, w * c], without a copy: the
        # last two axes of a batch are copied row by row.
        self._windows = np.lib.stride_tricks.as_strided(
            padded,
            (count, self._starts, self._starts, self._height, self._width * self._channels),
            (image, row, self._channels, row, 1),
            writeable=False,
        )

    def __len__(self) -> int:
        return len(self._labels)

    def count(self, batch_size: int) -> int:
        """Batches of an epoch."""
        return batch_count(len(self), batch_size)

    def epoch(self, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Every image once, in random order; a last batch of one is left out: no variance."""
        order = torch.randperm(len(self), generator=generator)
        for number in range(self.count(batch_size)):
            start = number * batch_size
            yield self.draw(order[start : start + batch_size], generator)

    def draw(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augmented images [n, c, h, w] in [0, 1] and labels [n] of the given rows."""
        count = len(rows)
        if self._starts == 1:
            windows = self._windows[rows.numpy(), 0, 0]
        else:
            start = torch.randint(0, self._starts, (2, count), generator=generator).numpy()
            windows = self._windows[rows.numpy(), start[0], start[1]]
        images = channels_last(windows.reshape(count, self._height, self._width, self._channels))
        if self._augmentation.flip:
            mirrored = torch.rand(count, generator=generator) < 0.5
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        return self._augmentation.draw(to_float(images), generator), self._labels[rows]
