"""sparse-search report, plan, boards: what there is to know about a run, a network, boards."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from .shared import RunFolder, console, show_pruning

if TYPE_CHECKING:
    from ..graph import Graph
    from ..quantized import QuantizedModel


def report(folder: RunFolder) -> None:
    """Table and picture of a run, finished or not; writes front.csv and front.png again."""
    from ..api import health
    from ..delivery import write_front, write_pruning
    from ..record import StudyRecord
    from ..report import front_table, health_table, history_lines, summary

    record = StudyRecord.open(folder)
    frame, csv, png = write_front(record, record.test_errors())
    console.print(front_table(frame, record.limits))
    console.print(escape(summary(frame, record.limits)), soft_wrap=True)
    console.print(health_table(health(record)))
    console.print(f"table    {csv}\npicture  {png}")
    show_pruning(write_pruning(record), folder)
    for line in history_lines(record.history()):
        console.print(escape(line), soft_wrap=True)


def boards() -> None:
    """List the boards that --target knows."""
    from ..report import boards_table

    console.print(boards_table())


def plan(
    architecture: Annotated[
        Path, typer.Argument(help="Architecture as JSON, or an exported folder or its manifest.")
    ],
    input_shape: Annotated[
        str | None, typer.Option("--input", help="Height x width x channels, such as 28x28x1.")
    ] = None,
    classes: Annotated[int, typer.Option(min=2, help="Outputs of the network.")] = 10,
    png: Annotated[
        Path | None, typer.Option(help="Where to draw the arena over time; default: beside it.")
    ] = None,
) -> None:
    """Show every memory and size definition of a network, and draw its arena over time."""
    from ..graph import Graph
    from ..memory import all_plans, plan_memory
    from ..report import draw_plan, layers_table, plan_table

    subject = _read_subject(architecture, input_shape, classes)
    runtime = plan_memory(subject)
    console.print(plan_table(all_plans(subject)))
    graph = subject if isinstance(subject, Graph) else subject.graph
    console.print(layers_table(runtime, graph))
    picture = png or (architecture if architecture.is_dir() else architecture.parent) / "plan.png"
    draw_plan(runtime, picture)
    console.print(f"picture  {picture}")


def _read_subject(path: Path, input_shape: str | None, classes: int) -> "Graph | QuantizedModel":
    """A model of an export, or the graph of an architecture."""
    from ..architecture import Architecture
    from ..builder import build_graph
    from ..deploy.manifest import MANIFEST_NAME, read_manifest, read_model
    from ..errors import ArchitectureError

    if path.is_dir() or path.name == MANIFEST_NAME:
        folder = path if path.is_dir() else path.parent
        return read_model(folder, read_manifest(folder))
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ArchitectureError(f"cannot read {path}: {error.strerror}") from None
    architecture = Architecture.from_json(text)
    parts = (input_shape or "").lower().split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ArchitectureError(
            f"expected --input as height x width x channels, such as 28x28x1, got {input_shape}"
        )
    return build_graph(architecture, (int(parts[0]), int(parts[1]), int(parts[2])), classes)
