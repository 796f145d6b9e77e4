"""The picture of a memory plan: which bytes of the arena hold what while which operator runs."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from ..memory import MEASURES, Allocation, MemoryPlan
from .files import DPI, save_png, text_box
from .labels import Box, label_size, place_labels, text_size_points

# Colours of Okabe and Ito, lightened because texts stand on them.
_TENSOR = "#8fc7ea"
_ENDS = "#9adbc5"
_SCRATCH = "#f2c07a"
_PEAK = "#16303f"
_PEAK_ALPHA = 0.16
_FREE = "#ececec"
_HATCH = "////"
_LINE = "#D55E00"
_LINE_POINTS = 1.4
_TEXT = "#16303f"
_LEADER = "#6b7c87"

_TEXT_POINTS = (8.5, 7.5, 6.5)
_OUTSIDE_POINTS = 7.0
_OUTSIDE_ANGLES = (90, 270, 75, 105, 255, 285, 60, 120, 240, 300, 45, 135, 225, 315, 0, 180)
_MARGIN_POINTS = 2.0
_FLAT_POINTS = 4.0
_INCHES_PER_OPERATOR = 0.85
_LEFT_INCHES, _RIGHT_INCHES, _HEIGHT_INCHES = 0.85, 0.25, 5.5
_HEADROOM = 0.12


def draw_plan(plan: MemoryPlan, path: str | Path) -> None:
    """Writes ``plan_figure`` as a PNG file, 825 pixels high and wider for more operators."""
    save_png(plan_figure(plan), path)


def plan_figure(plan: MemoryPlan) -> Figure:
    """The arena over time: operators from left to right, byte offsets from bottom to top.

    Every buffer is a rectangle over the operators that need it. Grey is free memory, hatched
    what an operator reads first and then overwrites with its output, and the operator that needs
    most bytes is marked.
    """
    count = len(plan.layers)
    width = max(8.0, _INCHES_PER_OPERATOR * count + _LEFT_INCHES + _RIGHT_INCHES)
    figure = Figure(figsize=(width, _HEIGHT_INCHES), dpi=DPI)
    axes = figure.subplots()
    left = _LEFT_INCHES / width
    figure.subplots_adjust(left=left, right=1 - _RIGHT_INCHES / width, top=0.83, bottom=0.21)
    _draw_time(axes, plan)
    limit = _draw_limit(figure, axes, plan)
    _label_buffers(axes, plan, [_draw_buffer(axes, plan, a) for a in plan.allocations], limit)
    overlaps = _draw_overlaps(axes, plan)
    title = f"Arena of {plan.arena_bytes:,} B"
    figure.text(left, 0.975, title, fontsize=13, weight="bold", va="top")
    figure.text(
        left, 0.925, _subtitle(plan), fontsize=9.5, color="#555555", va="top", linespacing=1.35
    )
    handles = [
        Patch(color=_ENDS, label="network input, output"),
        Patch(color=_TENSOR, label="tensor"),
    ]
    if any(a.kind == "scratch" for a in plan.allocations):
        handles.append(Patch(color=_SCRATCH, label="scratch"))
    if overlaps:
        handles.append(
            Patch(fill=False, hatch=_HATCH, edgecolor=_LEADER, label="input, then output")
        )
    handles.append(Patch(color=_FREE, label="free"))
    handles.append(Patch(color=_PEAK, alpha=_PEAK_ALPHA, label="the peak"))
    figure.legend(
        handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=9
    )
    return figure


def _subtitle(plan: MemoryPlan) -> str:
    bound = (
        "no smaller one is possible in this order of operators"
        if plan.optimal
        else f"a smaller one may exist, of at least {plan.lower_bound_bytes:,} B"
    )
    text = MEASURES["arena"].text
    return f"{text[0].upper()}{text[1:]}\nKernels: {plan.kernels.value}; {bound}"


def _draw_time(axes: Axes, plan: MemoryPlan) -> None:
    """Axes, the free arena and its limit; below each operator the bytes that are live."""
    count = len(plan.layers)
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(0, (1 + _HEADROOM) * plan.arena_bytes)
    axes.set_ylabel("Offset in the arena (bytes)")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.spines[["top", "right"]].set_visible(False)
    names = [layer.name for layer in plan.layers]
    axes.set_xticks(
        range(count),
        [f"{name}\n{size:,} B" for name, size in zip(names, plan.step_bytes, strict=True)],
        fontsize=8,
    )
    axes.set_xlabel("Operator in execution order, and the bytes that it needs while it runs")
    axes.axhspan(0, plan.arena_bytes, color=_FREE, linewidth=0, zorder=0)
    peak = names.index(plan.peak.operator)
    axes.get_xticklabels()[peak].set_fontweight("bold")
    axes.axvspan(
        peak - 0.5,
        peak + 0.5,
        ymax=1 / (1 + _HEADROOM),
        color=_PEAK,
        alpha=_PEAK_ALPHA,
        linewidth=0,
        zorder=3,
        gid="peak",
    )


def _draw_limit(figure: Figure, axes: Axes, plan: MemoryPlan) -> Box:
    """Draws the end of the arena; returns the box that its label takes, in pixels."""
    # The line stands on the last byte, so that it does not hide a small buffer below it.
    lift = ScaledTranslation(0, _LINE_POINTS / 2 / 72, figure.dpi_scale_trans)
    axes.plot(
        [0, 1],
        [plan.arena_bytes] * 2,
        transform=axes.get_yaxis_transform() + lift,
        color=_LINE,
        linewidth=_LINE_POINTS,
        zorder=4,
        gid="arena",
    )
    label = axes.annotate(
        f"arena {plan.arena_bytes:,} B",
        (1, plan.arena_bytes),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=_LINE,
    )
    return text_box(label)


def _draw_buffer(axes: Axes, plan: MemoryPlan, allocation: Allocation) -> Box:
    """Draws a buffer; returns its rectangle in pixels."""
    a = allocation
    ends = (plan.allocations[0].name, plan.layers[-1].name)
    colour = _SCRATCH if a.kind == "scratch" else _ENDS if a.name in ends else _TENSOR
    corners = [(a.first - 0.5, a.offset_bytes), (a.last + 0.5, a.offset_bytes + a.size_bytes)]
    (left, bottom), (right, top) = axes.transData.transform(corners)
    flat = top - bottom < _FLAT_POINTS * DPI / 72
    axes.add_patch(
        Rectangle(
            (a.first - 0.5, a.offset_bytes),
            a.last - a.first + 1,
            a.size_bytes,
            facecolor=colour,
            # A white edge would hide a flat rectangle.
            edgecolor=colour if flat else "white",
            linewidth=0.8,
            zorder=2,
            gid=f"buffer {a.name}",
        )
    )
    return (float(left), float(bottom), float(right), float(top))


def _draw_overlaps(axes: Axes, plan: MemoryPlan) -> int:
    """Hatches what an operator reads first and then writes; returns how many places there are."""
    count = 0
    for index, a in enumerate(plan.allocations):
        for b in plan.allocations[:index]:
            low = max(a.offset_bytes, b.offset_bytes)
            high = min(a.offset_bytes + a.size_bytes, b.offset_bytes + b.size_bytes)
            first, last = max(a.first, b.first), min(a.last, b.last)
            if low < high and first <= last:
                count += 1
                axes.add_patch(
                    Rectangle(
                        (first - 0.5, low),
                        last - first + 1,
                        high - low,
                        fill=False,
                        hatch=_HATCH,
                        edgecolor=_LEADER,
                        linewidth=0,
                        zorder=2.5,
                        gid=f"overlap {b.name} {a.name}",
                    )
                )
    return count


def _label_buffers(axes: Axes, plan: MemoryPlan, boxes: list[Box], limit: Box) -> None:
    """Names and bytes: in the rectangles that have room for them, beside the others."""
    outside = []
    for a, box in zip(plan.allocations, boxes, strict=True):
        center = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        fitting = _fitting(a, box)
        if fitting is None:
            outside.append((_texts(a)[1], center))
        else:
            _write(axes, fitting[0], center, fitting[1])
    scale = DPI / 72
    window = axes.get_window_extent()
    places = place_labels(
        [center for _, center in outside],
        [label_size(text, _OUTSIDE_POINTS, scale) for text, _ in outside],
        (window.x0, window.y0, window.x1, window.y1),
        scale=scale,
        taken=[*boxes, limit],
        angles_degrees=_OUTSIDE_ANGLES,
    )
    to_axes = axes.transAxes.inverted().transform
    for (text, center), place in zip(outside, places, strict=True):
        if place.leader is not None:
            ends = to_axes([center, place.leader])
            axes.plot(*ends.T, transform=axes.transAxes, color=_LEADER, linewidth=0.6, zorder=3)
        _write(axes, text, place.center, _OUTSIDE_POINTS)


def _texts(allocation: Allocation) -> tuple[str, str, str]:
    """The label in two lines, in one, and as short as it may be."""
    name = "scratch" if allocation.kind == "scratch" else allocation.name
    size = f"{allocation.size_bytes:,} B"
    two_lines, one_line = f"{name}\n{size}", f"{name} {size}"
    return two_lines, one_line, size if allocation.kind == "scratch" else one_line


def _fitting(allocation: Allocation, box: Box) -> tuple[str, float] | None:
    """The largest text that fits the box, and its size in points; None if none does."""
    width, height = ((box[i + 2] - box[i]) * 72 / DPI - _MARGIN_POINTS for i in (0, 1))
    for points in _TEXT_POINTS:
        for text in _texts(allocation):
            text_width, text_height = text_size_points(text, points)
            if text_width <= width and text_height <= height:
                return text, points
    return None


def _write(axes: Axes, text: str, center: tuple[float, float], points: float) -> None:
    x, y = axes.transAxes.inverted().transform(center)
    axes.text(
        x,
        y,
        text,
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=points,
        linespacing=1.1,
        color=_TEXT,
        zorder=5,
        gid="label",
    )
