"""IDX: the format of MNIST, plain or gzip-compressed.

| bytes | content |
|---|---|
| 0 - 1 | zero |
| 2 | element type; 0x08 is uint8, the only one used here |
| 3 | number of axes d: 3 for images, 1 for labels |
| 4 .. 4 + 4d | length of each axis, big-endian uint32 |
| rest | the elements, last axis fastest |
"""

import gzip
import struct
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .split import Split, check_counts, check_every_class, check_label_range

UINT8 = 0x08


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """The array in an IDX file, with ``axes`` axes.

    Raises:
        DatasetError: The file is damaged, or something else than an IDX file of this form.
    """
    data = _read_bytes(path)
    what = {1: "labels", 3: "images"}.get(axes, "an array")
    expected = bytes((0, 0, UINT8, axes))
    if data[:4] != expected:
        raise DatasetError(
            f"{path}: expected an IDX file of {what}, which begins with {expected.hex(' ')}, found "
            f"{data[:4].hex(' ') or 'nothing'}; check that the files have their right names"
        )
    header_bytes = 4 + 4 * axes
    if len(data) < header_bytes:
        raise DatasetError(
            f"{path}: expected a header of {header_bytes} bytes, found {len(data)} bytes; the file "
            "is truncated, fetch it again"
        )
    shape = struct.unpack(f">{axes}I", data[4:header_bytes])
    if len(data) != header_bytes + prod(shape):
        raise DatasetError(
            f"{path}: expected {header_bytes + prod(shape)} bytes for shape "
            f"{'x'.join(map(str, shape))}, found {len(data)}; the file is truncated or damaged, "
            "fetch it again"
        )
    return np.frombuffer(data, np.uint8, offset=header_bytes).reshape(shape)


def _read_bytes(path: Path) -> bytes:
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as stream:
                return stream.read()
        return path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{path}: expected a readable{' gzip' if path.suffix == '.gz' else ''} file, found: "
            f"{error}; the file is truncated or damaged, fetch it again"
        ) from error


@dataclass(frozen=True)
class IdxPair:
    """An image file and the label file that belongs to it.

    Attributes:
        images: IDX file with 3 axes.
        labels: IDX file with 1 axis.
        size: Height and width that the images must have; None: any.
        count: How many there must be; None: any number above 0.
    """

    images: Path
    labels: Path
    size: tuple[int, int] | None = None
    count: int | None = None

    def read(self, class_count: int | None) -> Split:
        """Images [n, H, W, 1] and labels 0 .. class_count - 1, each of which must occur.

        Args:
            class_count: None: one more than the largest label.
        """
        pixels, indices = self._arrays()
        if class_count is None:
            class_count = int(indices.max()) + 1
        check_label_range(indices, class_count, self.labels)
        split = Split(pixels[..., np.newaxis], indices.astype(np.int64))
        check_every_class(split.labels, [str(i) for i in range(class_count)], self.labels)
        return split

    def check(self) -> None:
        """Checks what ``read`` checks but for the label values, which it does not look at."""
        self._arrays()

    def _arrays(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        pixels, indices = read_idx(self.images, 3), read_idx(self.labels, 1)
        check_counts(len(pixels), len(indices), f"{self.images} and {self.labels.name}")
        count, height, width = pixels.shape
        if self.size is not None and self.size != (height, width):
            raise DatasetError(
                f"{self.images}: expected images of {self.size[0]}x{self.size[1]}, found "
                f"{height}x{width}; the file belongs to another data set"
            )
        if pixels.size == 0 or self.count not in (None, count):
            raise DatasetError(
                f"{self.images}: expected {self.count or 'at least one'} images, found {count}; "
                "fetch the official file"
            )
        return pixels, indices
