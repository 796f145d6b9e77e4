"""Axes that fit their figures: errors in percent, bytes in powers of two, counts in thousands."""

from collections.abc import Sequence
from math import ceil, floor, log2
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

FIGURE_TITLES = {
    "flash_bytes": "Model size in flash",
    "nonzeros": "Model size: nonzero weights and biases",
    "int8_dense_bytes": "Model size: int8, not pruned",
    "arena_bytes": "Working memory: arena",
    "in_weights_bytes": "Working memory: inputs + weights (SpArSe)",
    "in_out_bytes": "Working memory: inputs + outputs (SpArSe)",
    "live_no_input_bytes": "Working memory: live tensors without input (μNAS)",
    "macs": "Multiply-accumulates of one inference",
    "parameters": "Parameters",
}
"""What an axis shows, by the name of the figure; other figures are shown by their name."""

_COUNTS = frozenset({"macs", "parameters", "nonzeros"})
_LOG_FROM_RATIO = 4.0
_MAX_TICKS = 12


def format_size(value: float, figure: str = "") -> str:
    """A size as an axis shows it: bytes with KB of 1024 B where that is short, or a count.

    >>> [format_size(v) for v in (96, 1000, 1536, 2048, 1 << 20)]
    ['96 B', '1,000 B', '1.5 KB', '2 KB', '1 MB']
    >>> [format_size(v, "macs") for v in (500, 2e4, 1.5e6)]
    ['500', '20k', '1.5M']
    """
    units = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
    unit = ""
    if figure not in _COUNTS:
        units = ((1 << 30, " GB"), (1 << 20, " MB"), (1 << 10, " KB"))
        unit = " B"
    for size, name in units:
        short = f"{value / size:.4g}"
        if value >= size and float(short) * size == value and len(short) <= 4:
            return short + name
    return f"{value:,.0f}{unit}"


def set_error_axis(axes: Axes, errors_percent: Sequence[float]) -> None:
    """Scales the y axis so that all errors are readable: linear, or logarithmic if they spread.

    Args:
        axes: Its y axis is set.
        errors_percent: What is shown, in [0, 100]; may be empty.
    """
    positive = [error for error in errors_percent if error > 0]
    if not positive:
        axes.set_ylim(0, 100)
        return
    low, high = min(positive), max(positive)
    if high <= _LOG_FROM_RATIO * low and len(positive) == len(errors_percent):
        margin = max(0.12 * (high - low), 0.1 * high)
        axes.set_ylim(max(0.0, low - 1.3 * margin), min(101.0, high + margin))
        return
    bottom, top = low / 1.3, min(115.0, high * 1.25)
    ticks = decimal_ticks(bottom, top)
    if len(positive) == len(errors_percent):
        axes.set_yscale("log")
    else:
        # A logarithmic axis has no zero: below the smallest error it goes on linearly.
        axes.set_yscale("symlog", linthresh=low, linscale=0.4)
        ticks, bottom = [0.0, *(t for t in ticks if t >= low)], -0.2 * low
    axes.set_ylim(bottom, top)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def set_size_axis(
    axes: Axes, figure: str, sizes: Sequence[float], which: Literal["x", "y"] = "x"
) -> None:
    """Scales an axis to sizes: logarithmic if they spread, ticks at round numbers of bytes.

    Args:
        axes: One of its axes is set.
        figure: Name of the figure that is shown.
        sizes: What is shown, limits included; may be empty.
        which: The axis.
    """
    shown = [size for size in sizes if size > 0] or [1024.0]
    low, high = min(shown), max(shown)
    if high > _LOG_FROM_RATIO * low:
        axes.set(**{f"{which}scale": "log"})
        low, high = low / (high / low) ** 0.1, high * (high / low) ** 0.08
        decimal = figure in ("macs", "parameters")
        ticks = decimal_ticks(low, high) if decimal else binary_ticks(low, high)
    else:
        middle, half = (low + high) / 2, 0.62 * max(high - low, 0.5 * high)
        low, high = max(0.0, middle - half), middle + half
        step = 2.0 ** max(0, round(log2((high - low) / 6)))
        ticks = [step * i for i in range(ceil(low / step), floor(high / step) + 1)]
    label = f"{FIGURE_TITLES.get(figure, figure)} ({figure})"
    axes.set(**{f"{which}lim": (low, high), f"{which}label": label})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: format_size(value, figure)))


def decimal_ticks(low: float, high: float) -> list[float]:
    """Round numbers in [low, high], evenly spread on a logarithmic axis.

    >>> decimal_ticks(0.9, 80)
    [1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 30.0, 50.0, 70.0]
    >>> decimal_ticks(9, 31)
    [10.0, 15.0, 20.0, 25.0, 30.0]
    """
    decades = range(floor(np.log10(low)), ceil(np.log10(high)) + 1)
    choices = ((1, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 2, 3, 5, 7), (1, 2, 5), (1,))
    ticks: list[float] = []
    for multiples in choices:
        ticks = [float(f"{m}e{d}") for d in decades for m in multiples]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= _MAX_TICKS:
            break
    return ticks


def binary_ticks(low: float, high: float) -> list[float]:
    """Powers of two in [low, high], with 1.5 times them, or only every n-th, as room asks.

    >>> binary_ticks(500, 2100)
    [512.0, 768.0, 1024.0, 1536.0, 2048.0]
    """
    powers = [2.0**k for k in range(ceil(log2(low)), floor(log2(high)) + 1)]
    if len(powers) < 4:
        return [
            t
            for p in range(floor(log2(low)), floor(log2(high)) + 1)
            for t in (2.0**p, 1.5 * 2.0**p)
            if low <= t <= high
        ]
    every = ceil(len(powers) / 7)
    return powers[::-1][::every][::-1]
