"""How numbers become pixels: one affine map for a whole data set, the same for every element.

Where the last axis of the source has units of its own, such as the columns of a table, each place
on it has its own map.

| symbol | meaning |
|---|---|
| v | a number of the source (a grey value, a feature) |
| (low, high) | the input map: the numbers that become pixel 0 and pixel 255 |
| u | pixel, uint8: round(255 (v - low) / (high - low)), clipped to 0 .. 255 |
| u / 255 | the real number that a network sees |
| u - 128 | the int8 number that a deployed model sees (scale 1/255, zero point -128) |

uint8 arrays are pixels already: their input map is (0, 255). A tie is rounded to the even pixel.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .split import Images

InputMap: TypeAlias = tuple[float, float] | tuple[tuple[float, ...], tuple[float, ...]]
PIXELS: InputMap = (0.0, 255.0)
# Outliers make a few times of difference; pixels and fractions differ by 255.
_MOST_SCALE_RATIO = 16.0


def fit_input_map(values: NDArray[Any], where: object) -> InputMap:
    """The range of ``values``, or ``PIXELS`` where they are uint8.

    Raises:
        DatasetError: Not numbers, not finite, or all the same.
    """
    _check_numbers(values, where)
    if values.dtype == np.uint8:
        return PIXELS
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise DatasetError(
            f"{where}: expected images that differ, found {low:g} everywhere; the array was "
            "probably never filled"
        )
    return low, high


def fit_column_map(values: NDArray[Any], where: object) -> InputMap:
    """The range of each column of features [n, C]; that of a constant column begins at it.

    >>> fit_column_map(np.array([[0.0, 7.0], [50.0, 7.0]]), "table")
    ((0.0, 7.0), (50.0, 8.0))

    Raises:
        DatasetError: Not numbers, not finite, or no column varies.
    """
    _check_numbers(values, where)
    low, high = values.min(axis=0).astype(np.float64), values.max(axis=0).astype(np.float64)
    if (low == high).all():
        raise DatasetError(
            f"{where}: expected at least one column that varies, found none; the table was "
            "probably never filled"
        )
    return tuple(low.tolist()), tuple(np.where(high > low, high, low + 1.0).tolist())


def map_remark(input_map: InputMap, name: str) -> str | None:
    """Says by which range numbers become pixels, where they are none."""
    if input_map == PIXELS:
        return None
    low, high = input_map
    return (
        f"the numbers of {name} are mapped to 0 .. 255 by their range, {low:g} .. {high:g}; only "
        "uint8 arrays are taken as pixels"
    )


def scale_remark(training: NDArray[Any], other: NDArray[Any], names: tuple[str, str]) -> str | None:
    """Says that two splits seem to be on different scales; None where they do not.

    >>> scale_remark(np.array([0, 255]), np.array([0.0, 1.0]), ("x_train", "x_test"))
    'x_train lies in 0 .. 255, x_test in 0 .. 1: were both prepared in the same way?'
    """
    ranges = [(float(values.min()), float(values.max())) for values in (training, other)]
    spans = sorted(high - low for low, high in ranges)
    if not np.isfinite(spans).all() or spans[1] <= _MOST_SCALE_RATIO * spans[0]:
        return None
    ours, theirs = (f"{low:g} .. {high:g}" for low, high in ranges)
    return f"{names[0]} lies in {ours}, {names[1]} in {theirs}: were both prepared in the same way?"


def to_pixels(values: NDArray[Any], input_map: InputMap, where: object) -> Images:
    """Pixels [n, H, W, C] of numbers [n, H, W, C], [n, H, W] or features [n, C].

    >>> to_pixels(np.array([[0.0, 8.0, 16.0]]), (0.0, 16.0), "digits").tolist()
    [[[[0, 128, 255]]]]
    """
    _check_numbers(values, where)
    if values.dtype == np.uint8 and input_map == PIXELS:
        return _with_image_axes(values, where)
    low, high = np.asarray(input_map[0]), np.asarray(input_map[1])
    if low.ndim and len(low) != values.shape[-1]:
        raise DatasetError(
            f"{where}: expected {len(low)} numbers on the last axis as in training, found "
            f"{values.shape[-1]}; prepare all splits in the same way"
        )
    scaled = (values.astype(np.float64) - low) * 255.0 / (high - low)
    pixels: Images = np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)
    return _with_image_axes(pixels, where)


def _check_numbers(values: NDArray[Any], where: object) -> None:
    if values.dtype.kind not in "uifb":
        raise DatasetError(
            f"{where}: expected an array of real numbers, found {values.dtype}; convert it with "
            "astype before saving"
        )
    if values.size == 0:
        raise DatasetError(
            f"{where}: expected at least one image, found shape {values.shape}; the array is empty"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        wrong = np.argwhere(~np.isfinite(values))
        raise DatasetError(
            f"{where}: expected finite numbers, found {len(wrong)} NaN or infinite, the first at "
            f"index {tuple(int(i) for i in wrong[0])}; remove or repair these examples"
        )


def _with_image_axes(values: Images, where: object) -> Images:
    if values.ndim == 4:
        _, first, second, third = values.shape
        if first in (1, 3) and second == third and third > 4:
            raise DatasetError(
                f"{where}: expected axes [n, height, width, channels], found shape {values.shape}, "
                "which looks like channels first; convert it with transpose(0, 2, 3, 1)"
            )
        return values
    if values.ndim == 3:
        return values[..., np.newaxis]
    if values.ndim == 2:
        return values[:, np.newaxis, np.newaxis, :]
    raise DatasetError(
        f"{where}: expected [n, height, width, channels], [n, height, width] or features "
        f"[n, channels], found shape {values.shape}; reshape the array"
    )
