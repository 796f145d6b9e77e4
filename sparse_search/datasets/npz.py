"""An .npz file of arrays, or a folder with one.

| keys | meaning |
|---|---|
| x_train, y_train; or images (mfcc), labels | images or features, and labels; required |
| x_test, y_test | the test split; where it is not there, a fixed one is held out |
| x_val, y_val | the validation split; where it is not there, one is held out by seed |
| class_names (label_names) | text, in the order of the labels |

Images are [n, H, W, C] or [n, H, W], features [n, C]. How their numbers enter is in ``pixels``, how
labels do in ``split``. Other keys are ignored. Nothing is unpickled.
"""

import zipfile
import zlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .pixels import InputMap, fit_input_map, map_remark, scale_remark, to_pixels
from .source import RawDataset, Source
from .split import Split, check_class_count, check_counts, check_every_class, class_indices, counted
from .stratify import TEST_FRACTION, TEST_SPLIT_SEED, stratified_split

IMAGE_KEYS = ("x_train", "images", "mfcc")
LABEL_KEYS = ("y_train", "labels")
_OTHER_KEYS = {
    IMAGE_KEYS: ("data", "x", "X", "X_train", "features", "inputs"),
    LABEL_KEYS: ("target", "targets", "y", "Y", "Y_train", "label", "classes"),
}
NAME_KEYS = ("class_names", "label_names")


class _Coding(NamedTuple):
    """How the numbers and labels of one file are read: the same for all of its splits."""

    class_names: tuple[str, ...]
    input_map: InputMap


def load(path: Path) -> RawDataset:
    """Reads an .npz file, or the only one in a folder.

    Raises:
        DatasetError: The file is damaged, or has not the arrays that are needed.
    """
    (file,) = (path,) if path.is_file() else _npz_files(path)
    keys = _keys(file)
    image_key = _choose(file, keys, IMAGE_KEYS)
    label_key = _choose(file, keys, LABEL_KEYS)
    name_key = next((key for key in NAME_KEYS if key in keys), None)
    values = read_array(file, image_key)
    named = tuple(map(str, read_array(file, name_key))) if name_key else None
    label_where = f"{file}: {label_key}"
    numbers = read_array(file, label_key)
    if named and numbers.dtype.kind in "iu" and numbers.size and numbers.max() >= len(named):
        raise DatasetError(
            f"{file}: expected a name in {name_key} for each class of {label_key}, found "
            f"{counted(len(named), 'name')} and labels up to {numbers.max()}; add the other names"
        )
    labels, class_names = class_indices(numbers, named, label_where)
    coding = _Coding(class_names, fit_input_map(values, f"{file}: {image_key}"))
    check_class_count(class_names, label_where)
    check_every_class(labels, class_names, label_where)
    train = _split(file, image_key, values, labels, coding)
    remarks = [map_remark(coding.input_map, image_key)]
    if _has_pair(file, keys, "x_test", "y_test"):
        _check_header(file, "x_test", "y_test", values)
        remarks.append(_compare_scales(file, image_key, values, "x_test"))
        open_test = partial(_open_pair, file, "x_test", "y_test", coding)
    else:
        rest, test = stratified_split(train.labels, TEST_FRACTION, TEST_SPLIT_SEED, file)
        train = train.take(rest)
        open_test = partial(_open_held_out, file, image_key, label_key, coding)
        remarks.append(f"{file.name} has no test split: {len(test)} images are held out, fixed")
    has_validation = _has_pair(file, keys, "x_val", "y_val")
    if has_validation:
        remarks.append(_compare_scales(file, image_key, values, "x_val"))
    return RawDataset(
        name=file.stem,
        class_names=class_names,
        train=train,
        open_test=open_test,
        validation=_open_pair(file, "x_val", "y_val", coding) if has_validation else None,
        input_map=coding.input_map,
        remarks=tuple(remark for remark in remarks if remark is not None),
    )


def _compare_scales(file: Path, image_key: str, values: NDArray[Any], other: str) -> str | None:
    """A remark where another split is on another scale; of the test split all else stays closed."""
    found = read_array(file, other)
    if found.dtype.kind not in "uifb" or found.size == 0:
        return None  # Refused where the split is opened.
    return scale_remark(values, found, (image_key, other))


def _open_pair(file: Path, image_key: str, label_key: str, coding: _Coding) -> Split:
    where = f"{file}: {label_key}"
    labels, _ = class_indices(read_array(file, label_key), coding.class_names, where)
    check_every_class(labels, coding.class_names, where)
    return _split(file, image_key, read_array(file, image_key), labels, coding)


def _open_held_out(file: Path, image_key: str, label_key: str, coding: _Coding) -> Split:
    everything = _open_pair(file, image_key, label_key, coding)
    _, test = stratified_split(everything.labels, TEST_FRACTION, TEST_SPLIT_SEED, file)
    return everything.take(test)


def _split(
    file: Path, image_key: str, values: NDArray[Any], labels: NDArray[np.int64], coding: _Coding
) -> Split:
    check_counts(len(values), len(labels), file)
    return Split(to_pixels(values, coding.input_map, f"{file}: {image_key}"), labels)


def _keys(file: Path) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(file) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{file}: expected an .npz file (as numpy.savez writes it), found: {error}; the file "
            "is truncated or something else"
        ) from error


def read_array(file: Path, key: str) -> NDArray[Any]:
    """One array of an .npz file; nothing is unpickled.

    Raises:
        DatasetError: It is not there, or the file is damaged.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            return np.asarray(archive[key])
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(
            f"{file}: expected a plain array under {key!r}, found: {error}; save numbers or text, "
            "no Python objects; where the file is damaged, fetch it again"
        ) from error


def _check_header(file: Path, image_key: str, label_key: str, like: NDArray[Any]) -> None:
    """Checks shapes and type of a split against the training images, without its content."""
    image_shape, image_type = _header(file, image_key)
    label_shape, _ = _header(file, label_key)
    if image_shape[1:] != like.shape[1:] or image_type != like.dtype:
        raise DatasetError(
            f"{file}: expected {image_key} like the training images, {like.dtype} "
            f"[n, {', '.join(map(str, like.shape[1:]))}], found {image_type} {image_shape}; "
            "prepare all splits in the same way"
        )
    check_counts(image_shape[0], label_shape[0] if label_shape else 0, f"{file}: {label_key}")


def _header(file: Path, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        with zipfile.ZipFile(file) as archive, archive.open(f"{key}.npy") as stream:
            version = np.lib.format.read_magic(stream)
            headers = np.lib.format
            is_first = version == (1, 0)
            read = headers.read_array_header_1_0 if is_first else headers.read_array_header_2_0
            shape, _, dtype = read(stream)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(
            f"{file}: expected an array under {key!r}, found: {error}; the file is damaged"
        ) from error
    return shape, dtype


def _choose(file: Path, keys: Iterable[str], accepted: tuple[str, ...]) -> str:
    found = [key for key in accepted if key in keys]
    if len(found) != 1:
        other = next((key for key in keys if key in _OTHER_KEYS[accepted]), None)
        hint = f": is {other} meant to be {accepted[1]}?" if other and not found else ""
        raise DatasetError(
            f"{file}: expected one of the keys {', '.join(accepted)}, found "
            f"{', '.join(found or sorted(keys)) or 'none'}; save the arrays under these names{hint}"
        )
    return found[0]


def _has_pair(file: Path, keys: Iterable[str], image_key: str, label_key: str) -> bool:
    present = [key for key in (image_key, label_key) if key in keys]
    if len(present) == 1:
        raise DatasetError(
            f"{file}: expected {image_key} and {label_key} together, found only {present[0]}; add "
            "the other or leave both out"
        )
    return bool(present)


def _npz_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npz"))


def _accepts(path: Path) -> bool:
    if path.is_dir():
        return len(_npz_files(path)) == 1
    return path.suffix == ".npz"


SOURCES = (Source("an .npz file of arrays, or a folder with exactly one", load, _accepts),)
