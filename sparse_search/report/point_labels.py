"""Labels of the points of a picture: candidates' ids beside their markers."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from .files import DPI
from .labels import Box, label_size, place_labels
from .series import STRONG

LABEL_POINTS = 8.5
"""Size of the font."""


def label_points(
    axes: Axes,
    texts: Sequence[str],
    strong: NDArray[np.float64],
    pale: NDArray[np.float64],
    taken: Sequence[Box],
) -> None:
    """Labels points of a picture, in its panel and with a line where the label is not beside it.

    Args:
        axes: The panel, whose scales are final.
        texts: One for each strong point.
        strong: [n, 2] in pixels, the points that are labelled.
        pale: [m, 2] in pixels, points that labels may hide if they must.
        taken: Boxes in pixels that labels must not hide.
    """
    scale = DPI / 72
    sizes = [label_size(text, LABEL_POINTS, scale) for text in texts]
    window = axes.get_window_extent()
    places = place_labels(
        strong,
        sizes,
        (window.x0, window.y0, window.x1, window.y1),
        scale=scale,
        pale_points=pale,
        taken=taken,
    )
    to_axes = axes.transAxes.inverted().transform
    for text, point, place in zip(texts, strong, places, strict=True):
        if place.leader is not None:
            ends = to_axes([point, place.leader])
            axes.plot(*ends.T, transform=axes.transAxes, color=STRONG, linewidth=0.6, zorder=3)
        x, y = to_axes(place.center)
        axes.text(
            x,
            y,
            text,
            transform=axes.transAxes,
            ha="center",
            va="center",
            fontsize=LABEL_POINTS,
            color="#003a5c",
            path_effects=[withStroke(linewidth=2, foreground="white")],
            zorder=5,
            gid="candidate",
        )
