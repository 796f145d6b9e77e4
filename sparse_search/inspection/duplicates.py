"""Images that are in two splits, exactly or nearly: leaks, which make an error too optimistic.

| symbol | meaning | shape |
|---|---|---|
| x | pixels of an image, as real numbers | [p] |
| u | x without its mean, of length 1: u·u' is the correlation of two images | [p] |
| v | the same of at most 4096 of the pixels, drawn once for all images | [q] |
| P | random projection, normal of variance 1/d: distances change by about 1/sqrt(d) | [q, d] |

Two images are near duplicates if the correlation of their pixels is at least 0.99. For each image
of one split the nearest one of the other is found among the projections v P, and then compared in
full. Images that are flat have no correlation, and of those with fewer than 64 numbers it says
little: there only exact duplicates are found.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..dataset import Split

NEAR_CORRELATION = 0.99
_FEWEST_NUMBERS = 64
_DRAWN = 4096
_PROJECTED = 128
_CHUNK = 512
# Some ten seconds; beyond it, images of the later split are left out at equal distances.
_MOST_PAIRS = 2_000_000_000


@dataclass(frozen=True)
class Leak:
    """What two splits have in common.

    Attributes:
        first: Name of a split.
        second: Name of a later one.
        exact: Images of ``second`` that are in ``first`` as well, byte for byte.
        near: Images of ``second`` with a near duplicate in ``first``, exact ones not counted; None
            where they are not looked for.
        compared: Images of ``second`` that were looked at for near duplicates.
        examples: Some of these pairs, as they are called in ``first`` and in ``second``.
    """

    first: str
    second: str
    exact: int
    near: int | None
    compared: int
    examples: tuple[tuple[str, str], ...]


def find_leaks(splits: Mapping[str, Split], most_examples: int = 3) -> tuple[Leak, ...]:
    """The common images of each two splits, in the order of the splits."""
    digests = {name: _digests(split) for name, split in splits.items()}
    unit = {name: _Normalized.of(split) for name, split in splits.items()}
    leaks = []
    for first, second in combinations(splits, 2):
        places = {digest: index for index, digest in enumerate(digests[first])}
        pairs = [(places[d], i) for i, d in enumerate(digests[second]) if d in places]
        exact, near, compared = len(pairs), None, 0
        if unit[first].usable and unit[second].usable:
            known = {index for _, index in pairs}
            rest = np.array([i for i in range(len(splits[second])) if i not in known], np.intp)
            most = max(1, _MOST_PAIRS // len(splits[first]))
            rest = rest[:: max(1, -(-len(rest) // most))]
            found = _near(unit[first], unit[second], rest)
            pairs, near, compared = pairs + found, len(found), len(rest)
        examples = tuple(
            (image_name(splits[first], i), image_name(splits[second], j))
            for i, j in pairs[:most_examples]
        )
        leaks.append(Leak(first, second, exact, near, compared, examples))
    return tuple(leaks)


def find_conflicts(splits: Mapping[str, Split]) -> tuple[Mapping[int, str], ...]:
    """Images that are there under more than one class, in whatever splits.

    Returns:
        For each different image what it is called, by class index.
    """
    names: dict[bytes, dict[int, str]] = {}
    for split in splits.values():
        for index, (digest, label) in enumerate(
            zip(_digests(split), split.labels.tolist(), strict=True)
        ):
            names.setdefault(digest, {}).setdefault(label, image_name(split, index))
    return tuple(found for found in names.values() if len(found) > 1)


def image_name(split: Split, index: int) -> str:
    """Where an image came from, or its place in the split."""
    return split.names[index] if split.names else f"image {index}"


def _digests(split: Split) -> list[bytes]:
    return [hashlib.blake2b(image.data, digest_size=16).digest() for image in split.images]


@dataclass(frozen=True, eq=False)
class _Normalized:
    """Projections of normalized images.

    Attributes:
        split: The images.
        projected: float32 [n, d]; zero for flat images.
    """

    split: Split
    projected: NDArray[np.float32]

    @staticmethod
    def of(split: Split) -> "_Normalized":
        numbers = int(np.prod(split.shape))
        if numbers < _FEWEST_NUMBERS:
            return _Normalized(split, np.zeros((0, 0), np.float32))
        generator = np.random.default_rng(0)
        drawn = np.sort(generator.permutation(numbers)[:_DRAWN])
        projection = generator.standard_normal((len(drawn), _PROJECTED), np.float32)
        projection /= np.sqrt(np.float32(_PROJECTED))
        rows = split.images.reshape(len(split), -1)
        parts = [
            _unit(rows[start : start + _CHUNK, drawn]) @ projection
            for start in range(0, len(split), _CHUNK)
        ]
        return _Normalized(split, np.concatenate(parts))

    @property
    def usable(self) -> bool:
        return len(self.projected) > 0


def _near(
    first: _Normalized, second: _Normalized, indices: NDArray[np.intp]
) -> list[tuple[int, int]]:
    """Pairs of an image of ``first`` and its near duplicate among ``indices`` of ``second``."""
    lengths = (first.projected**2).sum(axis=1)
    pairs = []
    for start in range(0, len(indices), _CHUNK):
        chunk = indices[start : start + _CHUNK]
        # Squared distances but for the length of the second, which is the same in a row.
        nearest = (lengths - 2.0 * second.projected[chunk] @ first.projected.T).argmin(axis=1)
        ours, theirs = _unit(first.split.images[nearest]), _unit(second.split.images[chunk])
        correlations = (ours * theirs).sum(axis=1)
        for place in np.flatnonzero(correlations >= NEAR_CORRELATION):
            pairs.append((int(nearest[place]), int(chunk[place])))
    return pairs


def _unit(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images [n, ...] as rows [n, p] without their mean, of length 1; flat ones stay zero."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    lengths = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    # What is left of a flat image are rounding errors.
    rows /= np.where(lengths > 1.0, lengths, np.float32(np.inf))
    return rows
