"""How stored weights are written: a byte each, or as indices into the few values that they take."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .bits import Bytes, pack, unpack

Int8 = NDArray[np.int8]


class Values(Protocol):
    """One way to write stored weights."""

    @property
    def name(self) -> str:
        """Part of the encoding's name; empty for a byte each."""
        ...

    @property
    def has_table(self) -> bool:
        """Whether what is written are places in a table of values."""
        ...

    def byte_count(self, stored: int, distinct: int) -> int | None:
        """Bytes of ``stored`` weights of ``distinct`` different values; None where impossible."""
        ...

    def encode(self, stored: Int8, table: Int8) -> tuple[Int8 | Bytes, Int8]:
        """(weights or indices, codebook) of stored weights [n].

        Args:
            stored: The weights.
            table: Ascending values; those of the weights are among them.
        """
        ...

    def decode(self, data: Int8 | Bytes, codebook: Int8, count: int) -> Int8:
        """The stored weights [count]."""
        ...


@dataclass(frozen=True)
class Plain:
    """One byte each."""

    name: str = ""
    has_table: bool = False

    def byte_count(self, stored: int, distinct: int) -> int:
        """One byte each."""
        return stored

    def encode(self, stored: Int8, table: Int8) -> tuple[Int8, Int8]:
        """The weights themselves; no codebook."""
        return stored.copy(), np.zeros(0, np.int8)

    def decode(self, data: Int8 | Bytes, codebook: Int8, count: int) -> Int8:
        """The weights themselves."""
        return data.astype(np.int8)


@dataclass(frozen=True)
class Codebook:
    """Indices of ``bits`` bits into a table of at most 2^bits values, its own or a shared one."""

    bits: int
    has_table: bool = True

    @property
    def name(self) -> str:
        """Such as "codebook3"."""
        return f"codebook{self.bits}"

    def byte_count(self, stored: int, distinct: int) -> int | None:
        """The packed indices and the table."""
        if distinct > 1 << self.bits:
            return None
        return (self.bits * stored + 7) // 8 + distinct

    def encode(self, stored: Int8, table: Int8) -> tuple[Bytes, Int8]:
        """The packed indices, and the table."""
        return pack(np.searchsorted(table, stored).astype(np.uint8), self.bits), table

    def decode(self, data: Int8 | Bytes, codebook: Int8, count: int) -> Int8:
        """The table's entries."""
        found: Int8 = codebook[unpack(data.astype(np.uint8), self.bits, count)]
        return found
