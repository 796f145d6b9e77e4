"""Tables for the terminal: the front, a model's memory under every definition, layers, boards.

Each fits a width of 100 columns with the figures of small models. Numbers are never cut: in a
narrower terminal they fold.
"""

from collections.abc import Mapping
from math import isnan

import pandas as pd
from rich import box
from rich.table import Table

from ..boards import BOARDS
from ..graph import Graph
from ..memory import MEASURES, KernelLibrary, MemoryPlan, definitions
from ..target import Limits
from .front import FRONT_COLUMNS

_NONE = "–"
FRONT_HEADERS = {
    "candidate": "candidate",
    "val_error": "val\nerror\n%",
    "test_error": "test\nerror\n%",
    "nonzeros": "nonzeros",
    "flash_bytes": "flash\nB",
    "arena_bytes": "arena\nB",
    "in_weights_bytes": "in+\nweights\nB",
    "in_out_bytes": "in+\nout\nB",
    "macs": "MACs",
    "parameters": "para-\nmeters",
}


def front_table(frame: pd.DataFrame, limits: Limits) -> Table:
    """The front, one row per model; the last line shows the limits of the figures it has.

    Args:
        frame: ``front_frame``'s.
        limits: What the models keep.
    """
    count = len(frame)
    table = plain_table(f"{count} Pareto-optimal model{'' if count == 1 else 's'}")
    bounds = limits.by_figure
    table.show_footer = bool(bounds)
    for name in FRONT_COLUMNS:
        footer = "limit" if name == "candidate" else f"{bounds[name]:,}" if name in bounds else ""
        number_column(table, FRONT_HEADERS[name], footer)
    for row in frame.to_dict("records"):
        table.add_row(*(_cell(name, row[name]) for name in FRONT_COLUMNS))
    return table


def _cell(name: str, value: float) -> str:
    if name == "candidate":
        return str(value)
    if "error" in name:
        return _NONE if isnan(value) else f"{100 * value:.2f}"
    return f"{value:,}"


def plan_table(plans: Mapping[KernelLibrary, MemoryPlan]) -> Table:
    """Bytes of one model under every definition (rows) and kernel library (columns).

    Args:
        plans: ``all_plans`` of the model.
    """
    table = plain_table("Memory and size in bytes, by definition and kernels")
    table.add_column("definition", no_wrap=True)
    for kernels in plans:
        number_column(table, kernels.value.replace("cmsis-nn-", "cmsis-nn\n"))
    table.add_column("what is counted", ratio=1)
    figures = [definitions(plan) for plan in plans.values()]
    subject = ""
    for name, measure in MEASURES.items():
        if measure.subject != subject:
            if subject:
                table.add_section()
            subject = measure.subject
            table.add_row(f"[bold]{subject}[/bold]")
        table.add_row(f"  {name}", *(f"{f[name]:,}" for f in figures), measure.text)
    return table


def _gap(plan: MemoryPlan) -> str:
    """How good the placement is."""
    if plan.optimal:
        return f"arena {plan.arena_bytes:,} B: no placement is smaller"
    gap = plan.arena_bytes / plan.lower_bound_bytes - 1.0
    return f"arena {plan.arena_bytes:,} B: {100 * gap:.1f} % above the peak, maybe not the smallest"


def layers_table(plan: MemoryPlan, graph: Graph | None = None) -> Table:
    """What each operator costs, in execution order, and the sums; the peak operator is marked.

    Args:
        plan: Of the model.
        graph: The planned graph; if given, shapes of outputs are shown.
    """
    peak = plan.peak
    table = plain_table(f"Layers; kernels: {plan.kernels.value}")
    table.caption = (
        f"▶ the peak: {peak.live_bytes:,} B live, aligned to {plan.alignment_bytes}: {peak.text}\n"
        + _gap(plan)
    )
    if plan.weight_code_bytes:
        table.caption += (
            f"\nkernels that read the weights: about {plan.weight_code_bytes:,} B of code on a "
            "Cortex-M4, not in flash B"
        )
    table.add_column("operator", overflow="fold")
    table.add_column("kind", overflow="fold")
    if graph is not None:
        number_column(table, "output\nh×w×c")
    for header in ("output\nB", "weights", "nonzeros"):
        number_column(table, header)
    # A long name folds at the spaces between its parts.
    table.add_column("stored as", overflow="fold")
    for header in ("weights\nB", "flash\nB", "MACs"):
        number_column(table, header)
    following = [layer.kind if layer.fused else "" for layer in plan.layers[1:]]
    for index, (layer, after) in enumerate(zip(plan.layers, [*following, ""], strict=True)):
        kind = layer.kind.removesuffix("2d").replace("_", " ")
        if layer.fused and layer.weights:
            kind += " with pooling" if after == "max_pool2d" else ""
        elif layer.fused:
            kind += ", fused"
        marked = layer.name == peak.operator
        shape = [] if graph is None else ["×".join(map(str, graph.tensors[index + 1].shape))]
        weighted = layer.encoding is not None
        table.add_row(
            f"{'▶' if marked else ' '} {layer.name}",
            kind,
            *shape,
            f"{layer.output_bytes:,}" if layer.output_bytes else _NONE,
            *((f"{n:,}" if weighted else _NONE) for n in (layer.weights, layer.nonzeros)),
            layer.encoding.replace("_", " ") if layer.encoding else _NONE,
            f"{layer.weight_bytes:,}" if weighted else _NONE,
            f"{layer.flash_bytes:,}",
            f"{layer.macs:,}",
            style="bold" if marked else None,
        )
    table.add_section()
    table.add_row(
        "  sum",
        *([""] * (2 if graph is None else 3)),
        f"{sum(layer.weights for layer in plan.layers):,}",
        f"{sum(layer.nonzeros for layer in plan.layers):,}",
        "",
        f"{sum(layer.weight_bytes for layer in plan.layers):,}",
        f"{plan.flash_bytes:,}",
        f"{plan.macs:,}",
    )
    return table


def boards_table() -> Table:
    """Every known board: its memory, and what of it is left for an arena and a model."""
    table = plain_table("Boards; memory in KB of 1024 B")
    table.add_column("board", no_wrap=True)
    table.add_column("mcu", overflow="fold")
    table.add_column("core", no_wrap=True)
    for header in ("RAM", "flash", "left for\narena", "left for\nmodel"):
        number_column(table, header)
    table.add_column("note")
    for board in BOARDS.values():
        sizes = (
            board.ram_bytes,
            board.flash_bytes,
            board.arena_limit_bytes,
            board.model_limit_bytes,
        )
        table.add_row(
            board.name,
            board.mcu,
            board.core.value,
            *(f"{size / 1024:,.4g}" if size % 1024 else f"{size // 1024:,}" for size in sizes),
            board.note,
        )
    return table


def plain_table(title: str) -> Table:
    """An empty table in the style of all of them."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )


def number_column(table: Table, header: str, footer: str = "") -> None:
    """Adds a column of numbers, which are never cut."""
    table.add_column(header, footer, justify="right", overflow="fold")
