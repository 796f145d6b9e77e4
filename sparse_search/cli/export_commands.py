"""sparse-search export, verify: a model of a run as C, and the proof that it is that model."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ..deploy import Optimize
from .shared import CountCode, DataDir, MaxMacCost, RunFolder, console, load_if_there


def export(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(help="Folder to write the C to.")],
    candidate: Annotated[
        int | None, typer.Option(help="Default: the most accurate model of the front.")
    ] = None,
    data_dir: DataDir = None,
    max_mac_cost: MaxMacCost = None,
    count_code: CountCode = False,
    optimize: Annotated[
        Optimize,
        typer.Option(help="size: kernels are shared; speed: each operator has its own kernel."),
    ] = "size",
) -> None:
    """Write one model of a run as C."""
    from ..delivery import export_candidate
    from ..encoding import EncodingPolicy
    from ..errors import StudyError
    from ..record import StudyRecord

    record = StudyRecord.open(folder)
    if candidate is None:
        front = record.front().evaluations
        if not front:
            raise StudyError(f"{folder} has no model within its limits yet; continue the run")
        candidate = front[0].candidate.id
    stored = record.settings["dataset"]
    data = load_if_there(stored["source"], data_dir, record.settings["seed"])
    policy = EncodingPolicy(max_mac_cost=max_mac_cost, count_code=count_code)
    path = export_candidate(record, candidate, out, data, policy, optimize)
    console.print(f"candidate {candidate} exported to {path}; next: sparse-search verify {path}")


def verify(
    folder: Annotated[Path, typer.Argument(help="An exported folder.", metavar="EXPORT")],
    data_dir: DataDir = None,
) -> None:
    """Compile an export and compare its output bytes with the integer reference."""
    from ..deploy import verify as verify_export
    from ..deploy.manifest import read_manifest
    from ..progress import bar

    source = read_manifest(folder).dataset.get("source", "")
    data = load_if_there(source, data_dir, 0) if source else None
    test = None if data is None else data.open_test()
    with bar(console) as progress:
        task = progress.add_task("verifying", total=None)
        certificate = verify_export(
            folder,
            None if test is None else test.images,
            None if test is None else test.labels,
            observer=lambda done, total: progress.update(task, completed=done, total=total),
        )
    console.print(f"compiler: {certificate.compiler}", highlight=False)
    for failure in certificate.failures:
        console.print(f"[red]{escape(failure)}")
    if certificate.correct is not None:
        console.print(
            f"accuracy of the C code: {certificate.correct / certificate.images:.2%} of "
            f"{certificate.images:,} test images"
        )
    style = "green" if certificate.passed else "red"
    console.print(certificate.summary, style=style, highlight=False)
    if not certificate.passed:
        raise typer.Exit(1)
