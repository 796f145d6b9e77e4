"""Text files of labels and features, train.txt and test.txt, as Bonsai and ProtoNN read them.

A line is an example, its label first. Two forms are told apart by the first line:

| form | line |
|---|---|
| libsvm | label index:value index:value ...; indices from 1, what is left out is 0 |
| columns | label value value ..., with tabs, spaces or commas between them |

| name | files in the data folder | features |
|---|---|---|
| curet-features | curet-features/train.txt, test.txt: 4204 + 1403 textures of 61 classes | 610 |
| cifar10-binary-b | cifar10-binary-b/train.txt, test.txt: 50000 + 10000, 2 classes | 20 x 20 |

The latter is variant (b) of CIFAR10-binary in the literature: the grey images of the Bonsai paper
(ICML 2017). Features of textures have each their own map to pixels, grey levels a common one.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .pixels import InputMap, fit_column_map, fit_input_map, to_pixels
from .published import find_published
from .source import RawDataset, Source
from .split import Split, check_every_class, class_indices

TRAIN_FILE, TEST_FILE = "train.txt", "test.txt"


@dataclass(frozen=True)
class FeatureRelease:
    """A published pair of files.

    Attributes:
        name: Of the data set, and of its folder.
        shape: (height, width, channels) of an example; (1, 1, n) are features.
        class_count: Number of classes.
        counts: Examples of training and test as they were published.
    """

    name: str
    shape: tuple[int, int, int]
    class_count: int
    counts: tuple[int, int]


CURET_FEATURES = FeatureRelease("curet-features", (1, 1, 610), 61, (4204, 1403))
CIFAR10_BINARY_B = FeatureRelease("cifar10-binary-b", (20, 20, 1), 2, (50_000, 10_000))


def load_release(release: FeatureRelease, data_dir: Path) -> RawDataset:
    """Reads a published pair of files.

    Raises:
        DatasetError: A file is damaged, or belongs to something else.
        DatasetMissingError: The folder is not there.
    """
    what = (
        f"a folder with {TRAIN_FILE} and {TEST_FILE}, labels and {np.prod(release.shape)} features"
    )
    folder = find_published(data_dir, (release.name,), what)
    raw = load_folder(folder, release.shape, release.name)
    if len(raw.class_names) != release.class_count:
        raise DatasetError(
            f"{folder / TRAIN_FILE}: expected {release.class_count} classes, found "
            f"{len(raw.class_names)}; it is of another data set"
        )
    return raw


def load_folder(
    folder: Path, shape: tuple[int, int, int] | None = None, name: str | None = None
) -> RawDataset:
    """Reads any folder with a train.txt and a test.txt.

    Args:
        folder: Has the two files.
        shape: Of an example; None for features, as many as there are.
        name: Of the data set; None for that of the folder.

    Raises:
        DatasetError: A file is damaged, or does not have this shape.
    """
    file = folder / TRAIN_FILE
    labels, values = _read(file, None if shape is None else int(np.prod(shape)))
    shape = shape or (1, 1, values.shape[1])
    indices, class_names = class_indices(labels, _names(labels), file)
    is_image = shape[:2] != (1, 1)
    input_map = (fit_input_map if is_image else fit_column_map)(values, file)
    _read(folder / TEST_FILE, values.shape[1], rows=1)
    return RawDataset(
        name=name or folder.resolve().name,
        class_names=class_names,
        train=_split(values, indices, shape, input_map, file),
        open_test=partial(_open_test, folder / TEST_FILE, shape, class_names, input_map),
        input_map=input_map,
    )


def _open_test(
    file: Path, shape: tuple[int, int, int], class_names: tuple[str, ...], input_map: InputMap
) -> Split:
    labels, values = _read(file, int(np.prod(shape)))
    indices, _ = class_indices(labels, class_names, file)
    check_every_class(indices, class_names, file)
    return _split(values, indices, shape, input_map, file)


def _split(
    values: NDArray[Any],
    labels: NDArray[np.int64],
    shape: tuple[int, int, int],
    input_map: InputMap,
    file: Path,
) -> Split:
    return Split(to_pixels(values, input_map, file).reshape(-1, *shape), labels)


def _read(
    file: Path, count: int | None, rows: int | None = None
) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Labels as texts [n] and features [n, count]."""
    try:
        with file.open(encoding="utf-8") as stream:
            first = stream.readline()
        table = _read_libsvm(file, count) if ":" in first else _read_columns(file, first, rows)
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{file}: expected lines of a label and features, as in '1 1:0.5 2:0.25' or "
            f"'1 0.5 0.25', found: {str(error).strip()}; fetch the file again"
        ) from None
    labels, values = table
    if count is not None and values.shape[1] != count:
        raise DatasetError(
            f"{file}: expected {count} features, found {values.shape[1]}; it is of another data "
            "set, or the splits were not prepared in the same way"
        )
    if not (labels % 1 == 0).all():
        raise DatasetError(
            f"{file}: expected a whole number first in each line, the class, found "
            f"{labels[labels % 1 != 0][0]:g}; is the label in another column?"
        )
    return np.array([str(int(label)) for label in labels], dtype=np.str_), values


def _read_libsvm(file: Path, count: int | None) -> tuple[NDArray[Any], NDArray[Any]]:
    from sklearn.datasets import load_svmlight_file

    values, labels = load_svmlight_file(str(file), n_features=count, zero_based=False)
    return labels, values.toarray()


def _read_columns(file: Path, first: str, rows: int | None) -> tuple[NDArray[Any], NDArray[Any]]:
    import pandas as pd

    separator = "," if "," in first else r"\s+"
    table = pd.read_csv(file, sep=separator, header=None, nrows=rows).to_numpy(np.float64)
    return table[:, 0], table[:, 1:]


def _names(labels: NDArray[np.str_]) -> tuple[str, ...]:
    return tuple(sorted({*map(str, labels)}, key=int))


def _accepts(path: Path) -> bool:
    return (path / TRAIN_FILE).is_file() and (path / TEST_FILE).is_file()


SOURCES = (
    *(
        Source(release.name, partial(load_release, release))
        for release in (CURET_FEATURES, CIFAR10_BINARY_B)
    ),
    Source(
        f"a folder with {TRAIN_FILE} and {TEST_FILE} of labels and features", load_folder, _accepts
    ),
)
