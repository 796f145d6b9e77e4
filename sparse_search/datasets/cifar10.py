"""cifar10 from the binary or the Python version, and cifar10-binary, its two-class form.

cifar10-binary is variant (a) of the literature: the colour images, class 1 where the CIFAR-10 class
is below 5. (Variant (b), 400 grey features from the Bonsai paper, is in ``feature_files``.)
"""

import os
import tarfile
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import DatasetError, DatasetMissingError
from .cifar_batches import Batch
from .download import RemoteFile, download
from .source import RawDataset, Source
from .split import Split, check_every_class

CLASS_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
BINARY_FOLDER, PYTHON_FOLDER = "cifar-10-batches-bin", "cifar-10-batches-py"
# For each version: the folder, what its file names may end in, the official archive.
VERSIONS = (
    (BINARY_FOLDER, (".bin", ".bin.xz"), "cifar-10-binary.tar.gz"),
    (PYTHON_FOLDER, ("",), "cifar-10-python.tar.gz"),
)


@dataclass(frozen=True)
class CifarRelease:
    """The published data set.

    Attributes:
        archive: What is downloaded where no version is there.
        batch_count: Images in a batch.
    """

    archive: RemoteFile
    batch_count: int = 10_000


CIFAR10 = CifarRelease(
    archive=RemoteFile(
        name="cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        mirrors=("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"),
    )
)


def load_release(release: CifarRelease, data_dir: Path) -> RawDataset:
    """Reads CIFAR-10 from ``data_dir`` or its usual subfolder; downloads into the latter.

    Raises:
        DatasetError: A file is damaged, or belongs to something else.
        DatasetMissingError: A file is not there and cannot be downloaded.
    """
    train, test = _read(release, data_dir)
    return RawDataset("cifar10", CLASS_NAMES, train, open_test=test.read)


def load_two_classes(release: CifarRelease, data_dir: Path) -> RawDataset:
    """CIFAR-10 with the classes 0 - 4 against the classes 5 - 9, in colour."""
    train, test = _read(release, data_dir)
    return RawDataset(
        name="cifar10-binary",
        class_names=("CIFAR-10 classes 5-9", "CIFAR-10 classes 0-4"),
        train=_two_classes(train),
        open_test=partial(_open_two_classes, test),
        remarks=("cifar10-binary is variant (a): colour images, class 1 is CIFAR-10 class < 5",),
    )


def _read(release: CifarRelease, data_dir: Path) -> tuple[Split, Batch]:
    paths = _find(data_dir) or _unpack(_archive(release, data_dir))
    *training, test = (Batch(path, release.batch_count) for path in paths)
    test.check()
    # Decompression releases the interpreter lock, so threads read as fast as there are cores.
    with ThreadPoolExecutor(min(len(training), os.cpu_count() or 1)) as pool:
        splits = list(pool.map(Batch.read, training))
    train = Split(
        np.concatenate([split.images for split in splits]),
        np.concatenate([split.labels for split in splits]),
    )
    check_every_class(train.labels, CLASS_NAMES, paths[0].parent)
    return train, test


def _two_classes(split: Split) -> Split:
    return Split(split.images, (split.labels < 5).astype(np.int64))


def _open_two_classes(test: Batch) -> Split:
    return _two_classes(test.read())


def _find(data_dir: Path) -> list[Path] | None:
    """The six batch files of the first version that is there; None where there is none.

    Raises:
        DatasetMissingError: A version is there in part.
    """
    for subfolder, suffixes, _ in VERSIONS:
        for folder in (data_dir / subfolder, data_dir):
            found = [_first_file(folder / (b + suffix) for suffix in suffixes) for b in BATCHES]
            missing = [b + suffixes[0] for b, f in zip(BATCHES, found, strict=True) if f is None]
            if not missing:
                return [path for path in found if path]
            if len(missing) < len(BATCHES):
                raise DatasetMissingError(
                    f"{folder}: expected {len(BATCHES)} batch files of CIFAR-10, did not find "
                    f"{', '.join(missing)}; add them, or remove the others to have all fetched"
                )
    return None


def _first_file(candidates: Iterable[Path]) -> Path | None:
    return next((path for path in candidates if path.is_file()), None)


def _archive(release: CifarRelease, data_dir: Path) -> Path:
    there = _first_file(data_dir / archive for _, _, archive in VERSIONS)
    return there or download(release.archive, data_dir)


def _unpack(archive: Path) -> list[Path]:
    """Takes the six batch files, and nothing else, out of an archive, into the folder beside it."""
    subfolder, suffixes = next((f, s) for f, s, name in VERSIONS if name == archive.name)
    folder = archive.parent / subfolder
    names = [batch + suffixes[0] for batch in BATCHES]
    try:
        folder.mkdir(exist_ok=True)
        with tarfile.open(archive) as tar:
            for member in tar:
                name = Path(member.name).name
                content = tar.extractfile(member) if name in names else None
                if content is not None:
                    # The final name appears only when all bytes are there.
                    partial_file = folder / f"{name}.part"
                    partial_file.write_bytes(content.read())
                    partial_file.replace(folder / name)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DatasetError(
            f"{archive}: could not be unpacked into {folder}: {error}; where the archive is "
            "damaged, remove it and fetch it again, where the folder is read-only, unpack by hand"
        ) from error
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DatasetError(
            f"{archive}: expected {', '.join(names)} in it, did not find {', '.join(missing)}; "
            "fetch the official archive"
        )
    return [folder / name for name in names]


def _is_cifar_folder(path: Path) -> bool:
    return any(_first_file((path / f"{BATCHES[0]}{s}",)) for _, ss, _ in VERSIONS for s in ss)


SOURCES = (
    Source("cifar10", partial(load_release, CIFAR10)),
    Source("cifar10-binary", partial(load_two_classes, CIFAR10)),
    Source("a folder with CIFAR-10's batches", partial(load_release, CIFAR10), _is_cifar_folder),
)
