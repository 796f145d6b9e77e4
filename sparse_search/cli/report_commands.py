"""sparse-search report, plan, boards: what there is to know about a run, a network, boards."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from .shared import (
    PAGE,
    CountCode,
    MaxMacCost,
    console,
    note,
    note_unwritten,
    show_paths,
    show_pruning,
)

if TYPE_CHECKING:
    from ..record import StudyRecord

FIGURES = "report"


def report(
    folders: Annotated[
        list[Path], typer.Argument(help="Folder of a run; several are compared.", metavar="RUN...")
    ],
    html: Annotated[
        bool, typer.Option("--html", help="Write one page with all there is to see; no network.")
    ] = False,
    png: Annotated[bool, typer.Option("--png", help="Write the page's figures as PNG.")] = False,
    svg: Annotated[bool, typer.Option("--svg", help="Write the page's figures as SVG.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the files; default: that of the run, or ./comparison."),
    ] = None,
) -> None:
    """Table and picture of a run, finished or not, or of several runs compared."""
    formats = [name for name, wanted in (("png", png), ("svg", svg)) if wanted]
    if len(folders) == 1:
        _report_run(folders[0], html, formats, out or folders[0])
    else:
        _report_comparison(folders, html, formats, out or Path("comparison"))


def _report_run(folder: Path, html: bool, formats: Sequence[str], out: Path) -> None:
    from ..api import health
    from ..record import StudyRecord
    from ..report import (
        front_frame,
        front_table,
        health_table,
        history_lines,
        run_figures,
        save_figure,
        summary,
    )
    from ..report.page import write_page

    record = StudyRecord.open(folder)
    frame = front_frame(record.front(), record.test_errors())
    console.print(front_table(frame, record.limits))
    measured = len(record.history().evaluations)
    console.print(escape(summary(frame, record.limits, measured)), soft_wrap=True)
    cards = health(record)
    console.print(health_table(cards))
    _write_tables(record)
    for line in history_lines(record.history()):
        console.print(escape(line), soft_wrap=True)
    if html:
        write_page(record, cards, out / PAGE)
        show_paths(page=out / PAGE)
    if formats:
        for name, figure in run_figures(record):
            for suffix in formats:
                save_figure(figure, out / FIGURES / f"{name}.{suffix}")
        show_paths(figures=f"{out / FIGURES}/")


def _write_tables(record: "StudyRecord") -> None:
    """Table and pictures in the run's folder; a note where nothing can be written there."""
    from ..delivery import gains_of, write_front, write_pruning

    try:
        _, csv, png = write_front(record, record.test_errors())
        gains = write_pruning(record)
    except OSError as error:
        note_unwritten("table and pictures", record.folder, error)
        show_pruning(gains_of(record), None)
    else:
        show_paths(table=csv, picture=png)
        show_pruning(gains, record.folder)


def _report_comparison(
    folders: Sequence[Path], html: bool, formats: Sequence[str], out: Path
) -> None:
    from ..record import StudyRecord
    from ..report import compare, comparison_figure, comparison_table, save_figure
    from ..report.page import write_comparison
    from ..report.volume_plot import reference_text

    comparison = compare([StudyRecord.open(folder) for folder in folders])
    console.print(comparison_table(comparison))
    text = f"hypervolume below the common {reference_text(comparison.reference)}"
    console.print(escape(text), soft_wrap=True)
    for text in comparison.notes:
        note(text)
    figure = comparison_figure(comparison)
    for suffix in dict.fromkeys(["png", *formats]):
        save_figure(figure, out / f"fronts.{suffix}")
        show_paths(picture=out / f"fronts.{suffix}")
    if html:
        write_comparison(comparison, out / PAGE)
        show_paths(page=out / PAGE)


def boards() -> None:
    """List the boards that --target knows."""
    from ..report import boards_table

    console.print(boards_table())


def plan(
    architecture: Annotated[
        Path,
        typer.Argument(
            help="Architecture as JSON, the .safetensors of a model, an exported folder or its "
            "manifest."
        ),
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
    try:
        draw_plan(runtime, picture)
    except OSError as error:
        if png is not None:
            raise
        note_unwritten("picture", picture, error)
    else:
        show_paths(picture=picture)
