"""chars74k: the 6283 characters cropped from photographs, 20 x 20 in colour, 62 classes.

They are as many as the 4397 + 1886 images of Chars4K in the Bonsai paper (ICML 2017), whose split
was not published. Here 1886 images are the test split, stratified and always the same: a split of
our own. T. E. de Campos, B. R. Babu, M. Varma: Character recognition in natural images (2009).
"""

from functools import partial
from pathlib import Path

import numpy as np

from .npz import read_array
from .published import find_published
from .source import RawDataset, Source
from .split import Split, check_counts, check_every_class, class_indices
from .stratify import TEST_SPLIT_SEED, stratified_split

TEST_COUNT = 1886
FILE = "chars74k_kaggle20_rgb.npz"
CLASS_NAMES = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def load(data_dir: Path, test_count: int = TEST_COUNT) -> RawDataset:
    """Reads the characters.

    Args:
        data_dir: Has the file, or a folder chars74k with it.
        test_count: Images of the test split.

    Raises:
        DatasetError: The file is damaged, or belongs to something else.
        DatasetMissingError: It is not there.
    """
    what = "an .npz file with images [n, 20, 20, 3], labels [n] and 62 label_names"
    file = find_published(data_dir, (f"chars74k/{FILE}", FILE), what)
    return RawDataset(
        name="chars74k",
        class_names=CLASS_NAMES,
        train=_read(file, test_count)[0],
        open_test=partial(_open_test, file, test_count),
        remarks=(
            f"chars74k has no official split: {test_count} images are the test split, fixed, "
            "stratified and our own",
        ),
    )


def _read(file: Path, test_count: int) -> tuple[Split, Split]:
    images, labels = read_array(file, "images"), read_array(file, "labels")
    check_counts(len(images), len(labels), file)
    indices, _ = class_indices(labels, CLASS_NAMES, f"{file}: labels")
    check_every_class(indices, CLASS_NAMES, file)
    everything = Split(np.ascontiguousarray(images), indices)
    rest, test = stratified_split(indices, test_count, TEST_SPLIT_SEED, file)
    return everything.take(rest), everything.take(test)


def _open_test(file: Path, test_count: int) -> Split:
    return _read(file, test_count)[1]


SOURCES = (Source("chars74k", load),)
