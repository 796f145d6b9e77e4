"""The picture of several runs: their fronts over one another, and their hypervolume."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .axes import set_error_axis, set_size_axis
from .comparison import Comparison
from .files import DPI
from .front import figure_of
from .series import points
from .volume_plot import COLOURS, LINES, draw_volume, reference_text

_PANEL_INCHES = 5.2
_MARKERS = ("o", "D", "^", "s", "v", "P")
_SIZES = ("flash_bytes", "arena_bytes")


def comparison_figure(comparison: Comparison) -> Figure:
    """Error against flash, error against arena, and hypervolume against evaluations."""
    figure = Figure(figsize=(3 * _PANEL_INCHES, 5.2), dpi=DPI)
    flash, arena, volume = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.05, right=0.99, top=0.84, bottom=0.13, wspace=0.2)
    error = comparison.objectives[0]
    for axes, name in zip((flash, arena), _SIZES, strict=True):
        _draw_fronts(axes, comparison, name, error)
    draw_volume(volume, [(run.name, run.curve) for run in comparison.runs])
    title = " and ".join(run.name for run in comparison.runs)
    figure.text(0.05, 0.975, title, fontsize=13, weight="bold", va="top", parse_math=False)
    subtitle = (
        f"Hypervolume: share of the box below the common {reference_text(comparison.reference)}"
    )
    figure.text(0.05, 0.915, subtitle, fontsize=9.5, color="#555555", va="top")
    return figure


def _draw_fronts(axes: Axes, comparison: Comparison, name: str, error: str) -> None:
    shown = [e for run in comparison.runs for e in run.front.evaluations]
    set_error_axis(axes, [100 * figure_of(e, error) for e in shown])
    set_size_axis(axes, name, [figure_of(e, name) for e in shown])
    axes.set_ylabel("Validation error (%)" if error == "val_error" else f"{error} (%)")
    for index, run in enumerate(comparison.runs):
        places = points(run.front.evaluations, name, error)
        colour = COLOURS[index % len(COLOURS)]
        axes.scatter(
            places[:, 0],
            places[:, 1],
            s=46,
            marker=_MARKERS[index % len(_MARKERS)],
            color=colour,
            edgecolors="white",
            linewidths=0.6,
            zorder=3,
            label=run.name,
        )
        best: list[tuple[float, float]] = []
        for x, y in sorted(map(tuple, places.tolist())):
            if not best or y < best[-1][1]:
                best.append((x, y))
        if best:
            axes.plot(
                *zip(*best, strict=True),
                color=colour,
                drawstyle="steps-post",
                linestyle=LINES[index % len(LINES)],
                linewidth=1.2,
                alpha=0.5,
            )
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if shown:
        for text in axes.legend(frameon=False, fontsize=9, loc="upper right").get_texts():
            text.set_parse_math(False)
