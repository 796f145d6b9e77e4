"""keywords: spoken words as 49 x 10 MFCC, 12 classes, from the test part of Speech Commands v0.02.

There are 4890 clips; a row is a moment of 20 ms, a column a cepstral coefficient. A file's name has
a hash of its speaker, as in "yes/0a7c2a8d_nohash_0.wav". No speaker is in two splits: the test
split is a fifth of each class, fixed and our own, and the validation split is cut off by the seed.
Clips of silence are noise without a speaker, and each is for itself.

Coefficients differ in range by a factor of ten, so that each has its own map to pixels: from the
0.1 % to the 99.9 % quantile outside the test split. P. Warden: Speech Commands (arXiv:1804.03209),
CC BY 4.0.
"""

import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .npz import read_array
from .pixels import InputMap, to_pixels
from .published import find_published
from .source import RawDataset, Source
from .split import Labels, Split, check_counts, check_every_class, class_indices
from .stratify import TEST_FRACTION, TEST_SPLIT_SEED, grouped_split

FILE = "kws12_testset_mfcc49x10.npz"
SILENCE = "_silence_"
_SPEAKER = re.compile(r"(?:^|[/_])([0-9a-f]{8})_nohash_")
_QUANTILES = (0.001, 0.999)


class _Clips(NamedTuple):
    """All that the file has."""

    values: NDArray[Any]
    labels: Labels
    names: tuple[str, ...]
    class_names: tuple[str, ...]
    speakers: NDArray[np.int64]
    rest: NDArray[np.intp]
    test: NDArray[np.intp]

    def split(self, indices: NDArray[np.intp], input_map: InputMap) -> Split:
        names = tuple(self.names[i] for i in indices)
        return Split(to_pixels(self.values[indices], input_map, FILE), self.labels[indices], names)


def load(data_dir: Path) -> RawDataset:
    """Reads the clips.

    Args:
        data_dir: Has the file, or a folder speech_commands with it.

    Raises:
        DatasetError: The file is damaged, or a name has no speaker.
        DatasetMissingError: It is not there.
    """
    what = "an .npz file with mfcc [n, 49, 10], labels [n], filenames [n] and 12 label_names"
    file = find_published(data_dir, (f"speech_commands/{FILE}", FILE), what)
    clips = _read(file)
    low, high = np.quantile(clips.values[clips.rest], _QUANTILES, axis=(0, 1))
    input_map = tuple(low.tolist()), tuple(high.tolist())
    return RawDataset(
        name="keywords",
        class_names=clips.class_names,
        train=clips.split(clips.rest, input_map),
        open_test=partial(_open_test, file, input_map),
        input_map=input_map,
        groups=clips.speakers[clips.rest],
        remarks=(
            f"keywords is the test part of Speech Commands only: of its clips {len(clips.test)} "
            "are the test split here, fixed and our own; no speaker is in two splits",
        ),
    )


def _read(file: Path) -> _Clips:
    values, names = read_array(file, "mfcc"), tuple(map(str, read_array(file, "filenames")))
    class_names = tuple(map(str, read_array(file, "label_names")))
    labels, _ = class_indices(read_array(file, "labels"), class_names, f"{file}: labels")
    check_counts(len(values), len(labels), file)
    check_counts(len(names), len(labels), f"{file}: filenames")
    check_every_class(labels, class_names, file)
    if values.ndim != 3:
        raise DatasetError(
            f"{file}: expected mfcc [n, moments, coefficients], found shape {values.shape}; is it "
            "another file?"
        )
    speakers = _speakers(names, file)
    rest, test = grouped_split(labels, speakers, TEST_FRACTION, TEST_SPLIT_SEED, file)
    return _Clips(values, labels, names, class_names, speakers, rest, test)


def _open_test(file: Path, input_map: InputMap) -> Split:
    clips = _read(file)
    return clips.split(clips.test, input_map)


def _speakers(names: tuple[str, ...], file: Path) -> NDArray[np.int64]:
    """A number for each speaker [n]; each clip of silence has its own."""
    found = []
    for name in names:
        match = _SPEAKER.search(name)
        if match is None and not name.startswith(SILENCE):
            raise DatasetError(
                f"{file}: expected the hash of a speaker in the name of each clip but those of "
                f"{SILENCE}, such as yes/0a7c2a8d_nohash_0.wav, found {name!r}; is it another file?"
            )
        found.append(name if match is None else match[1])
    numbers: NDArray[np.int64] = np.unique(found, return_inverse=True)[1].astype(np.int64)
    return numbers


SOURCES = (Source("keywords", load),)
