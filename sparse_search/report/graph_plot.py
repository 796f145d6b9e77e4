"""The picture of a model's graph: operators from top to bottom, tensors as edges."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from ..graph import Graph
from .files import DPI
from .network_text import operator_text

_ROW_INCHES, _BOX = 0.62, 0.6
_WIDTH_INCHES, _BOX_WIDTH, _LANE = 6.0, 0.78, 0.035
_EDGE = {"arrowstyle": "-|>", "color": "#6b7c87", "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
_COLOURS = {
    "conv2d": "#0072B2",
    "depthwise_conv2d": "#0072B2",
    "dense": "#009E73",
    "add": "#E69F00",
    "concat": "#E69F00",
}


def graph_figure(graph: Graph, *, title: str) -> Figure:
    """A box for each operator with its output's shape, parameters and MACs.

    An edge that passes by operators runs beside them, in a lane of its own.

    Args:
        graph: In execution order.
        title: Heading of the picture.
    """
    rows = {tensor.name: row for row, tensor in enumerate(graph.tensors)}
    height = _ROW_INCHES * len(rows) + 0.6
    figure = Figure(figsize=(_WIDTH_INCHES, height), dpi=DPI)
    top = 1 - 0.5 / height
    axes = figure.add_axes((0.02, 0.0, 0.96, top))
    axes.set_xlim(0, 1)
    axes.set_ylim(len(rows) - 0.4, -0.5)
    axes.set_axis_off()
    _draw_edges(axes, graph, rows)
    shape = "×".join(map(str, graph.input.shape))
    _draw_box(axes, 0, graph.input.name, "input", shape, "#8d989f")
    for row, op in enumerate(graph.operators, 1):
        weights = graph.weight_count(op) + graph.bias_count(op) if op in graph.weighted else 0
        costs = f"{weights:,} parameters, {graph.operator_macs(op):,} MACs" if weights else ""
        text = "; ".join(part for part in (operator_text(graph, op), costs) if part)
        shape = "×".join(map(str, graph.shape(op.output)))
        _draw_box(axes, row, op.name, text, shape, _COLOURS.get(op.kind, "#8d989f"))
    figure.text(
        0.02, 1 - 0.12 / height, title, fontsize=12, weight="bold", va="top", parse_math=False
    )
    return figure


def _draw_box(axes: Axes, row: int, name: str, text: str, shape: str, colour: str) -> None:
    style = "round,pad=0,rounding_size=0.01"
    corner = (0.0, row - _BOX / 2)
    axes.add_patch(
        FancyBboxPatch(
            corner, _BOX_WIDTH, _BOX, boxstyle=style, facecolor="#f7f8f9", edgecolor=colour
        )
    )
    axes.text(0.02, row - 0.12, name, fontsize=9, weight="bold", va="center")
    axes.text(_BOX_WIDTH - 0.02, row - 0.12, shape, fontsize=9, ha="right", va="center")
    axes.text(0.02, row + 0.14, text, fontsize=7.5, color="#55646e", va="center")


def _draw_edges(axes: Axes, graph: Graph, rows: dict[str, int]) -> None:
    ends: list[int] = []
    for row, op in enumerate(graph.operators, 1):
        for start in (rows[name] for name in op.inputs):
            if row == start + 1:
                tail, head = (_BOX_WIDTH / 2, start + _BOX / 2), (_BOX_WIDTH / 2, row - _BOX / 2)
                axes.annotate("", head, tail, arrowprops=_EDGE)
                continue
            lane = next((i for i, end in enumerate(ends) if end <= start), len(ends))
            ends[lane : lane + 1] = [row]
            x = _BOX_WIDTH + 0.02 + _LANE * (lane + 1)
            axes.plot([_BOX_WIDTH, x, x], [start, start, row], color="#6b7c87", linewidth=1.1)
            axes.annotate("", (_BOX_WIDTH, row), (x, row), arrowprops=_EDGE)
