"""Figures of single splits: balance, outliers, pixels and images that say nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..dataset import Split
from .duplicates import image_name

OUTLIER_SCORE = 6.0
"""From where on an image is an outlier: median absolute deviations, scaled to a normal's sigma."""
_MAD_TO_SIGMA = 1.4826
_FEWEST_IMAGES = 10
_CHUNK = 512


@dataclass(frozen=True)
class Outlier:
    """An image that is unlike the others of its class.

    Attributes:
        split: Name of its split.
        image: What it is called there.
        label: Its class index.
        score: How far it is from the mean image of its class, see ``find_outliers``.
    """

    split: str
    image: str
    label: int
    score: float


def class_counts(splits: Mapping[str, Split], class_count: int) -> NDArray[np.int64]:
    """Images of each class in each split: [class, split]."""
    counts = [np.bincount(split.labels, minlength=class_count) for split in splits.values()]
    return np.stack(counts, axis=1).astype(np.int64)


def find_outliers(splits: Mapping[str, Split]) -> tuple[Outlier, ...]:
    """Images far from the mean image of their class, the farthest first.

    With d the root mean square distance of an image to the mean of its class and split, the score
    is (d - median d) / (1.4826 median |d - median d|); 6 and more is an outlier. Classes of fewer
    than 10 images in a split have no score.
    """
    found = []
    for name, split in splits.items():
        for label in np.unique(split.labels):
            members = np.flatnonzero(split.labels == label)
            if len(members) < _FEWEST_IMAGES:
                continue
            scores = _scores(split.images, members)
            for place in np.flatnonzero(scores >= OUTLIER_SCORE):
                image = image_name(split, int(members[place]))
                found.append(Outlier(name, image, int(label), float(scores[place])))
    return tuple(sorted(found, key=lambda outlier: -outlier.score))


def constant_pixels(split: Split) -> int:
    """How many of the numbers of an image are the same in all images."""
    images = split.images
    return int((images.min(axis=0) == images.max(axis=0)).sum())


def flat_images(splits: Mapping[str, Split]) -> tuple[str, ...]:
    """Images of which each channel has one value everywhere, where they have more than a pixel."""
    found = []
    for split in splits.values():
        height, width, _ = split.shape
        if height * width == 1:
            continue
        flat = (split.images.min(axis=(1, 2)) == split.images.max(axis=(1, 2))).all(axis=1)
        found += [image_name(split, int(index)) for index in np.flatnonzero(flat)]
    return tuple(found)


def has_equal_channels(split: Split) -> bool:
    """Whether colour images are grey in truth."""
    images = split.images
    return split.shape[2] == 3 and bool((images == images[..., :1]).all())


def _scores(images: NDArray[np.uint8], members: NDArray[np.intp]) -> NDArray[np.float64]:
    mean = np.zeros(images.shape[1:], np.float64)
    for start in range(0, len(members), _CHUNK):
        mean += images[members[start : start + _CHUNK]].sum(axis=0, dtype=np.float64)
    mean /= len(members)
    squares = [
        ((images[members[start : start + _CHUNK]] - mean) ** 2).mean(axis=(1, 2, 3))
        for start in range(0, len(members), _CHUNK)
    ]
    distances = np.sqrt(np.concatenate(squares))
    middle = np.median(distances)
    spread = _MAD_TO_SIGMA * float(np.median(np.abs(distances - middle)))
    if spread == 0.0:
        return np.zeros(len(members))
    scores: NDArray[np.float64] = (distances - middle) / spread
    return scores
