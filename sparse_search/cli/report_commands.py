"""sparse-search report, plan, boards: what there is to know about a run, a network, boards."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from .shared import CountCode, MaxMacCost, RunFolder, console, show_pruning


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
    max_mac_cost: MaxMacCost = None,
    count_code: CountCode = False,
) -> None:
    """Show every memory and size definition of a network, and draw its arena over time."""
    from ..encoding import EncodingPolicy
    from ..memory import all_plans, plan_memory
    from ..report import draw_plan, layers_table, plan_table
    from .subjects import read_subject

    subject = read_subject(architecture, input_shape, classes)
    policy = subject.policy
    if max_mac_cost is not None or count_code:
        policy = EncodingPolicy(max_mac_cost=max_mac_cost, count_code=count_code)
    runtime = plan_memory(subject.planned, policy=policy)
    console.print(plan_table(all_plans(subject.planned, policy=policy)))
    console.print(layers_table(runtime, subject.graph))
    picture = png or (architecture if architecture.is_dir() else architecture.parent) / "plan.png"
    draw_plan(runtime, picture)
    console.print(f"picture  {picture}")
