"""The picture of where a model comes from: its learning curve, and its lineage."""

from collections.abc import Mapping, Sequence
from textwrap import shorten

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..candidate import Evaluation
from .axes import set_error_axis
from .files import DPI
from .front import figure_of
from .lineage import Step
from .series import LIMIT, PALE, STRONG

_WIDTH_INCHES, _ROW_INCHES = 11.0, 0.42


def origin_figure(
    evaluation: Evaluation,
    steps: Sequence[Step],
    measured: Mapping[int, Evaluation],
    *,
    error: str,
    title: str,
) -> Figure:
    """On the left the learning curve and the int8 model's error, on the right the ancestors.

    Args:
        evaluation: Of the model.
        steps: Its lineage.
        measured: Evaluations of ancestors by id.
        error: Name of the error.
        title: Heading of the picture.
    """
    height = max(4.0, 1.0 + _ROW_INCHES * len(steps))
    figure = Figure(figsize=(_WIDTH_INCHES, height), dpi=DPI)
    top, bottom = 1 - 0.75 / height, 0.6 / height
    curve = figure.add_axes((0.06, bottom, 0.42, top - bottom))
    _draw_curve(curve, evaluation, error)
    _draw_lineage(figure.add_axes((0.53, bottom, 0.45, top - bottom)), steps, measured, error)
    figure.text(
        0.02, 1 - 0.14 / height, title, fontsize=13, weight="bold", va="top", parse_math=False
    )
    return figure


def _draw_curve(axes: Axes, evaluation: Evaluation, error: str) -> None:
    final = 100 * figure_of(evaluation, error)
    errors = [100 * value for value in evaluation.curve]
    epochs = range(1, len(errors) + 1)
    axes.plot(epochs, errors, color=STRONG, marker="o", markersize=3, label="dense network")
    axes.axhline(final, color=LIMIT, linestyle=(0, (5, 2)), label=f"int8 model {final:.2f} %")
    set_error_axis(axes, [*errors, final])
    axes.set_xlabel("Epoch of the dense network")
    axes.set_ylabel("Validation error (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)


def _draw_lineage(
    axes: Axes, steps: Sequence[Step], measured: Mapping[int, Evaluation], error: str
) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(len(steps) - 0.4, -0.6)
    axes.set_axis_off()
    axes.plot([0.02] * len(steps), range(len(steps)), color=PALE, linewidth=1.2, zorder=1)
    for row, step in enumerate(steps):
        colour = LIMIT if row == len(steps) - 1 else PALE
        axes.scatter([0.02], [row], s=40, color=colour, zorder=2)
        change = shorten(step.change, 60, placeholder=" …")
        axes.text(0.05, row - 0.17, change, fontsize=8, color="#55646e", va="center")
        text = f"{step.candidate}: not measured"
        if step.candidate in measured:
            found = measured[step.candidate]
            flash, arena = (figure_of(found, name) for name in ("flash_bytes", "arena_bytes"))
            text = (
                f"{step.candidate}: {100 * figure_of(found, error):.2f} % error, "
                f"{flash:,.0f} B flash, {arena:,.0f} B arena"
            )
        axes.text(0.05, row + 0.17, text, fontsize=8.5, va="center")
