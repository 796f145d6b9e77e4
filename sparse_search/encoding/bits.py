"""Fields of a fixed width packed into bytes, least significant bit first, without gaps."""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def pack(fields: Bytes, width: int) -> Bytes:
    """Packs numbers below 2^width.

    >>> pack(np.array([1, 2, 7], np.uint8), 3).tolist()
    [209, 1]

    Args:
        fields: [n].
        width: Bits of one field, 1 .. 8.

    Returns:
        [ceil(width * n / 8)]; the bits after the last field are zero.
    """
    bits = (fields[:, None] >> np.arange(width, dtype=np.uint8)) & 1
    return np.packbits(bits.reshape(-1), bitorder="little")


def unpack(data: Bytes, width: int, count: int) -> Bytes:
    """The first ``count`` fields of ``pack``'s bytes, [count]."""
    bits = np.unpackbits(data, count=width * count, bitorder="little").reshape(count, width)
    weights = (1 << np.arange(width)).astype(np.uint8)
    fields: Bytes = (bits * weights).sum(axis=1, dtype=np.uint8)
    return fields
