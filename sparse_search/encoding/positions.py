"""Which weights of a layer are stored: all, or those that a bitmap, gaps or lists say.

    nonzero   which weights are not zero, bool [rows, columns]; a row is one output channel
    stored    which weights are stored, bool [rows, columns]; at least the nonzero ones

Every way says how it writes ``stored`` as bytes and reads it again, and how many bytes and stored
weights there are at most if only the counts of weights and nonzeros are known.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .bits import Bytes, pack, unpack

Mask = NDArray[np.bool_]


class Positions(Protocol):
    """One way to say which weights are stored."""

    @property
    def name(self) -> str:
        """Part of the encoding's name; empty where every weight is stored."""
        ...

    def stored(self, nonzero: Mask) -> Mask:
        """Which weights are stored, [rows, columns]."""
        ...

    def encode(self, nonzero: Mask) -> Bytes | None:
        """``stored`` as bytes; None where it cannot be written this way."""
        ...

    def decode(self, data: Bytes, shape: tuple[int, int]) -> Mask:
        """``stored`` of weights [rows, columns] from ``encode``'s bytes."""
        ...

    def bound(self, count: int, nonzeros: int) -> tuple[int, int] | None:
        """(bytes, stored weights) at most, wherever the nonzeros are; None if not known."""
        ...


@dataclass(frozen=True)
class Dense:
    """Every weight is stored; no bytes are needed to say so."""

    name: str = ""

    def stored(self, nonzero: Mask) -> Mask:
        """All."""
        return np.ones_like(nonzero)

    def encode(self, nonzero: Mask) -> Bytes:
        """Nothing."""
        return np.zeros(0, np.uint8)

    def decode(self, data: Bytes, shape: tuple[int, int]) -> Mask:
        """All."""
        return np.ones(shape, np.bool_)

    def bound(self, count: int, nonzeros: int) -> tuple[int, int]:
        """Exact."""
        return 0, count


@dataclass(frozen=True)
class Bitmap:
    """One bit per weight of the flattened row-major array, least significant bit first."""

    name: str = "bitmap"

    def stored(self, nonzero: Mask) -> Mask:
        """The nonzero ones."""
        return nonzero

    def encode(self, nonzero: Mask) -> Bytes:
        """ceil(weights / 8) bytes; a set bit marks a stored weight."""
        return np.packbits(nonzero.reshape(-1), bitorder="little")

    def decode(self, data: Bytes, shape: tuple[int, int]) -> Mask:
        """The bits."""
        count = shape[0] * shape[1]
        bits = np.unpackbits(data, count=count, bitorder="little")
        return bits.astype(np.bool_).reshape(shape)

    def bound(self, count: int, nonzeros: int) -> tuple[int, int]:
        """Exact."""
        return (count + 7) // 8, nonzeros


@dataclass(frozen=True)
class Gaps:
    """How many zeros lie before each nonzero weight, and before the end of the array.

    Of the flattened row-major array, in codes of ``bits`` bits. The largest code stands for as many
    zeros and is followed by another code of the same gap.
    """

    bits: int

    @property
    def name(self) -> str:
        """Such as "gaps4"."""
        return f"gaps{self.bits}"

    @property
    def escape(self) -> int:
        """The largest code."""
        return (1 << self.bits) - 1

    def stored(self, nonzero: Mask) -> Mask:
        """The nonzero ones."""
        return nonzero

    def encode(self, nonzero: Mask) -> Bytes:
        """ceil(bits * codes / 8) bytes."""
        places = np.flatnonzero(np.append(nonzero.reshape(-1), True))
        gaps = np.diff(places, prepend=-1) - 1
        escapes, rest = np.divmod(gaps, self.escape)
        last = np.cumsum(escapes + 1) - 1
        codes = np.full(last[-1] + 1, self.escape, np.uint8)
        codes[last] = rest
        return pack(codes, self.bits)

    def decode(self, data: Bytes, shape: tuple[int, int]) -> Mask:
        """Each code that is not the largest ends a gap; the last gap ends the array."""
        count = shape[0] * shape[1]
        stored = np.zeros(count + 1, np.bool_)
        place = 0
        for code in unpack(data, self.bits, 8 * len(data) // self.bits).tolist():
            place += code
            if code < self.escape:
                stored[place] = True
                if place == count:
                    break
                place += 1
        return stored[:count].reshape(shape)

    def bound(self, count: int, nonzeros: int) -> tuple[int, int]:
        """The gaps add up to the zeros; all escapes together are the most in one gap."""
        codes = nonzeros + 1 + (count - nonzeros) // self.escape
        return (self.bits * codes + 7) // 8, nonzeros


@dataclass(frozen=True)
class Lists:
    """For each row the number of its nonzero weights, then their columns.

    Each number has ``bytes_each`` bytes, the least significant one first.
    """

    bytes_each: int

    @property
    def name(self) -> str:
        """Such as "lists8"."""
        return f"lists{8 * self.bytes_each}"

    def stored(self, nonzero: Mask) -> Mask:
        """The nonzero ones."""
        return nonzero

    def encode(self, nonzero: Mask) -> Bytes | None:
        """bytes_each * (rows + nonzeros) bytes; None where a number does not fit."""
        counts = nonzero.sum(axis=1)
        rows, columns = np.nonzero(nonzero)
        if max(counts.max(initial=0), columns.max(initial=0)) >= 1 << (8 * self.bytes_each):
            return None
        starts = np.searchsorted(rows, np.arange(len(nonzero)))
        numbers = np.insert(columns, starts, counts).astype("<u4")
        return np.ascontiguousarray(
            numbers.view(np.uint8).reshape(-1, 4)[:, : self.bytes_each]
        ).reshape(-1)

    def decode(self, data: Bytes, shape: tuple[int, int]) -> Mask:
        """Row by row."""
        scale = 1 << (8 * np.arange(self.bytes_each))
        numbers = (data.reshape(-1, self.bytes_each) * scale).sum(axis=1)
        stored = np.zeros(shape, np.bool_)
        place = 0
        for row in stored:
            end = place + 1 + numbers[place]
            row[numbers[place + 1 : end]] = True
            place = end
        return stored

    def bound(self, count: int, nonzeros: int) -> None:
        """Depends on the rows."""


@dataclass(frozen=True)
class Columns:
    """Columns that no row needs are left out; of the others every weight is stored, zeros too.

    A column is an input of a fully connected layer, or a tap of a convolution. ``inner`` says once,
    for all rows, which columns are kept.
    """

    inner: Bitmap | Gaps

    @property
    def name(self) -> str:
        """Such as "columns_bitmap"."""
        return f"columns_{self.inner.name}"

    def stored(self, nonzero: Mask) -> Mask:
        """Every weight of the columns that have a nonzero one."""
        return np.broadcast_to(_used(nonzero), nonzero.shape)

    def encode(self, nonzero: Mask) -> Bytes:
        """The kept columns."""
        return self.inner.encode(_used(nonzero))

    def decode(self, data: Bytes, shape: tuple[int, int]) -> Mask:
        """The kept columns, repeated for every row."""
        return np.broadcast_to(self.inner.decode(data, (1, shape[1])), shape)

    def bound(self, count: int, nonzeros: int) -> None:
        """Depends on the columns."""


def _used(nonzero: Mask) -> Mask:
    """Columns that have a nonzero weight, [1, columns]."""
    return np.logical_or.reduce(nonzero, axis=0, keepdims=True)
