"""Legends below a picture, in as many rows as their labels need."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from .labels import text_size_points

FONT_POINTS = 9.0
ROW_INCHES = 0.2
"""Height of a row."""

# Of a column, beside the label: marker, gap between marker and label, gap to the next column.
_MARKER, _GAP, _BETWEEN = 2.0, 0.5, 1.6
_MARGIN_INCHES = 0.3


def legend_rows(labels: Sequence[str], width_inches: float) -> int:
    """The fewest rows in which entries fit into a width; they fill columns from top to bottom.

    >>> legend_rows(["dominated", "limit"], 8), legend_rows(["a long way to say nothing"] * 5, 8)
    (1, 2)
    """
    widths = [text_size_points(label, FONT_POINTS)[0] for label in labels]
    beside = FONT_POINTS * (_MARKER + _GAP + _BETWEEN)
    for rows in range(1, len(labels)):
        columns = np.array_split(widths, ceil(len(labels) / rows))
        if sum(max(column) + beside for column in columns) <= 72 * (width_inches - _MARGIN_INCHES):
            return rows
    return max(1, len(labels))


def draw_legend(figure: Figure, handles: Sequence[Artist], rows: int) -> None:
    """Draws entries at the bottom of a figure, in so many rows."""
    if handles:
        figure.legend(
            handles=handles,
            loc="lower center",
            ncols=ceil(len(handles) / rows),
            frameon=False,
            fontsize=FONT_POINTS,
            handlelength=_MARKER,
            handletextpad=_GAP,
            columnspacing=_BETWEEN,
        )
