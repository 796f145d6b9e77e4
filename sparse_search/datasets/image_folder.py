"""A folder of image files in class folders; see ``image_listing`` and ``image_decoding``.

Images are read in one pass and only what has their final size is kept. A file that cannot be read
is left out, and a remark says so; more than a tenth of such files is refused.
"""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from ..errors import DatasetError
from .image_decoding import UNREADABLE, Header, decode, read_header
from .image_listing import Listing, is_image_folder, list_splits
from .reading import ReadOptions
from .source import RawDataset, Source
from .split import Split, check_every_class
from .stratify import TEST_FRACTION, TEST_SPLIT_SEED, check_class_sizes, stratified_split

_LOG = logging.getLogger(__name__)

MAX_IMAGE_BYTES = 1 << 20
"""More than the RAM of any board that is known: images that are larger must be scaled."""
_MAX_UNREADABLE_SHARE = 0.1


@dataclass(frozen=True)
class _Form:
    """What all images become."""

    size: tuple[int, int]
    grey: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.size, 1 if self.grey else 3)


def load(folder: Path, options: ReadOptions) -> RawDataset:
    """Reads every image outside the test split; of the test split only the beginnings of files.

    Raises:
        DatasetError: The folder has no such form, its images differ in size and no size is
            given, or too many of its files cannot be read.
    """
    listings = list_splits(folder)
    whole = listings["train"]
    check_class_sizes(whole.labels, whole.class_names, folder, splits=4 - len(listings))
    remarks = _remarks_on_others(listings)
    headers, bad_headers = _read_headers(listings)
    form = _form(headers, options, folder)
    listings = {split: _without(listing, bad_headers) for split, listing in listings.items()}
    if "test" not in listings:
        whole = listings["train"]
        rest, held = stratified_split(whole.labels, TEST_FRACTION, TEST_SPLIT_SEED, folder)
        listings |= {"train": _take(whole, rest), "test": _take(whole, held)}
        remarks.append(f"there is no test folder: {len(held)} images are held out, fixed")
    train, bad_train = _decode_all(listings["train"], form)
    validation: Split | None = None
    bad_validation: dict[Path, str] = {}
    if "validation" in listings:
        validation, bad_validation = _decode_all(listings["validation"], form)
    bad = bad_headers | bad_train | bad_validation
    _refuse_many(bad, len(headers) + len(bad_headers), folder)
    remarks += _remark_on_unreadable(bad, folder)
    check_every_class(train.labels, listings["train"].class_names, folder)
    return RawDataset(
        name=folder.resolve().name,
        class_names=listings["train"].class_names,
        train=train,
        open_test=partial(_open_test, listings["test"], form),
        validation=validation,
        remarks=tuple(remarks),
    )


def _read_headers(listings: dict[str, Listing]) -> tuple[dict[Path, Header], dict[Path, str]]:
    files = [file for listing in listings.values() for file in listing.files]
    found, bad = {}, {}
    with _pool() as pool:
        for file, result in zip(files, pool.map(_header_or_reason, files), strict=True):
            if isinstance(result, Header):
                found[file] = result
            else:
                bad[file] = result
    return found, bad


def _header_or_reason(file: Path) -> Header | str:
    try:
        return read_header(file)
    except UNREADABLE as error:
        return _reason(file, error)


def _form(headers: dict[Path, Header], options: ReadOptions, folder: Path) -> _Form:
    """Size and colour of all images: as asked for, else as they are if they agree in size."""
    if not headers:
        raise DatasetError(
            f"{folder}: expected images, found none that can be read; are these the right files?"
        )
    grey = options.grey or all(header.is_grey for header in headers.values())
    sizes = sorted({(h.height, h.width) for h in headers.values()}, key=lambda s: s[0] * s[1])
    if options.size is None and len(sizes) > 1:
        smallest, largest = ("x".join(map(str, size)) for size in (sizes[0], sizes[-1]))
        raise DatasetError(
            f"{folder}: expected images of one size, found {len(sizes)} sizes from {smallest} to "
            f"{largest} (height x width); say what to scale them to, such as --size 32 or "
            "--size 24x32 (from Python ReadOptions(size=(24, 32)))"
        )
    form = _Form(options.size or sizes[0], grey)
    if np.prod(form.shape) > MAX_IMAGE_BYTES:
        shape = "x".join(map(str, form.shape))
        raise DatasetError(
            f"{folder}: expected images of at most {MAX_IMAGE_BYTES:,} bytes, which is more than "
            f"the RAM of any board, found {shape} = {np.prod(form.shape):,}; scale them, such as "
            "with --size 96 (from Python ReadOptions(size=(96, 96)))"
        )
    return form


def _decode_all(listing: Listing, form: _Form) -> tuple[Split, dict[Path, str]]:
    """The images that can be read, and why the others cannot, by file."""
    images = np.empty((len(listing.files), *form.shape), np.uint8)
    bad: dict[Path, str] = {}
    kept: list[int] = []
    with _pool() as pool:
        decoded = pool.map(partial(_pixels_or_reason, form=form), listing.files)
        for index, (file, result) in enumerate(zip(listing.files, decoded, strict=True)):
            if isinstance(result, str):
                bad[file] = result
            else:
                images[len(kept)] = result
                kept.append(index)
    if not kept:
        raise DatasetError(
            f"{listing.root}: expected images, found {len(bad)} files of which none can be read, "
            f"the first because: {next(iter(bad.values()))}; copy them again"
        )
    names = tuple(str(listing.files[index].relative_to(listing.root)) for index in kept)
    return Split(images[: len(kept)], listing.labels[kept], names), bad


def _pixels_or_reason(file: Path, form: _Form) -> NDArray[np.uint8] | str:
    try:
        return decode(file, form.size, form.grey)
    except UNREADABLE as error:
        return _reason(file, error)


def _open_test(listing: Listing, form: _Form) -> Split:
    split, bad = _decode_all(listing, form)
    _refuse_many(bad, len(listing.files), listing.root)
    for remark in _remark_on_unreadable(bad, listing.root):
        _LOG.warning("test split: %s", remark)
    return split


def _reason(file: Path, error: BaseException) -> str:
    if file.is_symlink() and not file.exists():
        return "a link to a file that is not there"
    if isinstance(error, UnidentifiedImageError):
        return "no image that can be decoded"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    # Pillow names the file at length, which is said elsewhere.
    return f"{type(error).__name__}: {str(error)[:80]}".partition(" '/")[0]


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """As many threads as cores: decoding releases the interpreter lock.

    Pillow warns of damaged metadata and of images of more than 89 million pixels. Neither matters
    here; what matters is an error.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        warnings.simplefilter("ignore")
        yield pool


def _take(listing: Listing, indices: Sequence[int] | NDArray[np.intp]) -> Listing:
    files = tuple(listing.files[i] for i in indices)
    return replace(listing, files=files, labels=listing.labels[indices])


def _without(listing: Listing, bad: dict[Path, str]) -> Listing:
    return _take(listing, [i for i, file in enumerate(listing.files) if file not in bad])


def _refuse_many(bad: dict[Path, str], count: int, folder: Path) -> None:
    if len(bad) > _MAX_UNREADABLE_SHARE * count:
        raise DatasetError(
            f"{folder}: expected nearly all of its {count} images to be readable, found {len(bad)} "
            f"that are not: {_names(bad, folder)}; copy the folder again, or remove these files"
        )


def _remark_on_unreadable(bad: dict[Path, str], folder: Path) -> list[str]:
    if not bad:
        return []
    one = len(bad) == 1
    files = "1 file cannot be read and is" if one else f"{len(bad)} files cannot be read and are"
    return [f"{files} left out: {_names(bad, folder)}"]


def _remarks_on_others(listings: dict[str, Listing]) -> list[str]:
    others = [file.name for listing in listings.values() for file in listing.others]
    if not others:
        return []
    files = (
        "1 file is no image and is"
        if len(others) == 1
        else f"{len(others)} files are no images and are"
    )
    more = ", …" if len(others) > 3 else ""
    return [f"{files} left out: {', '.join(others[:3])}{more}"]


def _names(bad: dict[Path, str], folder: Path) -> str:
    shown = [f"{file.relative_to(folder)} ({reason})" for file, reason in list(bad.items())[:5]]
    return ", ".join(shown) + (", …" if len(bad) > 5 else "")


SOURCES = (
    Source(
        "a folder with a folder of images for each class",
        load,
        is_image_folder,
        options=("size", "grey"),
    ),
)
