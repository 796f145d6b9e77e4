"""Source and RawDataset: what a loader offers and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .pixels import PIXELS, InputMap
from .split import Split

# Holds out the validation split where the caller does not say: 10,000 of MNIST's 60,000.
DEFAULT_VALIDATION_FRACTION = 1 / 6


@dataclass(frozen=True, eq=False)
class RawDataset:
    """What a loader read. No validation split is cut off yet, unless the source has its own.

    Attributes:
        name: Short, for tables and file names.
        class_names: In the order of the class indices.
        train: Every example outside the test split (and outside ``validation``).
        open_test: Reads the test split; picklable. The loader has checked that the files are
            there and have the right form, and has looked at no label. None: there is no test split.
        validation: The source's own validation split; None: one is cut off ``train`` by seed.
        validation_fraction: How much is cut off where the caller does not say.
        input_map: The numbers of the source that became pixel 0 and pixel 255.
        groups: int [n] of ``train``: examples of one number, such as recordings of one speaker,
            stay together when a validation split is cut off. None: each is for itself.
        remarks: What a reader of the results must know, one sentence each.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    open_test: Callable[[], Split] | None
    validation: Split | None = None
    validation_fraction: float = DEFAULT_VALIDATION_FRACTION
    input_map: InputMap = PIXELS
    groups: NDArray[np.int64] | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """One thing that ``load_dataset`` understands.

    Attributes:
        name: What a person types; for sources given by path, what the path must be.
        load: Reads the data set. Gets the data folder; for sources given by path, that path; and
            ``ReadOptions`` as its second argument where there are ``options``.
        accepts: Whether a path is of this form; None for sources given by name.
        options: Names of the ``ReadOptions`` that may be given.
    """

    name: str
    load: Callable[..., RawDataset]
    accepts: Callable[[Path], bool] | None = None
    options: tuple[str, ...] = ()
