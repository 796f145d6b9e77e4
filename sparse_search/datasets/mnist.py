"""mnist and fashion-mnist from their four official IDX files, and any folder with such files."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..errors import DatasetError, DatasetMissingError
from .download import RemoteFile, download
from .idx import IdxPair
from .source import RawDataset, Source

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


@dataclass(frozen=True)
class IdxRelease:
    """A published data set of four IDX files.

    Attributes:
        name: Of the data set, and of the folder below the data folder that may hold the files.
        class_names: In the order of the labels.
        mirrors: Addresses of folders with the files, each ending in "/".
        md5: Published checksums of ``FILES``, in that order.
        train_count: Images in the training files.
        test_count: Images in the test files.
        size: Height and width of an image.
    """

    name: str
    class_names: tuple[str, ...]
    mirrors: tuple[str, ...]
    md5: tuple[str, str, str, str]
    train_count: int = 60_000
    test_count: int = 10_000
    size: tuple[int, int] = (28, 28)


MNIST = IdxRelease(
    name="mnist",
    class_names=tuple("0123456789"),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    md5=(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
)
FASHION_MNIST = IdxRelease(
    name="fashion-mnist",
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    mirrors=(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    md5=(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
)
RELEASES = (MNIST, FASHION_MNIST)


def load_release(release: IdxRelease, data_dir: Path) -> RawDataset:
    """Reads ``release`` from ``data_dir`` or its subfolder; downloads into the latter.

    Raises:
        DatasetError: A file is damaged, or belongs to something else.
        DatasetMissingError: A file is not there and cannot be downloaded.
    """
    folder = next(
        (f for f in (data_dir / release.name, data_dir) if _has_any(f)), data_dir / release.name
    )
    paths = []
    for name, md5 in zip(FILES, release.md5, strict=True):
        path = _find(folder, name) or download(RemoteFile(name, md5, release.mirrors), folder)
        _refuse_mix_up(path, md5)
        paths.append(path)
    train = IdxPair(paths[0], paths[1], release.size, release.train_count)
    test = IdxPair(paths[2], paths[3], release.size, release.test_count)
    test.check()
    class_count = len(release.class_names)
    return RawDataset(
        name=release.name,
        class_names=release.class_names,
        train=train.read(class_count),
        open_test=partial(test.read, class_count),
    )


def load_folder(folder: Path) -> RawDataset:
    """Reads a folder with four IDX files that have MNIST's names, of any size and class count."""
    paths = [path for path in (_find(folder, name) for name in FILES) if path]
    if len(paths) != len(FILES):
        raise DatasetMissingError(
            f"{folder}: expected the four files {', '.join(FILES)} (or without .gz), found "
            f"{', '.join(path.name for path in paths)}; add what is missing"
        )
    train = IdxPair(paths[0], paths[1]).read(None)
    class_count = int(train.labels.max()) + 1
    test = IdxPair(paths[2], paths[3], size=train.shape[:2])
    test.check()
    return RawDataset(
        name=folder.resolve().name,
        class_names=tuple(str(i) for i in range(class_count)),
        train=train,
        open_test=partial(test.read, class_count),
    )


def _find(folder: Path, name: str) -> Path | None:
    candidates = (folder / name, folder / name.removesuffix(".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _has_any(folder: Path) -> bool:
    return any(_find(folder, name) for name in FILES)


def _refuse_mix_up(path: Path, md5: str) -> None:
    """The files of all releases have the same names and form: only their checksums differ."""
    found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    for release in RELEASES:
        for name, official in zip(FILES, release.md5, strict=True):
            if found == official != md5:
                raise DatasetError(
                    f"{path}: expected the file with md5 {md5}, found {name} of {release.name} "
                    f"(md5 {found}); put the files of each data set into a folder of its own, "
                    "named like the data set"
                )


SOURCES = (
    Source(MNIST.name, partial(load_release, MNIST)),
    Source(FASHION_MNIST.name, partial(load_release, FASHION_MNIST)),
    Source("a folder with four IDX files named like MNIST's", load_folder, accepts=_has_any),
)
