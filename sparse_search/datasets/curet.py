"""curet: patches of the 61 textures of CUReT, from the cropped grey images of the Oxford VGG.

The archive curetgrey unpacks to 61 class folders of 92 images, 200 x 200 pixels each. A quarter of
the images of each texture, 23 of 92, is the test split (1403 images, as many as in the Bonsai
paper), always the same; the validation split is cut off by the seed. An image gives four patches at
random places, which never change, and all of them are in the split of the image. An error counts
patches. K. J. Dana et al.: Reflectance and texture of real-world surfaces (1999).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .image_decoding import UNREADABLE, decode, read_header
from .image_listing import Listing, list_classes
from .published import find_published
from .source import RawDataset, Source
from .split import Split
from .stratify import TEST_SPLIT_SEED, grouped_split

TEST_FRACTION = 0.25
FOLDERS = ("curet/curetgrey", "curetgrey", "curet")


@dataclass(frozen=True)
class CuretRelease:
    """How the images are read.

    Attributes:
        class_count: Class folders that there must be.
        patch_px: Height and width of a patch.
        patches: Patches of an image.
    """

    class_count: int = 61
    patch_px: int = 32
    patches: int = 4


CURET = CuretRelease()


def load_release(release: CuretRelease, data_dir: Path) -> RawDataset:
    """Reads the images outside the test split.

    Raises:
        DatasetError: There are not 61 class folders, or an image is damaged or too small.
        DatasetMissingError: The folder is not there.
    """
    what = f"the archive curetgrey, unpacked: {release.class_count} folders of grey images"
    listing = list_classes(find_published(data_dir, FOLDERS, what))
    if len(listing.class_names) != release.class_count:
        raise DatasetError(
            f"{listing.root}: expected {release.class_count} class folders, found "
            f"{len(listing.class_names)}; unpack the archive again"
        )
    images = np.arange(len(listing.files))
    rest, test = grouped_split(listing.labels, images, TEST_FRACTION, TEST_SPLIT_SEED, listing.root)
    return RawDataset(
        name="curet",
        class_names=listing.class_names,
        train=_patches(listing, rest, release),
        open_test=partial(_patches, listing, test, release),
        groups=np.repeat(rest.astype(np.int64), release.patches),
        remarks=(
            f"curet has no official split: {len(test)} images are the test split, fixed and our "
            f"own; errors count patches of {release.patch_px} pixels, {release.patches} an image",
        ),
    )


def _patches(listing: Listing, indices: NDArray[np.intp], release: CuretRelease) -> Split:
    """The patches of some images, those of an image one after the other."""
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(partial(_patches_of, listing, release), indices))
    labels = np.repeat(listing.labels[indices], release.patches)
    files = [str(listing.files[i].relative_to(listing.root)) for i in indices]
    names = tuple(f"{file}, patch {k}" for file in files for k in range(release.patches))
    return Split(np.concatenate(found), labels, names)


def _patches_of(listing: Listing, release: CuretRelease, index: int) -> NDArray[np.uint8]:
    file, side = listing.files[index], release.patch_px
    try:
        header = read_header(file)
        image = decode(file, (header.height, header.width), grey=True)
    except UNREADABLE as error:
        raise DatasetError(f"{file}: cannot be read ({error}); unpack the archive again") from None
    height, width, _ = image.shape
    if min(height, width) < side:
        raise DatasetError(
            f"{file}: expected at least {side} x {side} pixels, found {height} x {width}; unpack "
            "the archive of cropped images"
        )
    generator = np.random.default_rng([TEST_SPLIT_SEED, index])
    tops = generator.integers(0, height - side + 1, release.patches)
    lefts = generator.integers(0, width - side + 1, release.patches)
    places = zip(tops.tolist(), lefts.tolist(), strict=True)
    return np.stack([image[top : top + side, left : left + side] for top, left in places])


SOURCES = (Source("curet", partial(load_release, CURET)),)
