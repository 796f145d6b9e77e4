"""How many bytes weights will take, from counts alone."""

from .choice import predicted_options
from .encodings import ALL_ENCODINGS


def encoded_bytes(
    weight_count: int,
    nonzeros: int,
    allowed: tuple[str, ...] = ALL_ENCODINGS,
    codebook_bits: int | None = None,
) -> tuple[str, int]:
    """An encoding, and bytes that ``encode_weights`` will not exceed, from counts alone.

    >>> encoded_bytes(800, 100), encoded_bytes(800, 700)
    (('gaps4', 174), ('dense', 800))
    >>> encoded_bytes(800, 700, codebook_bits=3)
    ('codebook3', 308)

    Args:
        weight_count: Number of weights, zeros included.
        nonzeros: Number of weights that are not zero.
        allowed: Encodings to choose from, dense among them.
        codebook_bits: The weights take at most 2^bits different values; None if any.

    Raises:
        MemoryPlanError: Not 0 <= nonzeros <= weight_count.
    """
    options = predicted_options(weight_count, nonzeros, allowed, codebook_bits)
    best = min(options, key=lambda option: option.bytes)
    return best.encoding, best.bytes
