"""The picture of a model's paths: the error against the bytes of flash, step by step."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..candidate import Evaluation
from ..pareto import ParetoFront
from .axes import set_error_axis, set_size_axis
from .files import DPI, save_png
from .legends import ROW_INCHES, draw_legend, legend_rows
from .point_labels import label_points
from .pruning import PathGain, path_name
from .series import points

# Of Okabe and Ito, the darker ones; shapes and dashes tell apart what is left.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#16303f")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES: tuple[tuple[float, tuple[float, ...] | None], ...] = ((0, None), (0, (5, 2)), (0, (1, 1)))
_WIDTH_INCHES, _PLOT_INCHES, _HEAD_INCHES, _FOOT_INCHES = 8.0, 4.4, 0.85, 0.6
_FILLED = "filled: Pareto-optimal"
_SIZE, _ERROR = "flash_bytes", "val_error"


@dataclass(frozen=True)
class _Way:
    """One way in which the model was pruned, from the model on.

    Attributes:
        name: Its methods.
        steps: Its models by ascending sparsity.
        start: What the way begins with.
    """

    name: str
    steps: tuple[Evaluation, ...]
    start: Evaluation


def draw_paths(gain: PathGain, front: ParetoFront, path: str | Path, *, title: str) -> None:
    """Writes ``paths_figure`` as a PNG file, 1200 pixels wide."""
    save_png(paths_figure(gain, front, title=title), path)


def paths_figure(gain: PathGain, front: ParetoFront, *, title: str) -> Figure:
    """One line for each way of pruning, from the model to its sparsest version.

    Pareto-optimal models are filled and labelled with their candidates' ids.

    Args:
        gain: The model and the steps of its paths.
        front: Of the whole run.
        title: Heading of the picture.
    """
    ways = _find_ways(gain)
    names = [*(way.name for way in ways), _model_name(gain.model), _FILLED]
    rows = legend_rows(names, _WIDTH_INCHES)
    foot = _FOOT_INCHES + ROW_INCHES * rows
    height = _HEAD_INCHES + _PLOT_INCHES + foot
    figure = Figure(figsize=(_WIDTH_INCHES, height), dpi=DPI)
    axes = figure.subplots()
    left = 0.7 / _WIDTH_INCHES
    figure.subplots_adjust(
        left=left, right=0.98, top=1 - _HEAD_INCHES / height, bottom=foot / height
    )
    everything = [gain.model, *gain.steps]
    xy = points(everything, _SIZE, _ERROR)
    set_error_axis(axes, xy[:, 1].tolist())
    set_size_axis(axes, _SIZE, xy[:, 0].tolist())
    axes.set_ylabel("Validation error (%)")
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    optimal = {e.candidate.id for e in front.evaluations}
    handles = [_draw_way(axes, number, way, optimal) for number, way in enumerate(ways)]
    handles.append(_draw_model(axes, gain.model))
    _label(axes, gain, optimal)
    handles.append(Line2D([], [], linestyle="", marker="o", color="#555555", label=_FILLED))
    figure.text(
        left,
        1 - 0.14 / height,
        title,
        fontsize=13,
        weight="bold",
        va="top",
        parse_math=False,
    )
    figure.text(
        left, 1 - 0.43 / height, _subtitle(gain, optimal), fontsize=9.5, color="#555555", va="top"
    )
    draw_legend(figure, handles, rows)
    return figure


def _find_ways(gain: PathGain) -> list[_Way]:
    """Ways in the order in which they were begun."""
    model = gain.model.candidate
    groups: dict[str, list[Evaluation]] = defaultdict(list)
    starts: dict[int | None, Evaluation] = {}
    for step in sorted(gain.steps, key=lambda e: e.candidate.id):
        groups[path_name(model, step.candidate) or "trained longer"].append(step)
        if step.candidate.pruning == model.pruning:
            starts[step.candidate.codebook_bits] = step
    ways = []
    for name, steps in groups.items():
        steps.sort(key=lambda e: sum(step.sparsity for step in e.candidate.pruning))
        first = steps[0].candidate
        begun = None if first.pruning == model.pruning else starts.get(first.codebook_bits)
        ways.append(_Way(name, tuple(steps), begun or gain.model))
    return ways


def _draw_way(axes: Axes, number: int, way: _Way, optimal: set[int]) -> Line2D:
    """Draws a line with its markers; returns its entry in the legend."""
    colour = _COLOURS[number % len(_COLOURS)]
    marker = _MARKERS[number % len(_MARKERS)]
    dashes = _DASHES[number // len(_COLOURS) % len(_DASHES)]
    x, y = points([way.start, *way.steps], _SIZE, _ERROR).T
    axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.3, alpha=0.7, zorder=2)
    for best in (False, True):
        chosen = [e for e in way.steps if (e.candidate.id in optimal) == best]
        if chosen:
            x, y = points(chosen, _SIZE, _ERROR).T
            axes.scatter(
                x,
                y,
                s=44 if best else 30,
                marker=marker,
                facecolors=colour if best else "white",
                edgecolors=colour,
                linewidths=1.2,
                zorder=4 if best else 3,
            )
    (entry,) = axes.plot(
        [],
        [],
        color=colour,
        linestyle=dashes,
        marker=marker,
        markerfacecolor="white",
        label=way.name,
    )
    return entry


def _model_name(model: Evaluation) -> str:
    return f"the model, candidate {model.candidate.id}"


def _draw_model(axes: Axes, model: Evaluation) -> Line2D:
    """Draws the model itself; returns its entry in the legend."""
    handle = Line2D(
        [],
        [],
        marker="*",
        markersize=15,
        color="#16303f",
        linestyle="",
        label=_model_name(model),
    )
    ((x, y),) = points([model], _SIZE, _ERROR)
    axes.scatter([x], [y], s=225, marker="*", color="#16303f", linewidths=0, zorder=5)
    return handle


def _label(axes: Axes, gain: PathGain, optimal: set[int]) -> None:
    everything: Sequence[Evaluation] = [gain.model, *gain.steps]
    strong = [e for e in everything if e.candidate.id in optimal]
    pale = [e for e in everything if e.candidate.id not in optimal]
    to_pixels = axes.transData.transform
    if strong:
        label_points(
            axes,
            [str(e.candidate.id) for e in strong],
            to_pixels(points(strong, _SIZE, _ERROR)),
            to_pixels(points(pale, _SIZE, _ERROR)),
            [],
        )


def _subtitle(gain: PathGain, optimal: set[int]) -> str:
    joined = sum(step.candidate.id in optimal for step in gain.steps)
    return (
        f"Unpruned {gain.unpruned_bytes:,} B; {len(gain.steps)} steps measured, {joined} of them "
        "Pareto-optimal in the whole run"
    )
