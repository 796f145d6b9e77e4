"""Split: images with their labels, and the checks that every loader shares.

Every check names where the values came from (``where``: a file, or a split of a data set), what was
expected, what was found and what to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError

Images: TypeAlias = NDArray[np.uint8]
Labels: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Images and the class of each. The arrays are read-only views.

    Attributes:
        images: uint8 [n, height, width, channels], n >= 1.
        labels: int64 [n], class indices from 0.
        names: Where each image came from, such as its file; empty where nothing is known.
    """

    images: Images
    labels: Labels
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_array(self.images, np.uint8, 4, "images [n, height, width, channels]")
        _check_array(self.labels, np.int64, 1, "labels [n]")
        check_counts(len(self.images), len(self.labels), "this split")
        if self.names:
            check_counts(len(self.images), len(self.names), "names of this split")
        for name in ("images", "labels"):
            view = np.ascontiguousarray(getattr(self, name)).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def __reduce__(self) -> tuple[type["Split"], tuple[Images, Labels, tuple[str, ...]]]:
        """Rebuilds through the constructor, so a copy in another process is read-only too."""
        return Split, (self.images, self.labels, self.names)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.shape))
        return f"Split({len(self)} images of {shape})"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    def take(self, indices: NDArray[np.intp]) -> "Split":
        """The images and labels at ``indices`` [m], in that order."""
        names = tuple(self.names[i] for i in indices) if self.names else ()
        return Split(self.images[indices], self.labels[indices], names)


def _check_array(array: Any, dtype: type[np.generic], axes: int, what: str) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != axes:
        found = getattr(array, "dtype", type(array).__name__)
        raise DatasetError(
            f"expected {np.dtype(dtype)} {what}, found {found} with shape "
            f"{getattr(array, 'shape', '?')}; Dataset.from_arrays converts other arrays"
        )
    if 0 in array.shape:
        raise DatasetError(
            f"expected at least one element in {what}, found shape {array.shape}; "
            "an empty split cannot be used"
        )


def counted(count: int, what: str, several: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "cell"), counted(2, "cell"), counted(0, "class", "classes")
    ('1 cell', '2 cells', '0 classes')
    """
    return f"{count:,} {what if count == 1 else several or what + 's'}"


def check_counts(images: int, labels: int, where: object) -> None:
    """Refuses images and labels of different number."""
    if images != labels:
        raise DatasetError(
            f"{where}: expected one label per image, found {images} images and {labels} labels; "
            "use the two files (or arrays) that belong together"
        )


def check_label_range(labels: NDArray[Any], class_count: int, where: object) -> None:
    """Refuses integer labels outside 0 .. class_count - 1."""
    wrong = np.flatnonzero((labels < 0) | (labels >= class_count))
    if len(wrong):
        raise DatasetError(
            f"{where}: expected labels from 0 to {class_count - 1}, found {labels[wrong[0]]} at "
            f"position {wrong[0]} ({len(wrong)} outside in all); the file is damaged, or its "
            "labels are of another data set"
        )


def check_class_count(class_names: Sequence[str], where: object) -> None:
    """Refuses fewer than two classes."""
    if len(class_names) < 2:
        raise DatasetError(
            f"{where}: expected at least two classes, found {len(class_names)} "
            f"({', '.join(map(repr, class_names))}); a network tells classes apart: add "
            "examples of another one"
        )


def check_every_class(labels: Labels, class_names: Sequence[str], where: object) -> None:
    """Refuses labels in which a class has no example."""
    missing = np.flatnonzero(np.bincount(labels, minlength=len(class_names)) == 0)
    if len(missing):
        names = ", ".join(repr(class_names[i]) for i in missing[:5])
        raise DatasetError(
            f"{where}: expected examples of each of the {len(class_names)} classes, found none of "
            f"{names}{', …' if len(missing) > 5 else ''} "
            f"({counted(len(missing), 'class', 'classes')}); add examples, "
            "leave the class out and number the others from 0, or give the split a larger share"
        )


def class_indices(
    labels: NDArray[Any], class_names: tuple[str, ...] | None, where: object
) -> tuple[Labels, tuple[str, ...]]:
    """Class indices [n] and class names of integer or text labels [n] or [n, 1].

    Args:
        labels: Integers from 0, or texts.
        class_names: The classes in order; None takes the integers 0 .. max, or the sorted texts.
        where: The file or array that the labels came from, for messages.

    >>> class_indices(np.array(["yes", "no", "yes"]), None, "labels")
    (array([1, 0, 1]), ('no', 'yes'))
    """
    labels = np.asarray(labels)
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1 or flat.dtype.kind not in "iubU":
        raise DatasetError(
            f"{where}: expected integer or text labels [n], found {labels.dtype} with shape "
            f"{labels.shape}; turn one-hot rows into indices with argmax(axis=1), floats into "
            "integers with astype(int)"
        )
    if flat.size == 0:
        raise DatasetError(f"{where}: expected at least one label, found none; the file is empty")
    if flat.dtype.kind == "U":
        return _text_indices(flat, class_names, where)
    if class_names is None:
        _check_numbering(flat, where)
        # With more classes than examples, some class would have none.
        class_count = max(1, min(int(flat.max()) + 1, len(flat)))
        class_names = tuple(str(i) for i in range(class_count))
    check_label_range(flat, len(class_names), where)
    return flat.astype(np.int64), class_names


def _check_numbering(labels: NDArray[Any], where: object) -> None:
    """Refuses integer labels that do not number classes from 0 without a gap."""
    present = set(np.unique(labels).tolist())
    low, high = min(present), max(present)
    if low < 0:
        found = f"{low}"
    elif len(present) <= high:
        gaps = islice((str(i) for i in range(high) if i not in present), 5)
        found = f"none of {', '.join(map(repr, gaps))} among {low} to {high}"
    else:
        return
    raise DatasetError(
        f"{where}: expected integer labels that number the classes 0, 1, 2 and so on, found "
        f"{found}; number them so, such as with numpy.unique(labels, return_inverse=True)[1], or "
        "add examples"
    )


def _text_indices(
    texts: NDArray[np.str_], class_names: tuple[str, ...] | None, where: object
) -> tuple[Labels, tuple[str, ...]]:
    present, inverse = np.unique(texts, return_inverse=True)
    names = tuple(map(str, present)) if class_names is None else class_names
    index_of = {name: index for index, name in enumerate(names)}
    unknown = [str(text) for text in present if str(text) not in index_of]
    if unknown:
        raise DatasetError(
            f"{where}: expected labels among {', '.join(names[:10])}, found {unknown[0]!r}; "
            "correct the label, or add it to the class names"
        )
    table = np.array([index_of[str(text)] for text in present], dtype=np.int64)
    return table[inverse], names
