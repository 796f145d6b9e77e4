"""Dataset: images, labels and splits as a value; ``load_dataset`` finds it by name or path.

Pixels are uint8 [n, height, width, channels]. A network sees u / 255, a deployed model the int8
number u - 128. Search and selection work on ``train`` and ``validation``. The test split is a
separate thing that only reporting opens.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .datasets.pixels import PIXELS, InputMap, fit_input_map, to_pixels
from .datasets.reading import AS_IT_IS, ReadOptions
from .datasets.registry import default_data_dir, read_source
from .datasets.source import DEFAULT_VALIDATION_FRACTION, RawDataset
from .datasets.split import (
    Images,
    Split,
    check_class_count,
    check_counts,
    check_every_class,
    check_label_range,
    class_indices,
)
from .datasets.stratify import grouped_split, stratified_split
from .errors import DatasetError

__all__ = ["Dataset", "ReadOptions", "Split", "load_dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels for training and validation, and the way to the test split.

    A dataset may be handed to a worker process: what travels is the two splits (one copy at memory
    speed) and how to open the test split, not the test split itself.

    Attributes:
        name: Short, for tables and file names.
        source: What was given to ``load_dataset``, or "arrays".
        options: How it was read; with ``source``, what is needed to load the data again.
        class_names: In the order of the class indices.
        train: What networks learn from.
        validation: What search and selection measure on.
        input_map: The numbers of the source that became pixel 0 and pixel 255; (0, 255) where the
            source has pixels. ``to_pixels`` applies it.
        remarks: What a reader of the results must know, such as an unofficial split.
        test_opener: How ``open_test`` gets at the test split; None where there is none.
    """

    name: str
    source: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    input_map: InputMap = PIXELS
    options: ReadOptions = AS_IT_IS
    remarks: tuple[str, ...] = ()
    test_opener: Callable[[], Split] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._check(self.train, "training")
        self._check(self.validation, "validation")

    @staticmethod
    def from_arrays(
        images: ArrayLike,
        labels: ArrayLike,
        *,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        test: tuple[ArrayLike, ArrayLike] | None = None,
        validation_fraction: float = DEFAULT_VALIDATION_FRACTION,
        seed: int = 0,
        class_names: Sequence[str] | None = None,
        name: str = "arrays",
    ) -> "Dataset":
        """A dataset of arrays in memory.

        Args:
            images: [n, H, W, C], [n, H, W] or features [n, C]. uint8 are pixels as they are; other
                numbers are mapped to pixels by their range (``input_map``).
            labels: [n], integers from 0 or texts.
            validation: Images and labels; None: a stratified part of ``images`` is held out.
            test: Images and labels; None: ``open_test`` raises.
            validation_fraction: How much of ``images`` is held out.
            seed: Of the validation split.
            class_names: In the order of the class indices; None: taken from the labels.
            name: Short, for tables and file names.

        >>> dataset = Dataset.from_arrays(np.eye(12).reshape(12, 3, 4), [0, 1] * 6)
        >>> dataset.input_shape, len(dataset.train), len(dataset.validation)
        ((3, 4, 1), 10, 2)
        """
        values = np.asarray(images)
        input_map = fit_input_map(values, "training arrays")
        indices, names = class_indices(
            np.asarray(labels), tuple(class_names) if class_names else None, "training arrays"
        )

        coding = (names, input_map)
        raw = RawDataset(
            name=name,
            class_names=names,
            train=_convert((values, indices), *coding, "training arrays"),
            open_test=partial(_get, _convert(test, *coding, "test arrays")) if test else None,
            validation=_convert(validation, *coding, "validation arrays") if validation else None,
            input_map=input_map,
        )
        check_class_count(names, "training arrays")
        return _assemble(raw, "arrays", AS_IT_IS, seed, validation_fraction)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self.train.shape

    @property
    def class_count(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def open_test(self) -> Split:
        """Reads and checks the test split. For the final report only.

        Warning:
            Whatever is chosen after a look at the test split makes its error too optimistic: a
            candidate, a stopping point, a sparsity. Choose on ``validation``; open this once, when
            nothing is left to choose.

        Raises:
            DatasetError: There is none, or it is damaged.
        """
        if self.test_opener is None:
            raise DatasetError(
                f"{self.name}: expected a test split, found none; give one to Dataset.from_arrays"
            )
        split = self.test_opener()
        self._check(split, "test")
        return split

    def without_test(self) -> "Dataset":
        """The same data with no way to the test split: what a search should be given."""
        return replace(self, test_opener=None)

    def to_pixels(self, values: ArrayLike) -> Images:
        """Pixels [n, H, W, C] of new numbers of the source, by the map of this dataset.

        Args:
            values: [n, H, W, C], [n, H, W] or features [n, C].
        """
        return to_pixels(np.asarray(values), self.input_map, "values")

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the training and validation images, labels and split.

        Equal data gives equal digits on every machine. The test split is not looked at.
        """
        digest = hashlib.sha256()
        for split in (self.train, self.validation):
            digest.update(repr(split.images.shape).encode())
            digest.update(split.images.data)
            digest.update(np.ascontiguousarray(split.labels, dtype="<i8").data)
        return digest.hexdigest()[:12]

    def _check(self, split: Split, what: str) -> None:
        where = f"{self.name}, {what} split"
        if split.shape != self.train.shape:
            raise DatasetError(
                f"{where}: expected images of shape {self.train.shape} as in training, found "
                f"{split.shape}; prepare all splits in the same way"
            )
        check_label_range(split.labels, self.class_count, where)
        check_every_class(split.labels, self.class_names, where)


def load_dataset(
    source: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    validation_fraction: float | None = None,
    options: ReadOptions = AS_IT_IS,
) -> Dataset:
    """Reads a data set; downloads a published one where its files are not there.

    Args:
        source: A name, such as "digits" or "mnist" (``registry.source_names``); or a path, also
            relative to ``data_dir``, of a folder of images or an .npz or .csv file.
        data_dir: Folder with the files of published data sets, directly or in a subfolder, and
            where downloads go. Default: SPARSE_SEARCH_DATA_DIR, else the user's cache folder.
        seed: Of the validation split.
        validation_fraction: What part of the examples outside the test split is held out for
            validation. Default: 1/4 of digits, 1/6 of others.
        options: Size and colour of images, label column of a table.

    Raises:
        DatasetError: A file is damaged or has the wrong content, or an option is not for it.
        DatasetMissingError: A file is not there and could not be downloaded.
    """
    folder = Path(data_dir).expanduser() if data_dir is not None else default_data_dir()
    raw = read_source(source, folder, options)
    return _assemble(raw, os.fspath(source), options, seed, validation_fraction)


def load_recorded(
    recorded: Mapping[str, Any], *, data_dir: str | os.PathLike[str] | None = None, seed: int = 0
) -> Dataset:
    """The data set of a study or an export again, read in the same way.

    Args:
        recorded: "source" and "options" as settings and manifests have them.
        data_dir: As in ``load_dataset``.
        seed: Of the validation split.

    Raises:
        DatasetError: As ``load_dataset``.
    """
    options = ReadOptions.from_given(recorded.get("options", {}))
    return load_dataset(recorded["source"], data_dir=data_dir, seed=seed, options=options)


def _assemble(
    raw: RawDataset,
    source: str,
    options: ReadOptions,
    seed: int,
    validation_fraction: float | None,
) -> Dataset:
    """Cuts off the validation split where the source has none of its own."""
    train, validation = raw.train, raw.validation
    if validation is None:
        fraction = raw.validation_fraction if validation_fraction is None else validation_fraction
        if not 0.0 < fraction < 1.0:
            raise DatasetError(
                f"expected a validation fraction between 0 and 1, got {fraction}; 1/6 is usual"
            )
        if raw.groups is None:
            rest, held_out = stratified_split(train.labels, float(fraction), seed, raw.name)
        else:
            labels, groups = train.labels, raw.groups
            rest, held_out = grouped_split(labels, groups, float(fraction), seed, raw.name)
        train, validation = train.take(rest), train.take(held_out)
    return Dataset(
        name=raw.name,
        source=source,
        class_names=raw.class_names,
        train=train,
        validation=validation,
        input_map=raw.input_map,
        options=options,
        remarks=raw.remarks,
        test_opener=raw.open_test,
    )


def _convert(
    pair: tuple[ArrayLike, ArrayLike], class_names: tuple[str, ...], input_map: InputMap, what: str
) -> Split:
    values, labels = np.asarray(pair[0]), np.asarray(pair[1])
    check_counts(len(values), len(labels), what)
    indices, _ = class_indices(labels, class_names, what)
    return Split(to_pixels(values, input_map, what), indices)


def _get(split: Split) -> Split:
    return split
