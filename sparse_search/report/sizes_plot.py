"""The picture of a study's models by what they need: flash against working memory."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ..candidate import Evaluation
from ..pareto import ParetoFront
from ..target import Limits
from .axes import set_size_axis
from .files import DPI
from .front import figure_of
from .legends import ROW_INCHES, draw_legend, legend_rows
from .point_labels import label_points
from .series import LIMIT, Series, find_series

_X, _Y = "arena_bytes", "flash_bytes"
_INCHES = (7.0, 6.0)
# A limit further out would squash the models: it is in the title of the other pictures.
_FAR_LIMIT = 8.0


def sizes_figure(
    evaluations: Sequence[Evaluation], front: ParetoFront, limits: Limits, *, title: str
) -> Figure:
    """Every model at its arena and flash; the Pareto-optimal ones strong and with their ids.

    Args:
        evaluations: Everything that was measured.
        front: The Pareto-optimal models.
        limits: Drawn where they limit one of the two.
        title: Heading of the picture.
    """
    series = find_series(evaluations, front, limits)
    width, height = _INCHES
    figure = Figure(figsize=_INCHES, dpi=DPI)
    axes = figure.subplots()
    handles: list[Artist] = [group.legend_entry() for group in series]
    bounds = _draw(axes, series, limits)
    if bounds:
        handles.append(Line2D([], [], color=LIMIT, linestyle=(0, (5, 2)), label="limit"))
    rows = legend_rows([str(handle.get_label()) for handle in handles], width)
    bottom = 0.15 + (rows - 1) * ROW_INCHES / height
    figure.subplots_adjust(left=0.14, right=0.97, top=0.92, bottom=bottom)
    strong = [e for group in series if group.optimal for e in group.evaluations]
    pale = [e for group in series if not group.optimal for e in group.evaluations]
    if strong:
        to_pixels = axes.transData.transform
        names = [str(e.candidate.id) for e in strong]
        label_points(axes, names, to_pixels(_places(strong)), to_pixels(_places(pale)), [])
    figure.text(0.14, 0.975, title, fontsize=13, weight="bold", va="top", parse_math=False)
    draw_legend(figure, handles, rows)
    return figure


def _places(evaluations: Sequence[Evaluation]) -> NDArray[np.float64]:
    rows = [(figure_of(e, _X), figure_of(e, _Y)) for e in evaluations]
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def _draw(axes: Axes, series: Sequence[Series], limits: Limits) -> dict[str, int]:
    """Axes, models and near limits; returns these limits."""
    everything = _places([e for group in series for e in group.evaluations])
    bounds = {}
    for name, values in ((_X, everything[:, 0]), (_Y, everything[:, 1])):
        limit = limits.by_figure.get(name)
        if limit is not None and (not len(values) or limit <= _FAR_LIMIT * values.max()):
            bounds[name] = limit
        shown = [*values.tolist(), *([float(bounds[name])] if name in bounds else [])]
        set_size_axis(axes, name, shown, "x" if name == _X else "y")
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for group in series:
        group.draw_at(axes, _places(group.evaluations))
    for name, limit in bounds.items():
        line = axes.axvline if name == _X else axes.axhline
        line(limit, color=LIMIT, linewidth=1.4, linestyle=(0, (5, 2)), zorder=1)
    return bounds
