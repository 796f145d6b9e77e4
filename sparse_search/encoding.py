"""How the int8 weights of one layer are stored in flash: the encoding with the fewest bytes.

Encodings:
    dense    every weight, one byte each
    bitmap   one bit per weight over the flattened row-major array (least significant bit first,
             ceil(n / 8) bytes), then the nonzero weights in order, one byte each

A pruned weight counts only if the bytes go down: a layer that is hardly sparse stays dense. Each
encoding is one ``Encoding`` in ``_ENCODINGS``; of two with equal bytes the earlier one is taken.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import MemoryPlanError

EncodingKind: TypeAlias = Literal["dense", "bitmap"]


@dataclass(frozen=True, eq=False)
class EncodedWeights:
    """The weights of one layer as they lie in flash.

    Attributes:
        kind: Name of the encoding.
        shape: (rows, columns) of the weights.
        values: Stored weights, int8 [stored].
        bitmap: Which weights are stored, uint8 [ceil(rows * columns / 8)]; empty where all are.
    """

    kind: EncodingKind
    shape: tuple[int, int]
    values: NDArray[np.int8]
    bitmap: NDArray[np.uint8]

    @property
    def bytes(self) -> int:
        """Bytes in flash."""
        return self.values.nbytes + self.bitmap.nbytes

    def decode(self) -> NDArray[np.int8]:
        """The weights, int8 [rows, columns]; the inverse of ``encode_weights``."""
        return _ENCODINGS[self.kind].decode(self).reshape(self.shape)


@dataclass(frozen=True)
class Encoding:
    """One way to store weights.

    Attributes:
        byte_count: Bytes from (number of weights, number of nonzeros).
        encode: (values, bitmap) of flattened weights, int8 [weights].
        decode: Flattened weights, int8 [weights].
    """

    byte_count: Callable[[int, int], int]
    encode: Callable[[NDArray[np.int8]], tuple[NDArray[np.int8], NDArray[np.uint8]]]
    decode: Callable[[EncodedWeights], NDArray[np.int8]]


def _encode_bitmap(flat: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
    stored = flat != 0
    return flat[stored], np.packbits(stored, bitorder="little")


def _decode_bitmap(encoded: EncodedWeights) -> NDArray[np.int8]:
    count = prod(encoded.shape)
    stored = np.unpackbits(encoded.bitmap, count=count, bitorder="little").astype(bool)
    flat = np.zeros(count, np.int8)
    flat[stored] = encoded.values
    return flat


_DENSE = Encoding(
    byte_count=lambda count, nonzeros: count,
    encode=lambda flat: (flat.copy(), np.zeros(0, np.uint8)),
    decode=lambda encoded: encoded.values.copy(),
)
_BITMAP = Encoding(
    byte_count=lambda count, nonzeros: (count + 7) // 8 + nonzeros,
    encode=_encode_bitmap,
    decode=_decode_bitmap,
)
_ENCODINGS: dict[EncodingKind, Encoding] = {"dense": _DENSE, "bitmap": _BITMAP}

ALL_ENCODINGS: tuple[EncodingKind, ...] = tuple(_ENCODINGS)
DENSE_ONLY: tuple[EncodingKind, ...] = ("dense",)


def allowed_encodings(operator_kind: str) -> tuple[EncodingKind, ...]:
    """Encodings that the exported kernels can read for an operator of this kind.

    >>> allowed_encodings("depthwise_conv2d"), allowed_encodings("dense")
    (('dense',), ('dense', 'bitmap'))
    """
    return DENSE_ONLY if operator_kind == "depthwise_conv2d" else ALL_ENCODINGS


def encoded_bytes(
    weight_count: int, nonzeros: int, allowed: tuple[EncodingKind, ...] = ALL_ENCODINGS
) -> tuple[EncodingKind, int]:
    """The encoding that ``encode_weights`` would choose, and its bytes, from counts alone.

    >>> encoded_bytes(800, 100), encoded_bytes(800, 700)
    (('bitmap', 200), ('dense', 800))

    Raises:
        MemoryPlanError: Not 0 <= nonzeros <= weight_count.
    """
    if not 0 <= nonzeros <= weight_count:
        raise MemoryPlanError(f"expected 0 <= nonzeros <= {weight_count} weights, got {nonzeros}")
    bytes_, kind = min(_sizes(weight_count, nonzeros, allowed), key=lambda size: size[0])
    return kind, bytes_


def encode_weights(
    weights: NDArray[np.int8], allowed: tuple[EncodingKind, ...] = ALL_ENCODINGS
) -> EncodedWeights:
    """Stores weights in the allowed encoding with the fewest bytes.

    Args:
        weights: int8 [rows, columns]; rows are output channels.
        allowed: Encodings to choose from.

    Raises:
        MemoryPlanError: Not a two-dimensional int8 array.
    """
    if weights.dtype != np.int8 or weights.ndim != 2:
        raise MemoryPlanError(
            f"expected int8 weights [rows, columns], got {weights.dtype} {weights.shape}; "
            "reshape convolutions to [out_channels, -1]"
        )
    kind, _ = encoded_bytes(weights.size, int(np.count_nonzero(weights)), allowed)
    values, bitmap = _ENCODINGS[kind].encode(weights.ravel())
    return EncodedWeights(kind, (weights.shape[0], weights.shape[1]), values, bitmap)


def _sizes(
    weight_count: int, nonzeros: int, allowed: tuple[EncodingKind, ...]
) -> Iterator[tuple[int, EncodingKind]]:
    for kind in allowed:
        yield _ENCODINGS[kind].byte_count(weight_count, nonzeros), kind
