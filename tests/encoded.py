"""The smallest encoding of weights, measured and predicted, in a few lines of its own."""

import numpy as np
from numpy.typing import NDArray

from sparse_search.encoding import (
    ALL_ENCODINGS,
    EncodedWeights,
    encode_as,
    measured_options,
    predicted_options,
)


def encode_smallest(
    weights: NDArray[np.int8], allowed: tuple[str, ...] = ALL_ENCODINGS
) -> EncodedWeights:
    """Weights [rows, columns] in the allowed encoding with the fewest bytes."""
    options = measured_options(weights, allowed)
    return encode_as(min(options, key=lambda option: option.bytes).encoding, weights)


def predicted_bytes(
    weight_count: int,
    nonzeros: int,
    allowed: tuple[str, ...] = ALL_ENCODINGS,
    codebook_bits: int | None = None,
) -> tuple[str, int]:
    """The encoding that is predicted to be smallest, and the most bytes that it may take."""
    options = predicted_options(weight_count, nonzeros, allowed, codebook_bits)
    best = min(options, key=lambda option: option.bytes)
    return best.encoding, best.bytes
