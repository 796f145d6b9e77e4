"""The picture of a study's front: the error against model size, and against working memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ..candidate import Evaluation
from ..pareto import ParetoFront
from ..target import Limits
from .axes import set_error_axis, set_size_axis
from .files import DPI, save_png, text_box
from .front import figure_of
from .labels import Box
from .legends import ROW_INCHES, draw_legend, legend_rows
from .point_labels import LABEL_POINTS, label_points
from .series import LIMIT, STRONG, Series, find_series, points

_PANEL_INCHES = (5.5, 5.5)
_DEFAULT_PANELS = ("flash_bytes", "arena_bytes")
_LIMIT_DASHES = (0, (5, 2))
# A limit this many times the largest model would squash the models: it is written, not drawn.
_FAR_LIMIT = 8.0


def draw_front(
    evaluations: Sequence[Evaluation],
    front: ParetoFront,
    limits: Limits,
    path: str | Path,
    *,
    title: str,
) -> None:
    """Writes ``front_figure`` as a PNG file, 1650 x 825 pixels for two panels."""
    figure = front_figure(evaluations, front, limits, title=title)
    save_png(figure, path)


def front_figure(
    evaluations: Sequence[Evaluation],
    front: ParetoFront,
    limits: Limits,
    *,
    title: str,
) -> Figure:
    """One panel for each objective after the error, all with the same error axis.

    The front's first objective is the error, a fraction. If there are fewer than two others,
    flash and arena are shown.

    Args:
        evaluations: Everything that was measured.
        front: The Pareto-optimal models; they are labelled with their candidates' ids.
        limits: Drawn where a panel shows the limited figure, else named in the subtitle.
        title: Heading of the picture.
    """
    error, *others = front.objectives
    panels = [*others, *(name for name in _DEFAULT_PANELS if name not in others)]
    panels = panels[: max(2, len(others))]
    series = find_series(evaluations, front, limits)
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * len(panels), height), dpi=DPI)
    left = 0.75 / (width * len(panels))
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)
    handles = _legend(series, limits)
    rows = legend_rows([str(handle.get_label()) for handle in handles], width * len(panels))
    bottom = 0.17 + (rows - 1) * ROW_INCHES / height
    figure.subplots_adjust(left=left, right=0.985, top=0.83, bottom=bottom, wspace=0.06)
    set_error_axis(
        grid[0, 0], [100 * figure_of(e, error) for group in series for e in group.evaluations]
    )
    grid[0, 0].set_ylabel("Validation error (%)" if error == "val_error" else f"{error} (%)")
    for axes, name in zip(grid[0], panels, strict=True):
        _draw_panel(axes, name, error, series, limits.by_figure.get(name))
    figure.text(left, 0.975, title, fontsize=13, weight="bold", va="top", parse_math=False)
    subtitle = _subtitle(sum(len(group.evaluations) for group in series), front, limits, panels)
    figure.text(left, 0.925, subtitle, fontsize=9.5, color="#555555", va="top", linespacing=1.35)
    draw_legend(figure, handles, rows)
    return figure


def _draw_panel(
    axes: Axes, name: str, error: str, series: Sequence[Series], limit: int | None
) -> None:
    strong = [e for group in series if group.optimal for e in group.evaluations]
    pale = [e for group in series if not group.optimal for e in group.evaluations]
    sizes = [figure_of(e, name) for e in (*strong, *pale)]
    near = limit is not None and (not sizes or limit <= _FAR_LIMIT * max(sizes))
    set_size_axis(axes, name, [*sizes, float(limit)] if limit is not None and near else sizes)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for group in series:
        group.draw(axes, name, error)
    taken = [] if limit is None else _draw_limit(axes, name, limit, near)
    if strong:
        best = _staircase(points(strong, name, error))
        axes.plot(*best.T, color=STRONG, linewidth=1.2, alpha=0.4, drawstyle="steps-post", zorder=3)
        to_pixels = axes.transData.transform
        label_points(
            axes,
            [str(e.candidate.id) for e in strong],
            to_pixels(points(strong, name, error)),
            to_pixels(points(pale, name, error)),
            taken,
        )
    if not sizes:
        text = axes.text(0.5, 0.5, "no model measured yet", transform=axes.transAxes, ha="center")
        text.set_bbox({"facecolor": "white", "edgecolor": "none"})


def _staircase(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those of the points [n, 2] that are the best up to their size, by ascending size."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    before = np.minimum.accumulate(np.concatenate(([np.inf], ordered[:, 1])))[:-1]
    return ordered[ordered[:, 1] < before]


def _draw_limit(axes: Axes, name: str, limit: int, near: bool) -> list[Box]:
    """Draws a limit; returns the boxes that its label and its line take, in pixels."""
    right = axes.get_xlim()[1]
    taken = []
    if near:
        window = axes.get_window_extent()
        x = float(axes.transData.transform((limit, axes.get_ylim()[0]))[0])
        taken.append((x - 1.0, window.y0, x + 1.0, window.y1))
        axes.axvspan(limit, right, color=LIMIT, alpha=0.07, linewidth=0, zorder=0)
        axes.axvline(limit, color=LIMIT, linewidth=1.4, linestyle=_LIMIT_DASHES, zorder=1)
    label = axes.annotate(
        f"limit {limit:,}{'' if name == 'nonzeros' else ' B'}{'' if near else ' →'}",
        xy=(limit if near else right, 0.99),
        xycoords=("data", "axes fraction"),
        xytext=(3 if near else -3, 0),
        textcoords="offset points",
        rotation=90 if near else 0,
        ha="left" if near else "right",
        va="top",
        fontsize=LABEL_POINTS,
        color=LIMIT,
    )
    return [text_box(label), *taken]


def _subtitle(count: int, front: ParetoFront, limits: Limits, panels: Sequence[str]) -> str:
    hidden = [f"{n} ≤ {bound:,}" for n, bound in limits.by_figure.items() if n not in panels]
    first = f"{count} model{'' if count == 1 else 's'} measured, {len(front)} Pareto-optimal in "
    first += ", ".join(front.objectives)
    if hidden:
        first += f"; also limited: {', '.join(hidden)}"
    if not len(front):
        return first
    return f"{first}\nA Pareto-optimal model may be beaten in one panel, but never in all figures."


def _legend(series: Sequence[Series], limits: Limits) -> list[Artist]:
    """What is in the picture, in words."""
    handles: list[Artist] = [group.legend_entry() for group in series]
    if any(group.optimal for group in series):
        handles.append(Line2D([], [], color=STRONG, alpha=0.4, label="best up to this size"))
    if limits.by_figure:
        handles.append(Line2D([], [], color=LIMIT, linestyle=_LIMIT_DASHES, label="limit"))
    return handles
