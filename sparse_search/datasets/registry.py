"""The registry of sources, and the choice among them. To add a source, add its line here."""

import os
from difflib import get_close_matches
from pathlib import Path

import pooch

from ..errors import DatasetError, DatasetMissingError
from . import (
    chars74k,
    cifar10,
    csv_table,
    curet,
    digits,
    feature_files,
    image_folder,
    keywords,
    mnist,
    npz,
)
from .reading import AS_IT_IS, ReadOptions
from .source import RawDataset, Source

DATA_DIR_VARIABLE = "SPARSE_SEARCH_DATA_DIR"

SOURCES: tuple[Source, ...] = (
    *digits.SOURCES,
    *mnist.SOURCES,
    *cifar10.SOURCES,
    *chars74k.SOURCES,
    *keywords.SOURCES,
    *curet.SOURCES,
    *feature_files.SOURCES,
    *npz.SOURCES,
    *csv_table.SOURCES,
    *image_folder.SOURCES,
)


def source_names() -> tuple[str, ...]:
    """Names that ``load_dataset`` knows.

    >>> source_names()
    ('digits', 'mnist', 'fashion-mnist', 'cifar10', 'cifar10-binary', 'chars74k', 'keywords',
     'curet', 'curet-features', 'cifar10-binary-b')
    """
    return tuple(source.name for source in SOURCES if source.accepts is None)


def default_data_dir() -> Path:
    """The folder in SPARSE_SEARCH_DATA_DIR, or else the user's cache folder."""
    folder = os.environ.get(DATA_DIR_VARIABLE)
    return Path(folder).expanduser() if folder else Path(pooch.os_cache("sparse_search"))


def read_source(
    source: str | os.PathLike[str], data_dir: Path, options: ReadOptions = AS_IT_IS
) -> RawDataset:
    """Reads a source by name; else a path as it stands; else a path below ``data_dir``.

    Raises:
        DatasetError: The path has a form that no source accepts, or the source has no such option.
        DatasetMissingError: Neither a name nor a path that is there.
    """
    text = os.fspath(source)
    for known in SOURCES:
        if known.accepts is None and known.name == text:
            return _load(known, data_dir, text, options)
    path = next((p for p in (Path(text).expanduser(), data_dir / text) if p.exists()), None)
    by_path = [known for known in SOURCES if known.accepts is not None]
    forms = "; ".join(known.name for known in by_path)
    if path is None:
        similar = get_close_matches(text.lower(), source_names(), 1)
        remedy = f"did you mean {similar[0]}?" if similar else "correct the name or path"
        raise DatasetMissingError(
            f"{text!r}: expected one of {', '.join(source_names())}, or a path to {forms}; there "
            f"is no such name or path, neither here nor below {data_dir}; {remedy}"
        )
    for known in by_path:
        if known.accepts is not None and known.accepts(path):
            return _load(known, path, text, options)
    raise DatasetError(
        f"{path}: expected {forms}; found none of these; convert the data to one of them"
    )


def _load(known: Source, path: Path, text: str, options: ReadOptions) -> RawDataset:
    wrong = [name for name in options.given if name not in known.options]
    if wrong:
        takers = "; ".join(s.name for s in SOURCES if wrong[0] in s.options)
        raise DatasetError(
            f"{text}: expected no option {wrong[0]!r}, got {options.given[wrong[0]]!r}; it is "
            f"for {takers}, and this is {known.name}; leave it out"
        )
    return known.load(path, options) if known.options else known.load(path)
