"""One image file as pixels: whatever Pillow decodes becomes uint8 of one size and colour.

| in the file | becomes |
|---|---|
| EXIF orientation | the picture as it is shown |
| several frames or pages | the first one |
| palette, CMYK, YCbCr, 1 bit | RGB or grey |
| 16 bits a channel | 8 bits: v / 257, rounded |
| transparency | what is seen before white |
| colour, where grey is asked for | luma, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) |
| another size | the whole image scaled to it, by an antialiasing (triangle) filter |

Height and width are scaled separately: nothing is cut off, and proportions may change. Colour
profiles are not applied. Of a JPEG file that is much larger than the size asked for, an eighth, a
quarter or half of the resolution is decoded, at least twice what is needed.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .image_listing import image_formats

# What Pillow raises for files that it cannot read. SyntaxError: a broken PNG.
UNREADABLE = (
    *(OSError, EOFError, SyntaxError, ValueError, IndexError, KeyError, TypeError, OverflowError),
    *(AttributeError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError),
)
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_WIDE_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True, slots=True)
class Header:
    """What the beginning of a file says.

    Attributes:
        height: In pixels, as the picture is shown.
        width: In pixels, as the picture is shown.
        is_grey: Whether the file can hold no colours.
    """

    height: int
    width: int
    is_grey: bool


def read_header(path: Path) -> Header:
    """Size and colour of an image, without decoding it.

    Raises:
        OSError: Or another of ``UNREADABLE``: the file is no image.
    """
    with _open(path) as image:
        width, height = image.size
        if _orientation(image) >= 5:
            width, height = height, width
        is_grey = image.mode in _GREY_MODES or (image.mode == "P" and _has_grey_palette(image))
        return Header(height, width, is_grey)


def decode(path: Path, size: tuple[int, int], grey: bool) -> NDArray[np.uint8]:
    """The pixels of an image, uint8 [height, width, 1 or 3].

    Args:
        path: An image file.
        size: (height, width) of the result.
        grey: Whether there is one channel.

    Raises:
        OSError: Or another of ``UNREADABLE``: the file is damaged, or no image.
    """
    height, width = size
    with _open(path) as opened:
        orientation = _orientation(opened)
        if opened.format == "JPEG":
            sides = (height, width) if orientation >= 5 else (width, height)
            opened.draft(opened.mode, (2 * sides[0], 2 * sides[1]))
        opened.load()
        image = _eight_bits(opened).convert("L" if grey else "RGB")
    if orientation in _TRANSPOSES:
        image = image.transpose(_TRANSPOSES[orientation])
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, np.uint8).reshape(height, width, 1 if grey else 3)


def _open(path: Path) -> Image.Image:
    return Image.open(path, formats=image_formats())


def _orientation(image: Image.Image) -> int:
    """1 to 8. TIFF is turned by Pillow; in a PNG only what stands before the pixels counts."""
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    found = image.getexif().get(_ORIENTATION, 1)
    return found if found in _TRANSPOSES else 1


def _has_grey_palette(image: Image.Image) -> bool:
    colours = np.array(image.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image with 8 bits a channel and without transparency."""
    if image.mode in _WIDE_MODES:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("has integers of more than 16 bits; save it with 8 or 16 bits")
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("has floating-point pixels; save it with 8 or 16 bits")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        seen = image.convert("RGBA")
        white = Image.new("RGBA", seen.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, seen)
    return image
