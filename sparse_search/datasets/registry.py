"""The registry of sources, and the choice among them. To add a source, add its line here."""

import os
from pathlib import Path

import pooch

from ..errors import DatasetError, DatasetMissingError
from . import cifar10, digits, mnist, npz
from .source import RawDataset, Source

DATA_DIR_VARIABLE = "SPARSE_SEARCH_DATA_DIR"

SOURCES: tuple[Source, ...] = (
    *digits.SOURCES,
    *mnist.SOURCES,
    *cifar10.SOURCES,
    *npz.SOURCES,
)


def source_names() -> tuple[str, ...]:
    """Names that ``load_dataset`` knows.

    >>> source_names()
    ('digits', 'mnist', 'fashion-mnist', 'cifar10', 'cifar10-binary')
    """
    return tuple(source.name for source in SOURCES if source.accepts is None)


def default_data_dir() -> Path:
    """The folder in SPARSE_SEARCH_DATA_DIR, or else the user's cache folder."""
    folder = os.environ.get(DATA_DIR_VARIABLE)
    return Path(folder).expanduser() if folder else Path(pooch.os_cache("sparse_search"))


def read_source(source: str | os.PathLike[str], data_dir: Path) -> RawDataset:
    """Reads a source by name; else a path as it stands; else a path below ``data_dir``.

    Raises:
        DatasetError: The path has a form that no source accepts.
        DatasetMissingError: Neither a name nor a path that is there.
    """
    text = os.fspath(source)
    for known in SOURCES:
        if known.accepts is None and known.name == text:
            return known.load(data_dir)
    path = next((p for p in (Path(text).expanduser(), data_dir / text) if p.exists()), None)
    by_path = [known for known in SOURCES if known.accepts is not None]
    forms = "; ".join(known.name for known in by_path)
    if path is None:
        raise DatasetMissingError(
            f"{text!r}: expected one of {', '.join(source_names())}, or a path to {forms}; there "
            f"is no such name or path, neither here nor below {data_dir}; correct the name or path"
        )
    for known in by_path:
        if known.accepts is not None and known.accepts(path):
            return known.load(path)
    raise DatasetError(
        f"{path}: expected {forms}; found none of these; save the images as arrays with "
        "numpy.savez(path, images=..., labels=...)"
    )
