"""Weights in flash: every encoding gives back what was stored, and the smallest one is chosen."""

from math import ceil

import numpy as np
import pytest
from encoded import encode_smallest, predicted_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparse_search.encoding import (
    ALL_ENCODINGS,
    DENSE_ONLY,
    allowed_encodings,
    encode_as,
    measured_options,
)
from sparse_search.encoding.bits import pack, unpack
from sparse_search.errors import MemoryPlanError


@st.composite
def weight_arrays(draw: st.DrawFn) -> NDArray[np.int8]:
    """int8 [rows, columns] of any sparsity and number of values, empty rows and columns too."""
    rows, columns = draw(st.integers(1, 12)), draw(st.one_of(st.integers(1, 40), st.just(300)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    few = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 9, 16, 17, 255]))
    values = rng.permutation(np.arange(-127, 128))[:few].astype(np.int8)
    weights = rng.choice(values, (rows, columns))
    weights[rng.random((rows, columns)) < draw(st.floats(0, 1))] = 0
    weights[:, rng.random(columns) < draw(st.sampled_from([0.0, 0.5, 0.95]))] = 0
    return weights


def long_gap() -> NDArray[np.int8]:
    """Zeros that need several escapes between, before and after the nonzero weights."""
    weights = np.zeros((3, 1000), np.int8)
    weights[0, 765], weights[0, 766], weights[2, 41] = 5, -5, 1
    return weights


def at_the_end() -> NDArray[np.int8]:
    """A single nonzero weight, the last one."""
    weights = np.zeros((7, 255), np.int8)
    weights[-1, -1] = -127
    return weights


def many() -> NDArray[np.int8]:
    """More than 65,535 weights, in rows of more than 65,535."""
    weights = np.zeros((2, 70_000), np.int8)
    weights[0, ::999] = 3
    weights[1, -1] = 127
    return weights


def values(count: int) -> NDArray[np.int8]:
    """Exactly ``count`` different values, none of them zero, on three rows."""
    found: NDArray[np.int8] = np.tile(np.arange(1, count + 1, dtype=np.int8), (3, 4))
    return found


ADVERSARIES = {
    "all zero": np.zeros((5, 77), np.int8),
    "one weight": np.full((1, 1), -3, np.int8),
    "zero rows": np.repeat(np.array([[0], [9], [0]], np.int8), 300, axis=1),
    "the last weight": at_the_end(),
    "long gaps": long_gap(),
    "gaps of one escape": np.tile(np.array([0] * 15 + [1], np.int8), (4, 2)),
    "gaps of 255": np.tile(np.array([0] * 255 + [1], np.int8), (4, 2)),
    "more than 65,535": many(),
    "one value": np.full((4, 9), 7, np.int8),
    **{f"{count} values": values(count) for count in (4, 5, 8, 9, 16, 17)},
    "every value": np.arange(-127, 128, dtype=np.int8).reshape(5, 51),
}


def check_every_encoding(weights: NDArray[np.int8]) -> None:
    """Each encoding that can hold the weights gives them back, in the bytes that it announced."""
    options = {option.encoding: option for option in measured_options(weights)}
    assert "dense" in options
    for kind, option in options.items():
        encoded = encode_as(kind, weights)
        np.testing.assert_array_equal(encoded.decode(), weights, kind)
        assert encoded.decode().dtype == np.int8
        parts = (encoded.positions, encoded.values, encoded.codebook)
        assert option.bytes == encoded.bytes == sum(len(part.tobytes()) for part in parts)
    chosen = encode_smallest(weights)
    assert chosen.bytes == min(option.bytes for option in options.values()) <= weights.size
    bits = ceil(np.log2(max(2, len(np.unique(weights)))))
    nonzeros = int(np.count_nonzero(weights))
    assert chosen.bytes <= predicted_bytes(weights.size, nonzeros)[1]
    assert chosen.bytes <= predicted_bytes(weights.size, nonzeros, codebook_bits=bits)[1]
    for kind in ("dense", "bitmap"):
        assert encode_as(kind, weights).bytes == predicted_bytes(weights.size, nonzeros, (kind,))[1]


@settings(deadline=None)
@given(weight_arrays())
def test_every_encoding_gives_the_weights_back(weights: NDArray[np.int8]) -> None:
    """decode(encode(w)) == w; the choice is the least of all, within what counts alone predict."""
    check_every_encoding(weights)


@pytest.mark.parametrize("name", ADVERSARIES)
def test_every_encoding_gives_adversarial_weights_back(name: str) -> None:
    """The same where codes, lists and codebooks are at their limits."""
    check_every_encoding(ADVERSARIES[name])


@pytest.mark.parametrize(
    ("name", "impossible"),
    [
        ("more than 65,535", {"lists8", "lists16"}),
        ("one value", set()),
        ("4 values", set()),
        ("5 values", {"codebook2"}),
        ("9 values", {"codebook2", "codebook3"}),
        ("17 values", {"codebook2", "codebook3", "codebook4"}),
    ],
)
def test_what_an_encoding_cannot_hold_is_no_option(name: str, impossible: set[str]) -> None:
    """Columns and counts must fit a list's numbers, different values a codebook."""
    weights = ADVERSARIES[name]
    options = {option.encoding for option in measured_options(weights)}
    simple = {"dense", "bitmap", "gaps4", "gaps8", "lists8", "lists16"}
    simple |= {"codebook2", "codebook3", "codebook4"}
    assert simple - options == impossible
    for kind in impossible:
        with pytest.raises(MemoryPlanError, match=f"expected weights that {kind} can hold"):
            encode_as(kind, weights)


def test_layouts_of_a_small_array() -> None:
    """Every way to write positions and values, byte for byte."""
    weights = np.zeros((2, 10), np.int8)
    weights[0, 0], weights[0, 9], weights[1, 0], weights[1, 9] = 5, -3, 5, -127

    def parts(kind: str) -> list[list[int]]:
        encoded = encode_as(kind, weights)
        return [p.tolist() for p in (encoded.positions, encoded.values, encoded.codebook)]

    plain = [5, -3, 5, -127]
    assert parts("dense") == [[], weights.reshape(-1).tolist(), []]
    assert parts("bitmap") == [[0b00000001, 0b00000110, 0b00001000], plain, []]
    # Gaps 0, 8, 0, 8 before the nonzeros and 0 before the end, the first one in the low nibble.
    assert parts("gaps4") == [[0x80, 0x80, 0x00], plain, []]
    assert parts("gaps8") == [[0, 8, 0, 8, 0], plain, []]
    assert parts("lists8") == [[2, 0, 9, 2, 0, 9], plain, []]
    assert parts("lists16") == [[2, 0, 0, 0, 9, 0, 2, 0, 0, 0, 9, 0], plain, []]
    assert parts("columns_bitmap") == [[0b00000001, 0b00000010], plain, []]
    assert parts("columns_gaps4") == [[0x80, 0x00], plain, []]
    # The table is sorted: -127, -3, 5.
    assert parts("bitmap_codebook2") == [
        [0b00000001, 0b00000110, 0b00001000],
        [2 | 1 << 2 | 2 << 4 | 0 << 6],
        [-127, -3, 5],
    ]
    assert parts("gaps8_codebook3")[1:] == [[2 | 1 << 3 | (2 << 6 & 255), 0], [-127, -3, 5]]
    assert parts("columns_gaps8_codebook4") == [[0, 8, 0], [0x12, 0x02], [-127, -3, 5]]


def test_codes_of_gaps_by_hand() -> None:
    """The largest code adds itself and says that the gap goes on."""
    assert encode_as("gaps8", long_gap()).positions.tolist() == [
        *(255, 255, 255, 0, 0),
        *gap_codes(2041 - 767, 255),
        *gap_codes(3000 - 2042, 255),
    ]
    assert len(encode_as("gaps4", at_the_end()).positions) == ceil((1784 // 15 + 2) / 2)


def gap_codes(gap: int, escape: int) -> list[int]:
    """The codes of one gap, by repeated subtraction."""
    codes = []
    while gap >= escape:
        codes.append(escape)
        gap -= escape
    return [*codes, gap]


@given(st.integers(1, 8), st.lists(st.integers(0, 255), max_size=50))
def test_packed_fields_are_a_number_in_binary(width: int, numbers: list[int]) -> None:
    """All fields together are the sum of field * 2^(width * index), and come back."""
    fields = np.array([n % (1 << width) for n in numbers], np.uint8)
    total = sum(int(field) << (width * i) for i, field in enumerate(fields))
    data = pack(fields, width)
    assert len(data) == ceil(width * len(fields) / 8)
    assert int.from_bytes(data.tobytes(), "little") == total
    np.testing.assert_array_equal(unpack(data, width, len(fields)), fields)


@pytest.mark.parametrize(
    ("nonzeros", "expected"), [(0, ("bitmap", 10)), (69, ("bitmap", 79)), (70, ("dense", 80))]
)
def test_dense_is_kept_where_the_bitmap_saves_nothing(
    nonzeros: int, expected: tuple[str, int]
) -> None:
    """80 weights need a bitmap of 10 B, so it pays below 70 nonzeros; ties stay dense."""
    assert predicted_bytes(80, nonzeros, ("dense", "bitmap")) == expected


def test_clustered_weights_are_predicted_by_their_number_of_values() -> None:
    """1000 weights of 8 values: 375 B and a table; of 5 bits nothing is gained."""
    assert predicted_bytes(1000, 1000, codebook_bits=3) == ("codebook3", 383)
    assert predicted_bytes(1000, 1000, codebook_bits=1) == ("codebook2", 252)
    assert predicted_bytes(1000, 1000, codebook_bits=5) == ("dense", 1000)
    assert predicted_bytes(1000, 300, codebook_bits=3) == ("bitmap_codebook3", 125 + 113 + 8)


def test_depthwise_weights_are_always_dense() -> None:
    """The depthwise kernel reads nothing else."""
    assert predicted_bytes(90, 1, allowed_encodings("depthwise_conv2d")) == ("dense", 90)
    assert allowed_encodings("conv2d") == allowed_encodings("dense") == ALL_ENCODINGS
    assert allowed_encodings("depthwise_conv2d") == DENSE_ONLY


def test_arrays_of_another_type_or_rank_are_errors() -> None:
    """Only int8 [rows, columns] can be encoded, and only possible counts be asked for."""
    with pytest.raises(MemoryPlanError, match=r"expected int8 weights.*got float64"):
        encode_smallest(np.zeros((2, 2)))  # type: ignore[arg-type]
    with pytest.raises(MemoryPlanError, match="reshape convolutions"):
        encode_smallest(np.zeros((2, 2, 1, 1), np.int8))
    with pytest.raises(MemoryPlanError, match="expected 0 <= nonzeros <= 4 weights, got 5"):
        predicted_bytes(4, 5)
    with pytest.raises(MemoryPlanError, match=r"expected an encoding among dense, .*got 'huffman'"):
        encode_as("huffman", values(4))
    with pytest.raises(MemoryPlanError, match=r"codebook2 can hold, got 17.*choose another"):
        encode_as("codebook2", values(17))


def test_the_encoded_arrays_do_not_share_memory_with_the_weights() -> None:
    """Changing the weights afterwards changes nothing that is stored."""
    for kind in ALL_ENCODINGS:
        weights = np.ones((3, 3), np.int8)
        encoded = encode_as(kind, weights)
        weights[:] = 0
        assert encoded.decode().all()
