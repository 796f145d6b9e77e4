"""EncodedWeights: the weights of one layer as they lie in flash, and back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import MemoryPlanError
from .bits import Bytes
from .choice import check_weights
from .encodings import ENCODINGS


@dataclass(frozen=True, eq=False)
class EncodedWeights:
    """The weights of one layer as they lie in flash.

    Attributes:
        kind: Name of the encoding.
        shape: (rows, columns) of the weights; rows are output channels.
        positions: Says which weights are stored, uint8 [bytes]; empty where all are.
        values: Stored weights, int8 [stored], or packed indices into the codebook, uint8 [bytes].
        codebook: Values that indices stand for, int8 [values]; empty without one.
    """

    kind: str
    shape: tuple[int, int]
    positions: Bytes
    values: NDArray[np.int8] | Bytes
    codebook: NDArray[np.int8]

    @property
    def bytes(self) -> int:
        """Bytes in flash."""
        return self.positions.nbytes + self.values.nbytes + self.codebook.nbytes

    def decode(self) -> NDArray[np.int8]:
        """The weights, int8 [rows, columns]; the inverse of ``encode_as``."""
        encoding = ENCODINGS[self.kind]
        stored = encoding.positions.decode(self.positions, self.shape)
        weights = np.zeros(self.shape, np.int8)
        weights[stored] = encoding.values.decode(self.values, self.codebook, int(stored.sum()))
        return weights


def encode_as(
    kind: str, weights: NDArray[np.int8], table: NDArray[np.int8] | None = None
) -> EncodedWeights:
    """Stores weights in a given encoding.

    Args:
        kind: Name of the encoding.
        weights: int8 [rows, columns]; rows are output channels.
        table: Ascending values of a codebook that has all that are stored; None for just those.

    Raises:
        MemoryPlanError: There is no such encoding, it cannot hold these weights, some of them are
            not in the table, or they are not a two-dimensional int8 array.
    """
    if kind not in ENCODINGS:
        raise MemoryPlanError(
            f"expected an encoding among {', '.join(ENCODINGS)}, got {kind!r}; choose one of them"
        )
    check_weights(weights)
    encoding, nonzero = ENCODINGS[kind], weights != 0
    positions, chosen = encoding.positions.encode(nonzero), encoding.positions.stored(nonzero)
    stored = weights[chosen]
    held = np.unique(stored) if table is None else table
    fits = encoding.values.byte_count(stored.size, len(held)) is not None
    if positions is None or not fits or not np.isin(stored, held).all():
        raise MemoryPlanError(
            f"expected weights that {kind} can hold, got {len(np.unique(weights))} different "
            f"values in {weights.shape[0]} rows of {weights.shape[1]}"
            + ("" if table is None else f" and a table of {len(table)} values")
            + "; choose another encoding"
        )
    values, codebook = encoding.values.encode(stored, held)
    return EncodedWeights(kind, (weights.shape[0], weights.shape[1]), positions, values, codebook)
