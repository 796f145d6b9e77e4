"""Weights in flash: every encoding gives back what was stored, and the smallest one is chosen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparse_search.encoding import (
    ALL_ENCODINGS,
    DENSE_ONLY,
    allowed_encodings,
    encode_weights,
    encoded_bytes,
)
from sparse_search.errors import MemoryPlanError


@st.composite
def weight_arrays(draw: st.DrawFn) -> NDArray[np.int8]:
    """int8 [rows, columns] of any sparsity, empty rows and full ones included."""
    rows, columns = draw(st.integers(1, 12)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.integers(-127, 128, (rows, columns)).astype(np.int8)
    weights[rng.random((rows, columns)) < draw(st.floats(0, 1))] = 0
    return weights


@given(weight_arrays(), st.sampled_from([ALL_ENCODINGS, DENSE_ONLY, ("bitmap",)]))
def test_decoding_gives_the_weights_back(
    weights: NDArray[np.int8], allowed: tuple[str, ...]
) -> None:
    """decode(encode(w)) == w under every choice of encodings."""
    encoded = encode_weights(weights, allowed)  # type: ignore[arg-type]
    decoded = encoded.decode()
    assert decoded.dtype == np.int8
    assert encoded.kind in allowed
    np.testing.assert_array_equal(decoded, weights)


@given(weight_arrays())
def test_bytes_are_what_is_stored_and_never_more_than_dense(weights: NDArray[np.int8]) -> None:
    """The size is the arrays' size; the choice from counts alone is the same."""
    encoded = encode_weights(weights)
    assert encoded.bytes == len(encoded.values) + len(encoded.bitmap) <= weights.size
    predicted = encoded_bytes(weights.size, int(np.count_nonzero(weights)))
    assert predicted == (encoded.kind, encoded.bytes)


@given(weight_arrays())
def test_the_smallest_encoding_is_chosen(weights: NDArray[np.int8]) -> None:
    """No encoding alone is smaller than the chosen one."""
    each = [encode_weights(weights, (kind,)).bytes for kind in ALL_ENCODINGS]
    assert encode_weights(weights).bytes == min(each)


def test_the_bitmap_is_row_major_with_the_least_significant_bit_first() -> None:
    """Weight i is bit i % 8 of byte i // 8; the nonzero values follow in the same order."""
    weights = np.zeros((2, 10), np.int8)
    weights[0, 0], weights[0, 9], weights[1, 0], weights[1, 9] = 5, -3, 7, -127
    encoded = encode_weights(weights)
    assert encoded.kind == "bitmap"
    assert encoded.bitmap.tolist() == [0b00000001, 0b00000110, 0b00001000]
    assert encoded.values.tolist() == [5, -3, 7, -127]
    assert encoded.bytes == 7


@pytest.mark.parametrize(
    ("nonzeros", "expected"), [(0, ("bitmap", 10)), (69, ("bitmap", 79)), (70, ("dense", 80))]
)
def test_dense_is_kept_where_the_bitmap_saves_nothing(
    nonzeros: int, expected: tuple[str, int]
) -> None:
    """80 weights need a bitmap of 10 B, so it pays below 70 nonzeros; ties stay dense."""
    assert encoded_bytes(80, nonzeros) == expected


def test_depthwise_weights_are_always_dense() -> None:
    """The depthwise kernel reads no bitmap."""
    assert encoded_bytes(90, 1, allowed_encodings("depthwise_conv2d")) == ("dense", 90)
    assert allowed_encodings("conv2d") == allowed_encodings("dense") == ALL_ENCODINGS


def test_arrays_of_another_type_or_rank_are_errors() -> None:
    """Only int8 [rows, columns] can be encoded, and only possible counts be asked for."""
    with pytest.raises(MemoryPlanError, match=r"expected int8 weights.*got float64"):
        encode_weights(np.zeros((2, 2)))  # type: ignore[arg-type]
    with pytest.raises(MemoryPlanError, match="reshape convolutions"):
        encode_weights(np.zeros((2, 2, 1, 1), np.int8))
    with pytest.raises(MemoryPlanError, match="expected 0 <= nonzeros <= 4 weights, got 5"):
        encoded_bytes(4, 5)


def test_the_encoded_arrays_do_not_share_memory_with_the_weights() -> None:
    """Changing the weights afterwards changes nothing that is stored."""
    weights = np.ones((3, 3), np.int8)
    encoded = encode_weights(weights)
    weights[:] = 0
    assert encoded.decode().all()
