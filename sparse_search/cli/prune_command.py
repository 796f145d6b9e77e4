"""sparse-search prune: the models of a finished run, pruned further."""

from typing import Annotated

import typer

from ..workers import Device
from .shared import (
    DataDir,
    RunFolder,
    WorkersText,
    console,
    load_stored,
    log_to,
    parse_workers,
    show_certificates,
    show_paths,
    show_pruning,
)


def prune(
    folder: RunFolder,
    candidate: Annotated[
        int | None, typer.Option(help="The one model to prune; default: those of the front.")
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(help="Such as channels,feedback, or all; default: channels,magnitude."),
    ] = None,
    codebook_bits: Annotated[
        str,
        typer.Option(
            help="Bits of a codebook of weights, such as none,4,3: each doubles the work."
        ),
    ] = "none,4",
    models: Annotated[
        int, typer.Option(min=1, help="Models of the front that are pruned, spread over the error.")
    ] = 6,
    max_loss: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Points of validation error above the model as it is that end a path; "
            "default: a tenth of what it has learned.",
        ),
    ] = None,
    sparsities: Annotated[
        str | None,
        typer.Option(
            help="Fractions that go in the steps of a path, such as 0.5,0.85; default: each step "
            "keeps 3/4 of the weights, or 4/5 of the channels, that the last one kept."
        ),
    ] = None,
    data_dir: DataDir = None,
    workers: WorkersText = "1",
    device: Annotated[
        Device | None, typer.Option(help="Where networks are trained; default: as in the run.")
    ] = None,
) -> None:
    """Prune the models of a run further, step by step; what is better joins the front."""
    import torch

    from ..api import parts_of
    from ..delivery import deliver
    from ..front_pruning import PathOptions, prune_front
    from ..progress import StudyProgress
    from ..record import StudyRecord
    from ..report import front_table

    torch.set_num_threads(1)  # The other cores are the workers'.
    record = StudyRecord.open(folder)
    parts = parts_of(record)
    names = tuple(pruner.name for pruner in parts["pruners"])
    options = PathOptions(
        names if methods == "all" else _names(methods),
        _codebooks(codebook_bits),
        candidate,
        models,
        None if max_loss is None else max_loss / 100.0,
        _fractions(sparsities),
    )
    worker_count = parse_workers(workers)
    data = load_stored(record.settings["dataset"], data_dir, record.settings["seed"])
    log_to(folder / "study.log")
    with StudyProgress(console) as progress:
        try:
            recorded = prune_front(
                record,
                data,
                pruners=parts["pruners"],
                objectives=parts["objectives"],
                options=options,
                workers=worker_count,
                device=device,
                observer=progress,
            )
        except KeyboardInterrupt:
            console.print(
                "stopped; what is finished is kept: the same command continues", style="yellow"
            )
            raise typer.Exit(130) from None
        delivery = deliver(record, data, progress.step)
    if recorded == 0:
        console.print("complete: every step of these paths was there")
    console.print(front_table(delivery.front, record.limits))
    show_paths(table=delivery.csv, picture=delivery.png, C=f"{delivery.exports}/")
    show_pruning(delivery.gains, folder)
    show_certificates(delivery)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name for part in (text or "").split(",") if (name := part.strip()))


def _fractions(text: str | None) -> tuple[float, ...]:
    """Numbers in the order given; the study says which of them make sense."""
    try:
        return tuple(float(name) for name in _names(text))
    except ValueError:
        raise typer.BadParameter(f"expected fractions, such as 0.5,0.85; got {text!r}") from None


def _codebooks(text: str) -> tuple[int | None, ...]:
    """Numbers of bits, or none for weights of any value."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part in ("none", "2", "3", "4") for part in parts):
        raise typer.BadParameter(
            f"expected 2, 3 or 4 bits, which an encoding stores, or none, such as none,4,3; "
            f"got {text!r}"
        )
    return tuple(None if part == "none" else int(part) for part in parts)
