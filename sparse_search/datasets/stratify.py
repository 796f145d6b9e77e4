"""Stratified splits: every class keeps its share in both parts."""

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .split import Labels

# The seed of every test split that a source does not have itself: it must never change.
TEST_SPLIT_SEED = 0


def stratified_split(
    labels: Labels, held_out: int | float, seed: int, where: object
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the rest and of the held-out part, each ascending.

    Args:
        labels: Class indices [n].
        held_out: Number of examples to hold out, or their fraction between 0 and 1.
        seed: From 0 to 2**32 - 1; the same seed gives the same split.
        where: What is split, for messages.

    Raises:
        DatasetError: A class is too small to be in both parts, or the size is impossible.
    """
    # Imported here: scikit-learn takes about a second to import.
    from sklearn.model_selection import train_test_split

    if not 0 <= seed < 2**32:
        raise DatasetError(f"expected a seed from 0 to 2**32 - 1, got {seed}; choose another")
    count = round(held_out * len(labels)) if isinstance(held_out, float) else held_out
    _, sizes = np.unique(labels, return_counts=True)
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
    return np.sort(rest), np.sort(held)
