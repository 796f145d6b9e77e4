"""The picture of a pruned model, layer by layer: which weights went, and which bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..memory import LayerCost, MemoryPlan
from .files import DPI, save_png
from .labels import text_size_points

# Colours of Okabe and Ito; what is gone is grey.
_KEPT = "#0072B2"
_ZERO = "#E69F00"
_CUT = "#d4d9dc"
_REST = "#8fc7ea"
_BEFORE, _BEFORE_REST = "#8d989f", "#d4d9dc"

_WIDTH_INCHES = 11.0
_HEAD_INCHES, _FOOT_INCHES, _ROW_INCHES = 1.05, 0.6, 0.52
_NAME_POINTS, _LABEL_POINTS = 9.0, 8.5
_BAR = 0.34
_RIGHT, _GAP_INCHES, _SHARE_INCHES = 0.985, 0.85, 3.6


@dataclass(frozen=True, slots=True)
class _Row:
    """A layer before pruning and after it; ``after`` is None where all of it went."""

    before: LayerCost
    after: LayerCost | None

    @property
    def kept(self) -> float:
        """Fraction of the weights that are stored."""
        return 0.0 if self.after is None else self.after.nonzeros / self.before.weights

    @property
    def zero(self) -> float:
        """Fraction of the weights that are there and zero."""
        if self.after is None:
            return 0.0
        return (self.after.weights - self.after.nonzeros) / self.before.weights


def draw_layers(before: MemoryPlan, after: MemoryPlan, path: str | Path, *, title: str) -> None:
    """Writes ``layers_figure`` as a PNG file, 1650 pixels wide and higher for more layers."""
    save_png(layers_figure(before, after, title=title), path)


def layers_figure(before: MemoryPlan, after: MemoryPlan, *, title: str) -> Figure:
    """Two panels with a row for each layer that has weights, in execution order.

    On the left is what became of the weights: kept, set to zero, or removed with their channels. On
    the right are the bytes in flash before and after, with the encoding of the weights.

    Args:
        before: Plan of the unpruned graph.
        after: Plan of the pruned model.
        title: Heading of the picture.
    """
    pruned = {layer.name: layer for layer in after.layers}
    rows = [_Row(layer, pruned.get(layer.name)) for layer in before.layers if layer.weights]
    height = _HEAD_INCHES + _FOOT_INCHES + _ROW_INCHES * max(len(rows), 2)
    figure = Figure(figsize=(_WIDTH_INCHES, height), dpi=DPI)
    names = max(text_size_points(row.before.name, _NAME_POINTS)[0] for row in rows) / 72
    left = names + 0.35
    top, bottom = 1 - _HEAD_INCHES / height, _FOOT_INCHES / height
    middle = (left + _SHARE_INCHES) / _WIDTH_INCHES
    start = middle + _GAP_INCHES / _WIDTH_INCHES
    shares = figure.add_axes(
        (left / _WIDTH_INCHES, bottom, middle - left / _WIDTH_INCHES, top - bottom)
    )
    sizes = figure.add_axes((start, bottom, _RIGHT - start, top - bottom))
    _draw_shares(shares, rows)
    _draw_bytes(sizes, rows)
    x = 0.25 / _WIDTH_INCHES
    figure.text(x, 1 - 0.14 / height, title, fontsize=13, weight="bold", va="top", parse_math=False)
    figure.text(
        x, 1 - 0.43 / height, _subtitle(before, after), fontsize=9.5, color="#555555", va="top"
    )
    _legend(figure, shares, ((_KEPT, "kept"), (_ZERO, "set to zero"), (_CUT, "channel removed")))
    _legend(
        figure,
        sizes,
        (
            (_BEFORE, "unpruned: weights"),
            (_BEFORE_REST, "rest"),
            (_KEPT, "pruned: weights"),
            (_REST, "rest: biases, scales, sizes"),
        ),
    )
    return figure


def _subtitle(before: MemoryPlan, after: MemoryPlan) -> str:
    weights = sum(layer.weights for layer in before.layers)
    left = sum(layer.nonzeros for layer in after.layers)
    return (
        f"Weights {weights:,} → {left:,} ({left / weights - 1:+.0%}); flash "
        f"{before.flash_bytes:,} B → {after.flash_bytes:,} B "
        f"({after.flash_bytes / before.flash_bytes - 1:+.0%}); arena {before.arena_bytes:,} B → "
        f"{after.arena_bytes:,} B"
    ).replace("-", "−")


def _draw_shares(axes: Axes, rows: Sequence[_Row]) -> None:
    for y, row in enumerate(rows):
        starts = (0.0, row.kept, row.kept + row.zero, 1.0)
        for start, end, colour in zip(starts, starts[1:], (_KEPT, _ZERO, _CUT), strict=False):
            axes.barh(y, 100 * (end - start), 2 * _BAR, left=100 * start, color=colour, zorder=2)
        axes.text(
            102, y, f"{1 - row.kept:.0%}", va="center", fontsize=_LABEL_POINTS, gid="sparsity"
        )
    _style(axes, rows)
    axes.set_yticks(range(len(rows)), [row.before.name for row in rows], fontsize=_NAME_POINTS)
    axes.set_xlim(0, 100)
    axes.set_xlabel("Weights (%), and the sparsity of the layer")


def _draw_bytes(axes: Axes, rows: Sequence[_Row]) -> None:
    largest = max(row.before.flash_bytes for row in rows)
    for y, row in enumerate(rows):
        for layer, offset, strong, pale in (
            (row.before, -_BAR / 2, _BEFORE, _BEFORE_REST),
            (row.after, _BAR / 2, _KEPT, _REST),
        ):
            weights = 0 if layer is None else layer.weight_bytes
            total = 0 if layer is None else layer.flash_bytes
            axes.barh(y + offset, weights, _BAR, color=strong, zorder=2)
            axes.barh(y + offset, total - weights, _BAR, left=weights, color=pale, zorder=2)
            text = f"{total:,} B"
            if layer is row.after:
                text += f"  {layer.encoding}" if layer is not None else "  removed"
            axes.text(
                total + 0.012 * largest,
                y + offset,
                text,
                va="center",
                fontsize=_LABEL_POINTS - 0.5,
                color="#16303f" if layer is row.after else "#666666",
                gid="bytes",
            )
    _style(axes, rows)
    axes.set_yticks(range(len(rows)), [])
    # The label of the longest bar has to fit beside it.
    axes.set_xlim(0, 1.24 * largest)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("Flash of the layer (bytes), and how its weights are stored")


def _style(axes: Axes, rows: Sequence[_Row]) -> None:
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _legend(figure: Figure, axes: Axes, entries: Sequence[tuple[str, str]]) -> None:
    """Above a panel, from its left edge."""
    box = axes.get_position()
    figure.legend(
        handles=[Patch(color=colour, label=label) for colour, label in entries],
        loc="lower left",
        bbox_to_anchor=(box.x0, box.y1),
        borderaxespad=0.2,
        ncols=len(entries),
        frameon=False,
        fontsize=8.5,
        columnspacing=1.2,
        handlelength=1.2,
        handletextpad=0.5,
    )
