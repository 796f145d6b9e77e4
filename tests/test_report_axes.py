"""Axes show everything that is measured, at round numbers."""

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparse_search.report.axes import (
    binary_ticks,
    decimal_ticks,
    format_size,
    set_error_axis,
    set_size_axis,
)


def new_axes() -> Axes:
    """Axes of a figure of their own."""
    return Figure().subplots()


@pytest.mark.parametrize(
    "errors",
    [[], [0.0], [5.0], [1.0, 90.0], [25.0, 30.0, 60.0], [0.0, 0.3, 90.0], [0.0, 100.0], [100.0]],
)
def test_every_error_is_in_view(errors: list[float]) -> None:
    """Also zero and 100 %, one error and none; at least two ticks help to read them."""
    axes = new_axes()
    set_error_axis(axes, errors)
    low, high = axes.get_ylim()
    assert all(low <= error <= high for error in errors)
    assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 2


def test_outliers_do_not_squash_good_models() -> None:
    """Beside one error of 90 %, errors of 1 % and 2 % are an eighth of the axis apart."""
    axes = new_axes()
    set_error_axis(axes, [1.0, 2.0, 90.0])
    (_, low), (_, high) = axes.transAxes.inverted().transform(
        axes.transData.transform([(1, 1.0), (1, 2.0)])
    )
    assert high - low > 0.125


@pytest.mark.parametrize("sizes", [[], [1000.0], [100.0, 2048.0], [1000.0, 2048.0], [7.0, 3e6]])
@pytest.mark.parametrize("figure", ["flash_bytes", "macs"])
def test_every_size_is_in_view(figure: str, sizes: list[float]) -> None:
    """On linear and logarithmic axes; at least two ticks help to read them."""
    axes = new_axes()
    set_size_axis(axes, figure, sizes)
    low, high = axes.get_xlim()
    assert all(low < size < high for size in sizes)
    assert sum(low <= tick <= high for tick in axes.get_xticks()) >= 2
    assert figure in axes.get_xlabel()


@pytest.mark.parametrize("low", [1.0, 3.7, 90.0, 1100.0])
@pytest.mark.parametrize("ratio", [5.0, 30.0, 1e4])
def test_ticks_are_few_ascending_and_in_range(low: float, ratio: float) -> None:
    """Between 3 and 12 of them."""
    for ticks in (decimal_ticks(low, low * ratio), binary_ticks(low, low * ratio)):
        assert 3 <= len(ticks) <= 12
        assert ticks == sorted(set(ticks))
        assert all(low <= tick <= low * ratio for tick in ticks)


def test_sizes_are_never_rounded() -> None:
    """KB only where the figure stays exact: a reader may compare it with a limit."""
    assert format_size(2049) == "2,049 B"
    assert format_size(1792) == "1.75 KB"
    assert format_size(2048, "nonzeros") == "2,048"
