"""Arrays of which most numbers are 0, in a file: which numbers are not, a bit each, and those.

A network that loses 95 % of its weights would otherwise keep a file as large as before.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import QuantizationError

Array = NDArray[Any]

_PLACES, _VALUES = "places", "values"


def pack(name: str, numbers: NDArray[np.int8]) -> dict[str, Array]:
    """What to store of an array, by name: itself, or places and values where that is smaller.

    >>> sorted(pack("w", np.array([[0, 0, 0, 5], [0, 0, 0, 0]], np.int8)))
    ['w.places', 'w.values']
    """
    chosen = numbers.ravel() != 0
    places, values = np.packbits(chosen), numbers.ravel()[chosen]
    if len(places) + len(values) >= numbers.size:
        return {name: numbers}
    return {f"{name}.{_PLACES}": places, f"{name}.{_VALUES}": values}


def unpack(name: str, stored: Mapping[str, Array], shape: tuple[int, ...]) -> Array:
    """The array that ``pack`` was given.

    Args:
        name: Of the array.
        stored: What was stored, among others.
        shape: Of the array, where it was packed.

    Raises:
        KeyError: Nothing of that name is stored.
        QuantizationError: Places and values do not belong to each other or to the shape.
    """
    if name in stored:
        return stored[name]
    places, values = stored[f"{name}.{_PLACES}"], stored[f"{name}.{_VALUES}"]
    numbers = np.zeros(int(np.prod(shape)), dtype=values.dtype)
    chosen = np.unpackbits(places, count=len(numbers)).astype(bool)
    if len(places) != (len(numbers) + 7) // 8 or int(chosen.sum()) != len(values):
        raise QuantizationError(
            f"{name}: expected {int(chosen.sum())} values at the places of {shape}, got "
            f"{len(values)}; restore the file"
        )
    numbers[chosen] = values
    return numbers.reshape(shape)
