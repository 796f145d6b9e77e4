"""Input transforms that are folded out in front of a network, as SpArSe did with its 9x9 images.

The network then sees the smaller image; whoever deploys it shrinks the camera's image first.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparse_search.dataset import Dataset, Split

Images = NDArray[np.uint8]

_LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue (ITU-R BT.601)."""


@dataclass(frozen=True, slots=True)
class View:
    """What is done to an image before the network sees it.

    Attributes:
        factor: Side of the squares of pixels that are averaged; what is left at the lower and the
            right edge is cut off.
        grey: Whether colours are joined to one channel.
    """

    factor: int = 1
    grey: bool = False

    @property
    def text(self) -> str:
        """In words, such as "averaged 2x2, grey"; empty for nothing."""
        shrunk = [f"averaged {self.factor}x{self.factor}"] if self.factor > 1 else []
        return ", ".join(shrunk + (["grey"] if self.grey else []))

    def images(self, images: Images) -> Images:
        """Images [n, h, w, c] as the network sees them, rounded to bytes.

        >>> View(2).images(np.arange(8, dtype=np.uint8).reshape(1, 2, 4, 1)).ravel().tolist()
        [2, 4]
        """
        count, height, width, channels = images.shape
        high, wide, side = height // self.factor, width // self.factor, self.factor
        parts = []
        for chunk in np.array_split(images, max(1, count // 1000)):
            values = chunk[:, : high * side, : wide * side].astype(np.float64)
            if self.grey and channels == 3:
                values = (values @ _LUMA)[..., None]
            values = values.reshape(len(chunk), high, side, wide, side, -1).mean((2, 4))
            parts.append(np.rint(values).astype(np.uint8))
        return np.concatenate(parts)

    def split(self, split: Split) -> Split:
        """The same with a split's images."""
        return Split(self.images(split.images), split.labels)

    def dataset(self, dataset: Dataset) -> Dataset:
        """The data set as networks see it; the very one if nothing is done."""
        if self == View():
            return dataset
        opener = dataset.test_opener
        return replace(
            dataset,
            train=self.split(dataset.train),
            validation=self.split(dataset.validation),
            remarks=(*dataset.remarks, f"images {self.text}"),
            test_opener=None if opener is None else lambda: self.split(opener()),
        )
