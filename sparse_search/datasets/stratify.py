"""Stratified splits: every class keeps its share in both parts, and is in both."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .split import Labels, check_class_count

# The seed of every test split that a source does not have itself: it must never change.
TEST_SPLIT_SEED = 0
# How much of data without a test split is held out for one.
TEST_FRACTION = 0.2


def stratified_split(
    labels: Labels, held_out: int | float, seed: int, where: object
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the rest and of the held-out part, each ascending.

    Args:
        labels: Class indices [n].
        held_out: Number of examples to hold out, or their fraction between 0 and 1; of a fraction
            that is less than one example a class, there is one of each.
        seed: From 0 to 2**32 - 1; the same seed gives the same split.
        where: What is split, for messages.

    Raises:
        DatasetError: A class is too small to be in both parts, or the size is impossible.
    """
    # Imported here: scikit-learn takes about a second to import.
    from sklearn.model_selection import train_test_split

    _check_seed(seed)
    _, sizes = np.unique(labels, return_counts=True)
    is_fraction = isinstance(held_out, float)
    count = max(round(held_out * len(labels)), len(sizes)) if is_fraction else int(held_out)
    if sizes.min() < 2 or count < len(sizes) or len(labels) - count < len(sizes):
        raise DatasetError(
            f"{where}: expected at least 2 examples of each class, and at least {len(sizes)} "
            f"examples (one of each class) on both sides of the split; found {sizes.min()} in the "
            f"smallest class and {len(labels) - count} + {count} examples; add examples, leave out "
            "the smallest classes, or change the fraction"
        )
    rest, held = train_test_split(
        np.arange(len(labels)), test_size=count, random_state=seed, stratify=labels
    )
    rest, held = _with_every_class(labels, np.sort(rest), np.sort(held))
    held, rest = _with_every_class(labels, held, rest)
    return rest, held


def _with_every_class(
    labels: Labels, rest: NDArray[np.intp], held: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Moves one example of each class that ``held`` lacks into it, and another class's out."""
    for missing in np.setdiff1d(labels, labels[held]):
        incoming = rest[labels[rest] == missing][0]
        classes, counts = np.unique(labels[held], return_counts=True)
        outgoing = held[labels[held] == classes[counts.argmax()]][0]
        rest = np.sort(np.append(rest[rest != incoming], outgoing))
        held = np.sort(np.append(held[held != outgoing], incoming))
    return rest, held


def grouped_split(
    labels: Labels, groups: NDArray[np.int64], held_out: float, seed: int, where: object
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The same, but all examples of a group are in the same part.

    Groups are looked at in random order, and one is held out if that brings the numbers of held-out
    examples by class nearer to their shares. The held-out part may be a little smaller or larger.

    Args:
        labels: Class indices [n].
        groups: Group of each example [n].
        held_out: Fraction of the examples of each class, between 0 and 1.
        seed: As in ``stratified_split``.
        where: What is split, for messages.

    Raises:
        DatasetError: The groups cannot be divided such that every class is in both parts.
    """
    _check_seed(seed)
    class_count = int(labels.max()) + 1
    names, members = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), class_count))
    np.add.at(counts, (members, labels), 1)
    missing = counts.sum(axis=0) * held_out
    chosen = np.zeros(len(names), dtype=bool)
    for group in np.random.default_rng(seed).permutation(len(names)):
        remaining = missing - counts[group]
        if np.abs(remaining).sum() < np.abs(missing).sum():
            missing, chosen[group] = remaining, True
    held_mask = chosen[members]
    for what, part in (("held-out", labels[held_mask]), ("other", labels[~held_mask])):
        absent = np.setdiff1d(labels, part)
        if len(absent):
            raise DatasetError(
                f"{where}: expected examples of every class on both sides of a split of "
                f"{len(names)} groups, found none of class {absent[0]} in the {what} part "
                f"({len(absent)} classes); add examples from other groups, or change the fraction"
            )
    return np.flatnonzero(~held_mask), np.flatnonzero(held_mask)


def check_class_sizes(
    labels: Labels, class_names: Sequence[str], where: object, splits: int = 3
) -> None:
    """Refuses classes of which not every split can have an example.

    Args:
        labels: Class indices [n].
        class_names: In the order of the class indices.
        where: Where the labels came from, for messages.
        splits: How many splits are made of the examples; 3 are training, validation and test.

    Raises:
        DatasetError: There are fewer than two classes, or a class is too small.
    """
    check_class_count(class_names, where)
    counts = np.bincount(labels, minlength=len(class_names))
    small = np.flatnonzero(counts < splits)
    if len(small):
        found = ", ".join(f"{counts[i]} of {class_names[i]!r}" for i in small[:5])
        raise DatasetError(
            f"{where}: expected at least {splits} examples of each class, one for each of "
            f"{splits} splits (training, validation, test); found {found}"
            f"{f' and of {len(small) - 5} classes more' if len(small) > 5 else ''}; add examples, "
            "or leave these classes out"
        )


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise DatasetError(f"expected a seed from 0 to 2**32 - 1, got {seed}; choose another")
