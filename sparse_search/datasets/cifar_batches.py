"""CIFAR-10's batch files: the binary version (also .xz) and the Python version.

A batch has 10,000 images of 32 x 32 in three planes: red, green, blue, each row by row.

| version | content |
|---|---|
| binary | per image one label byte and 3072 plane bytes |
| Python | a pickled dict with "data", uint8 [10000, 3072], and "labels", a list of int |
"""

import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .pickled_arrays import RefusedPickleError, read_pickled_arrays
from .split import Split, check_counts, check_label_range

PLANE_BYTES = 3 * 32 * 32
RECORD_BYTES = 1 + PLANE_BYTES
XZ_BEGIN, XZ_END = b"\xfd7zXZ\x00", b"YZ"
PICKLE_BEGIN, PICKLE_END = b"\x80", b"."


@dataclass(frozen=True)
class Batch:
    """One batch file.

    Attributes:
        path: A file of the Python version where it has no suffix, else .bin or .bin.xz.
        count: Images that it must have.
    """

    path: Path
    count: int

    def read(self) -> Split:
        """The batch as images [n, 32, 32, 3] and labels 0 .. 9.

        Raises:
            DatasetError: The file is damaged or of another size.
        """
        planes, labels = self._read_python() if self.path.suffix == "" else self._read_binary()
        check_counts(len(planes), len(labels), self.path)
        if planes.shape != (self.count, PLANE_BYTES):
            raise DatasetError(
                f"{self.path}: expected {self.count} images of {PLANE_BYTES} bytes, found shape "
                f"{planes.shape}; fetch the official file"
            )
        check_label_range(labels, 10, self.path)
        images = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return Split(np.ascontiguousarray(images), labels.astype(np.int64))

    def check(self) -> None:
        """Checks by size, or by the first and last bytes, that the file is whole.

        Raises:
            DatasetError: The file is truncated or something else.
        """
        if self.path.suffix == ".bin":
            self._check_size(self.path.stat().st_size)
            return
        begin, end = (XZ_BEGIN, XZ_END) if self.path.suffix == ".xz" else (PICKLE_BEGIN, PICKLE_END)
        with self.path.open("rb") as stream:
            first = stream.read(len(begin))
            stream.seek(max(0, self.path.stat().st_size - len(end)))
            last = stream.read()
        if (first, last) != (begin, end):
            raise DatasetError(
                f"{self.path}: expected {begin!r} as the first and {end!r} as the last bytes, "
                f"found {first!r} and {last!r}; the file is truncated or damaged, fetch it again"
            )

    def _read_binary(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        try:
            data = self.path.read_bytes()
            if self.path.suffix == ".xz":
                data = lzma.decompress(data)
        except (OSError, lzma.LZMAError) as error:
            raise DatasetError(
                f"{self.path}: expected a readable file, found: {error}; the file is truncated or "
                "damaged, fetch it again"
            ) from error
        self._check_size(len(data))
        records = np.frombuffer(data, np.uint8).reshape(self.count, RECORD_BYTES)
        return records[:, 1:], records[:, 0]

    def _check_size(self, found_bytes: int) -> None:
        expected = self.count * RECORD_BYTES
        if found_bytes != expected:
            raise DatasetError(
                f"{self.path}: expected {expected} bytes ({self.count} images of {RECORD_BYTES}), "
                f"found {found_bytes}; the file is truncated or of another data set, fetch it again"
            )

    def _read_python(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        try:
            content = read_pickled_arrays(self.path.read_bytes())
        except (OSError, RefusedPickleError) as error:
            raise DatasetError(
                f"{self.path}: expected a batch of CIFAR-10's Python version, found: {error}; "
                "nothing of it was executed; fetch the official file"
            ) from error
        planes = content.get("data") if isinstance(content, dict) else None
        labels = content.get("labels") if isinstance(content, dict) else None
        if not isinstance(planes, np.ndarray) or planes.dtype != np.uint8 or planes.ndim != 2:
            raise DatasetError(
                f"{self.path}: expected 'data' to be a uint8 array [n, {PLANE_BYTES}], found "
                f"{type(planes).__name__}; fetch the official file"
            )
        if not isinstance(labels, list) or not all(type(label) is int for label in labels):
            raise DatasetError(
                f"{self.path}: expected 'labels' to be a list of integers, found "
                f"{type(labels).__name__}; fetch the official file"
            )
        return planes, np.array(labels, dtype=np.int64)
