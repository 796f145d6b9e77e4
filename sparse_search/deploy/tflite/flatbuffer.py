"""Flatbuffers from values: tables are data, and one recursive function writes them.

Every field that a table names is written, also where it has the schema's default, so that a reader
needs to know no defaults.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import flatbuffers
import numpy as np
from numpy.typing import NDArray

_DATA_ALIGNMENT_BYTES = 16
"""Of constant data, which interpreters read in place."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """An integer that stands in the table itself."""

    kind: Literal["int8", "uint8", "int32", "uint32"]
    value: int


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A vector of numbers; a view of bytes begins at a multiple of 16.

    Attributes:
        values: [n], of the element type that the schema gives the field.
    """

    values: NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table; fields by slot."""

    fields: Mapping[int, "Field"]


Field: TypeAlias = Scalar | Numbers | str | Table | tuple[Table, ...]
Fields: TypeAlias = dict[int, Field]


def serialize(root: Table, identifier: bytes) -> bytes:
    """The bytes of a flatbuffer.

    Args:
        root: Its root table.
        identifier: Four bytes that name the kind of file.
    """
    builder = flatbuffers.Builder(1024)
    builder.Finish(_table(builder, root), file_identifier=identifier)
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, table: Table) -> int:
    """Writes a table and all that it refers to; returns its offset."""
    # What a table refers to must lie behind it, and the builder works from the end.
    offsets = {
        slot: _reference(builder, field)
        for slot, field in table.fields.items()
        if not isinstance(field, Scalar)
    }
    builder.StartObject(max(table.fields, default=-1) + 1)
    for slot, field in table.fields.items():
        if isinstance(field, Scalar):
            getattr(builder, f"Prepend{field.kind.capitalize()}")(field.value)
        else:
            builder.PrependUOffsetTRelative(offsets[slot])
        builder.Slot(slot)
    return int(builder.EndObject())


def _reference(
    builder: flatbuffers.Builder, field: Numbers | str | Table | tuple[Table, ...]
) -> int:
    if isinstance(field, str):
        return int(builder.CreateString(field))
    if isinstance(field, Table):
        return _table(builder, field)
    if isinstance(field, tuple):
        offsets = [_table(builder, table) for table in field]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())
    if field.values.dtype == np.uint8:
        return _aligned(builder, field.values)
    return int(builder.CreateNumpyVector(field.values))


def _aligned(builder: flatbuffers.Builder, values: NDArray[np.uint8]) -> int:
    builder.StartVector(1, len(values), _DATA_ALIGNMENT_BYTES)
    for value in reversed(values.tolist()):
        builder.PrependByte(value)
    return int(builder.EndVector())
