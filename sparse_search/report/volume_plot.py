"""The picture of hypervolume against evaluations, of one study or of several."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from .files import DPI
from .volume import VolumeCurve

# Colours of Okabe and Ito; the lines differ, too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
LINES: tuple[str | tuple[int, tuple[int, ...]], ...] = (
    "-",
    (0, (8, 3)),
    (0, (3, 2)),
    (0, (10, 3, 2, 3)),
    (0, (1, 1)),
    (0, (6, 2, 1, 2, 1, 2)),
)


def reference_text(reference: Mapping[str, float]) -> str:
    """The corner of a hypervolume in words.

    >>> reference_text({"val_error": 0.2, "flash_bytes": 2048.0})
    'reference point: val_error 20.0 %, flash_bytes 2,048'
    """
    parts = (
        f"{name} {100 * value:.1f} %" if "error" in name else f"{name} {value:,.0f}"
        for name, value in reference.items()
    )
    return f"reference point: {', '.join(parts)}"


def volume_figure(
    curves: Sequence[tuple[str, VolumeCurve]], reference: Mapping[str, float], *, title: str
) -> Figure:
    """A line of steps for each study.

    Args:
        curves: With the name of the study; the names are shown where there are several.
        reference: Corner by objective.
        title: Heading of the picture.
    """
    figure = Figure(figsize=(8.0, 5.0), dpi=DPI)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.1, right=0.97, top=0.84, bottom=0.12)
    draw_volume(axes, curves)
    figure.text(0.1, 0.975, title, fontsize=13, weight="bold", va="top", parse_math=False)
    subtitle = f"Share of the box below the {reference_text(reference)}"
    figure.text(0.1, 0.915, subtitle, fontsize=9, color="#555555", va="top")
    return figure


def draw_volume(axes: Axes, curves: Sequence[tuple[str, VolumeCurve]]) -> None:
    """Draws the lines into a panel."""
    for index, (name, curve) in enumerate(curves):
        axes.plot(
            range(1, len(curve.fractions) + 1),
            curve.fractions,
            drawstyle="steps-post",
            color=COLOURS[index % len(COLOURS)],
            linestyle=LINES[index % len(LINES)],
            linewidth=1.8,
            label=name,
        )
    axes.set_xlabel("Measured models, in the order of their ids")
    axes.set_ylabel("Hypervolume")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if len(curves) > 1:
        legend = axes.legend(frameon=False, fontsize=9, loc="lower right")
        for text in legend.get_texts():
            text.set_parse_math(False)
