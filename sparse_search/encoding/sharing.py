"""One table of values that the codebooks of several layers share, so that flash holds it once."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .encodings import ENCODINGS

LARGEST_TABLE = 16
"""Values that the widest indices, those of 4 bits, can tell apart."""


def common_values(layers: Sequence[NDArray[np.int8]]) -> tuple[int, ...]:
    """The values of a table for as many layers as can share one, ascending.

    The layers with most weights come first; one whose values do not fit beside theirs is left out.

    >>> few, more = np.array([1, 2], np.int8), np.arange(16, dtype=np.int8)
    >>> common_values([few, more, np.array([99], np.int8)]) == tuple(range(16))
    True
    """
    shared: set[int] = set()
    for weights in sorted(layers, key=lambda weights: -weights.size):
        wider = shared.union(np.unique(weights).tolist())
        if len(wider) <= LARGEST_TABLE:
            shared = wider
    return tuple(sorted(shared))


def joint_table(stored: Iterable[tuple[str, NDArray[np.int8]]]) -> NDArray[np.int8]:
    """The values that layers store, ascending.

    Args:
        stored: The name of the encoding and the weights, int8 [rows, columns], of each layer.
    """
    parts = [
        weights[ENCODINGS[name].positions.stored(weights != 0)].ravel() for name, weights in stored
    ]
    return np.unique(np.concatenate(parts))
