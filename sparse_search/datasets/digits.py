"""digits: the 1797 images 8 x 8 of handwritten digits that are part of scikit-learn.

They are the test part of the UCI set "Optical Recognition of Handwritten Digits", with 17 grey
levels 0 .. 16. There is no official split: 360 images are the test split here, always the same.
"""

from pathlib import Path

import numpy as np

from .pixels import InputMap, to_pixels
from .source import RawDataset, Source
from .split import Split
from .stratify import TEST_SPLIT_SEED, stratified_split

TEST_COUNT = 360
GREY_LEVELS: InputMap = (0.0, 16.0)


def _read() -> tuple[Split, Split]:
    # Imported here: scikit-learn takes about a second to import.
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = to_pixels(np.asarray(bunch.images), GREY_LEVELS, "digits")
    everything = Split(images, np.asarray(bunch.target).astype(np.int64))
    rest, test = stratified_split(everything.labels, TEST_COUNT, TEST_SPLIT_SEED, "digits")
    return everything.take(rest), everything.take(test)


def _open_test() -> Split:
    return _read()[1]


def load(data_dir: Path) -> RawDataset:
    """The digits; ``data_dir`` is not used."""
    return RawDataset(
        name="digits",
        class_names=tuple("0123456789"),
        train=_read()[0],
        open_test=_open_test,
        validation_fraction=1 / 4,
        input_map=GREY_LEVELS,
        remarks=(f"digits has no official test split: {TEST_COUNT} images are held out, fixed",),
    )


SOURCES = (Source("digits", load),)
