"""Which files of a folder are images of which class, and of which split. Nothing is opened.

| layout | splits |
|---|---|
| path/CLASS/... | cut by seed |
| path/train/CLASS/..., path/test/CLASS/... (and validation or val) | as the folders are |

Images may lie any number of folders deep below their class. Hidden files and folders are left out,
and so is what has no suffix of an image format that Pillow decodes.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import DatasetError
from .split import Labels

_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# Only recognised by Pillow and not decoded, not images, or (EPS) a program that would be run.
_NO_IMAGES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
_LITTER = {"__MACOSX", "@eaDir", "__pycache__"}


@dataclass(frozen=True)
class Listing:
    """The images of one split.

    Attributes:
        root: Folder of the class folders.
        class_names: Names of the class folders, in the order of the class indices.
        files: Of every class in order, sorted within a class.
        labels: Class index of each file.
        others: Files that are no images by their suffix.
    """

    root: Path
    class_names: tuple[str, ...]
    files: tuple[Path, ...]
    labels: Labels
    others: tuple[Path, ...]


@cache
def image_formats() -> tuple[str, ...]:
    """Names of the formats that Pillow decodes, sorted."""
    Image.init()
    return tuple(sorted(set(Image.OPEN) - _NO_IMAGES))


@cache
def _image_suffixes() -> frozenset[str]:
    formats = image_formats()
    return frozenset(s for s, name in Image.registered_extensions().items() if name in formats)


def is_image_folder(path: Path) -> bool:
    """Whether there are folders, or images, directly in ``path``."""
    return path.is_dir() and any(
        entry.is_dir() or entry.suffix.lower() in _image_suffixes() for entry in _visible(path)
    )


def list_splits(folder: Path) -> dict[str, Listing]:
    """The splits of a folder: "train", and "validation" and "test" where they have folders.

    Raises:
        DatasetError: The folder has neither layout, a class is empty, or splits differ in classes.
    """
    named = {_SPLITS[p.name.lower()]: p for p in _folders(folder) if p.name.lower() in _SPLITS}
    # A class may be called "train": then there are images in it, not folders.
    if not any(_folders(path) for path in named.values()):
        return {"train": list_classes(folder)}
    others = [p.name for p in _folders(folder) if p not in named.values()]
    if "train" not in named or others:
        raise DatasetError(
            f"{folder}: expected folders train, test and maybe validation, each with a folder for "
            f"each class, found {', '.join(sorted(p.name for p in _folders(folder)))}; add train, "
            "remove what is no split, or put all classes side by side into one folder"
        )
    listings = {split: list_classes(path) for split, path in named.items()}
    expected = listings["train"].class_names
    for split, listing in listings.items():
        if listing.class_names != expected:
            missing = sorted({*expected} ^ {*listing.class_names})
            raise DatasetError(
                f"{named[split]}: expected the {len(expected)} class folders of {named['train']}, "
                f"found {len(listing.class_names)}; {', '.join(map(repr, missing[:5]))} "
                f"{'is' if len(missing) == 1 else 'are'} in one of them only; give every split "
                "the same classes"
            )
    return listings


def list_classes(folder: Path) -> Listing:
    """The images in a folder of class folders.

    Classes are in the order of their names, and of their numbers where all names are numbers.

    Raises:
        DatasetError: There are images beside or no class folders, or a class folder is empty.
    """
    loose = [p for p in _visible(folder) if p.is_file() and p.suffix.lower() in _image_suffixes()]
    classes = _folders(folder)
    if loose or not classes:
        raise DatasetError(
            f"{folder}: expected a folder for each class and no image beside them, found "
            f"{_count(len(classes), 'folder')} and {_count(len(loose), 'image')}"
            f"{f', such as {loose[0].name}' if loose else ''}; move the images of each class into "
            "a folder that has the name of the class"
        )
    if len(classes) == 1 and len(_folders(classes[0])) > 1:
        raise DatasetError(
            f"{folder}: expected a folder for each class, found one folder, {classes[0].name}, "
            f"which has folders itself; if those are the classes, use {classes[0]}"
        )
    if all(path.name.isdecimal() for path in classes):
        classes.sort(key=lambda path: int(path.name))
    files: list[Path] = []
    labels: list[int] = []
    others: list[Path] = []
    for label, path in enumerate(classes):
        found = sorted(_walk(path))
        images = [file for file in found if file.suffix.lower() in _image_suffixes()]
        others += [file for file in found if file.suffix.lower() not in _image_suffixes()]
        if not images:
            raise DatasetError(
                f"{path}: expected images of class {path.name!r}, found none among {len(found)} "
                "files; add some, or remove the folder to leave the class out"
            )
        files += images
        labels += [label] * len(images)
    names = tuple(path.name for path in classes)
    return Listing(folder, names, tuple(files), np.array(labels, np.int64), tuple(others))


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _visible(folder: Path) -> list[Path]:
    try:
        found = list(folder.iterdir())
    except OSError as error:
        raise DatasetError(
            f"{folder}: expected a readable folder, found: {error.strerror}; change its permissions"
        ) from None
    return sorted(p for p in found if not p.name.startswith(".") and p.name not in _LITTER)


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _walk(folder: Path) -> Iterator[Path]:
    """Every visible file below a folder."""
    for root, folders, names in os.walk(folder):
        folders[:] = [n for n in folders if not n.startswith(".") and n not in _LITTER]
        yield from (Path(root, name) for name in names if not name.startswith("."))
