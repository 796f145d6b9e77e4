"""Codebooks: the least error that any few values can have, against trying all."""

from itertools import combinations

import numpy as np
import pytest

from sparse_search.clustering import Codebook, fit_codebook
from sparse_search.errors import QuantizationError


def error(levels, importance, values) -> float:
    """Sum of importance times squared distance to the nearest value, spelled out."""
    distances = np.abs(levels[:, None].astype(np.float64) - np.array(values)).min(axis=1)
    return float((importance * distances**2).sum())


def least_error(levels, importance, size: int, with_zero: bool) -> float:
    """That of the best of all sets of whole numbers within the range of the levels."""
    numbers = range(min(levels.min(), 0), max(levels.max(), 0) + 1)
    sets = combinations(numbers, min(size, len(numbers)))
    return min(error(levels, importance, s) for s in sets if 0 in s or not with_zero)


@pytest.mark.parametrize("with_zero", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_no_other_values_have_a_smaller_error(seed: int, size: int, with_zero: bool) -> None:
    """Levels anywhere in a short range, with repetitions and unequal importance."""
    generator = np.random.default_rng(seed)
    low = int(generator.integers(-20, 10))
    levels = generator.integers(low, low + 24, int(generator.integers(1, 40)))
    importance = generator.uniform(0.1, 5.0, len(levels))
    codebook = fit_codebook(levels, importance, size, with_zero=with_zero)
    assert len(codebook.values) <= size
    assert 0 in codebook.values or not with_zero
    expected = least_error(levels, importance, size, with_zero)
    assert error(levels, importance, codebook.values) == pytest.approx(expected, abs=1e-9)


def test_as_many_values_as_there_are_levels_lose_nothing() -> None:
    """The codebook is then the set of levels, the ends of the range included."""
    levels = np.array([-127, 127, 5, 5, -127])
    assert fit_codebook(levels, np.ones(5), 4, with_zero=False).values == (-127, 5, 127)
    assert fit_codebook(levels, np.ones(5), 4, with_zero=True).values == (-127, 0, 5, 127)


def test_every_level_becomes_the_nearest_value() -> None:
    """All 255 levels, in any shape; half-way the lower one."""
    codebook = Codebook((-100, 0, 7, 90))
    levels = np.arange(-127, 128).astype(np.int8).reshape(5, 51)
    expected = [
        min(codebook.values, key=lambda v: abs(v - level)) for level in levels.ravel().tolist()
    ]
    found = codebook.nearest(levels)
    assert found.dtype == np.int8
    assert found.ravel().tolist() == expected
    assert codebook.nearest(np.array([-50], np.int8)).item() == -100


def test_a_layer_without_a_weight_has_the_codebook_of_zero() -> None:
    """And without 0 there is nothing to choose from, which is refused."""
    nothing = np.zeros(0, np.int64)
    assert fit_codebook(nothing, np.zeros(0), 4, with_zero=True).values == (0,)
    with pytest.raises(QuantizationError, match="0 levels and a size of 4"):
        fit_codebook(nothing, np.zeros(0), 4, with_zero=False)
    with pytest.raises(QuantizationError, match="a size of 0"):
        fit_codebook(np.ones(3, np.int64), np.ones(3), 0, with_zero=True)
