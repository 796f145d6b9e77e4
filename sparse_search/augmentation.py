"""Augmentation: how training images vary at random, so that none is learned by heart.

Notation, for one image:

    symbol   meaning                                               range
    a        angle of a rotation                                   +-rotate_degrees
    e        growth of both sides                                  1 / (1 + scale) .. 1 + scale
    r        growth of the width, and 1 / r that of the height     1 / (1 + stretch) .. 1 + stretch
    k        columns by which neighbouring rows are moved apart    +-shear
    g, b     gain and offset of pixels between 0 and 1             1 +- contrast, +-contrast / 2
    p        place in the new image, from its centre               (column, row)
    A p      where the pixel of p lies in the old image

    A = rotation(a) [[1, k], [0, 1]] diag(1 / r, r) / e
    new pixel = clamp(g (pixel - 1/2) + 1/2 + b)
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from .dataset import Dataset
from .errors import StudyError


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is done to a training image at random; nothing by default.

    Attributes:
        shift_px: Largest shift along each axis; what enters the image is 0.
        flip: Whether images are mirrored left to right half of the time.
        rotate_degrees: Largest rotation, in either direction.
        scale: Largest relative growth; images shrink by the same factor.
        stretch: The same of the width alone, while the height does the opposite.
        shear: Largest slant: columns by which neighbouring rows are moved apart.
        contrast: Largest relative change of the contrast, at most 1; half of it is that of the
            brightness.
        negative: Whether dark and light are exchanged half of the time.
        recolour: Whether the channels are put in random order.
    """

    shift_px: int = 0
    flip: bool = False
    rotate_degrees: float = 0.0
    scale: float = 0.0
    stretch: float = 0.0
    shear: float = 0.0
    contrast: float = 0.0
    negative: bool = False
    recolour: bool = False

    def __post_init__(self) -> None:
        sizes = [float(getattr(self, f.name)) for f in fields(self)]
        if not all(0.0 <= size < math.inf for size in sizes) or self.contrast > 1.0:
            raise StudyError(f"expected sizes from 0, and a contrast of at most 1, got {self.text}")

    @property
    def text(self) -> str:
        """As ``parse_augmentation`` reads it.

        >>> Augmentation(2, rotate_degrees=7.5, negative=True).text
        'shift 2, rotate 7.5, negative'
        """
        found = ((word, getattr(self, name)) for word, name in _FIELDS.items())
        words = [word if value is True else f"{word} {value:g}" for word, value in found if value]
        return ", ".join(words) or "none"

    def draw(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Everything but shifts and flips, which ``Batches`` does while images are bytes.

        Args:
            images: [n, c, h, w] in [0, 1].
            generator: Of the processor.

        Returns:
            The same shape and range.
        """
        count, channels = images.shape[:2]
        if self.rotate_degrees or self.scale or self.stretch or self.shear:
            images = _resampled(images, self._transforms(count, generator))
        if self.recolour and channels > 1:
            order = torch.rand(count, channels, generator=generator).argsort(1)
            images = images.gather(1, order[:, :, None, None].expand_as(images))
        if self.negative:
            inverted = torch.rand(count, generator=generator) < 0.5
            images = torch.where(inverted[:, None, None, None], 1.0 - images, images)
        if self.contrast:
            gain, offset = self.contrast * _spread((2, count, 1, 1, 1), generator)
            images = ((images - 0.5) * (1.0 + gain) + (0.5 + offset / 2)).clamp(0.0, 1.0)
        return images

    def _transforms(self, count: int, generator: torch.Generator) -> Tensor:
        """A of each image, [n, 2, 2]."""
        angle, growth, proportion, slant = _spread((4, count), generator)
        angle = math.radians(self.rotate_degrees) * angle
        cos, sin = angle.cos(), angle.sin()
        rotation = torch.stack([cos, -sin, sin, cos], 1).reshape(-1, 2, 2)
        shear = torch.eye(2).repeat(count, 1, 1)
        shear[:, 0, 1] = self.shear * slant
        width = (1.0 + self.stretch) ** proportion
        shrinking = torch.stack([1.0 / width, width], 1) / ((1.0 + self.scale) ** growth)[:, None]
        transforms: Tensor = rotation @ shear * shrinking[:, None, :]
        return transforms


_FIELDS: Final = {f.name.partition("_")[0]: f.name for f in fields(Augmentation)}
"""By the word that stands for them in texts."""


def default_augmentation(dataset: Dataset) -> Augmentation:
    """Shifts in proportion to the image; flips only where a mirrored image is the same class."""
    side = min(dataset.input_shape[:2])
    return Augmentation(shift_px=side // 16, flip=dataset.name.startswith("cifar"))


def parse_augmentation(text: str) -> Augmentation:
    """Reads an augmentation such as "shift 2, rotate 10, negative", or "none".

    Raises:
        StudyError: A word is unknown, or its size is missing or makes no sense.

    >>> parse_augmentation("rotate 10, flip")
    Augmentation(shift_px=0, flip=True, rotate_degrees=10.0, scale=0.0, stretch=0.0, shear=0.0, \
contrast=0.0, negative=False, recolour=False)
    """
    found = Augmentation()
    for part in () if text.strip() == "none" else text.split(","):
        word, *size = part.split() or [""]
        if word not in _FIELDS:
            raise StudyError(
                f'expected an augmentation such as "shift 2, rotate 10, negative", of '
                f"{', '.join(_FIELDS)}, or none; got {part.strip()!r}"
            )
        kind = type(getattr(found, _FIELDS[word]))
        try:
            if len(size) != (kind is not bool):
                raise ValueError
            value = kind(*size) if size else True
        except ValueError:
            example = {bool: word, int: f"{word} 2", float: f"{word} 0.1"}[kind]
            raise StudyError(f'expected "{example}", got {part.strip()!r}') from None
        found = replace(found, **{_FIELDS[word]: value})
    return found


def _spread(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Numbers in [-1, 1)."""
    return 2.0 * torch.rand(shape, generator=generator) - 1.0


def _resampled(images: Tensor, transforms: Tensor) -> Tensor:
    """Images of the same shape whose pixels lie elsewhere in the old ones, between pixels, too.

    Args:
        images: [n, c, h, w]; beyond their border is what is at the border.
        transforms: [n, 2, 2], A.
    """
    height, width = images.shape[2:]
    # affine_grid measures in halves of an image.
    half = torch.tensor([width / 2, height / 2])
    matrices = functional.pad(transforms * half / half[:, None], (0, 1))
    grid = functional.affine_grid(matrices, list(images.shape), align_corners=False)
    # Channel by channel it is twice as fast; a network wants the channels of a pixel together.
    found = functional.grid_sample(
        images.contiguous(), grid, padding_mode="border", align_corners=False
    )
    return found.contiguous(memory_format=torch.channels_last)
