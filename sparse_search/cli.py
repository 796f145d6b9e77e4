"""sparse-search: the command line."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from . import __version__
from .errors import DatasetError, SparseSearchError
from .search.scalarization import Rule
from .target import ModelDefinition
from .workers import Device, WorkerCount

if TYPE_CHECKING:
    from .dataset import Dataset
    from .search.sparse import SparseOptions
    from .target import Limits

app = typer.Typer(
    name="sparse-search",
    help="From a data set and a board to small networks as verified C.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console(width=None if sys.stdout.isatty() else 110)

RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")]
DataDir = Annotated[
    Path | None, typer.Option(help="Where data sets are; default: SPARSE_SEARCH_DATA_DIR.")
]

MaxMacCost = Annotated[
    float | None,
    typer.Option(help="No layer may be more than this many times slower than with dense weights."),
]
CountCode = Annotated[
    bool, typer.Option("--count-code", help="Choose encodings so that code counts as size, too.")
]


@app.command()
def run(
    dataset: Annotated[str, typer.Argument(help="digits, mnist, cifar10, ... or a path.")],
    data_dir: DataDir = None,
    target: Annotated[str | None, typer.Option(help="A board; see `boards`.")] = None,
    max_ram: Annotated[str | None, typer.Option(help="Limit of the arena, such as 2KB.")] = None,
    max_model_size: Annotated[
        str | None, typer.Option(help="Limit of the model's size, such as 2KB.")
    ] = None,
    size_definition: Annotated[
        ModelDefinition, typer.Option(help="Which size of the model is limited.")
    ] = "flash",
    candidates: Annotated[
        int, typer.Option(min=1, help="Candidates of the search in all, also after a resume.")
    ] = 24,
    workers: Annotated[
        str, typer.Option(help="Processes that evaluate, or `ray` for a running Ray cluster.")
    ] = "1",
    device: Annotated[
        Device, typer.Option(help="Where networks are trained; all workers share a GPU.")
    ] = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Run folder; default: runs/DATASET.")] = None,
    strategy: Annotated[str, typer.Option(help="sparse, random, evolution or ehvi.")] = "sparse",
    stages: Annotated[
        str | None,
        typer.Option(
            help="Candidates in stages 1 and 2 of sparse, such as 50,15; default: half of "
            "--candidates, and 15 %."
        ),
    ] = None,
    scalarization: Annotated[
        Rule | None, typer.Option(help="How sparse chooses; default: hypervolume.")
    ] = None,
    early_stopping: Annotated[
        bool, typer.Option(help="End a training once a model that is no larger is clearly better.")
    ] = True,
    final_models: Annotated[
        int, typer.Option(min=1, help="Models of the front that get the long final training.")
    ] = 6,
) -> None:
    """Search, prune, measure, export and verify; the same command again continues."""
    import torch

    from .api import defaults, health
    from .dataset import load_dataset
    from .delivery import deliver
    from .progress import StudyProgress
    from .report import front_table, health_table, summary
    from .space import SearchSpace
    from .study import Study

    torch.set_num_threads(1)  # The other cores are the workers'; proposals repeat exactly.
    limits = _limits(target, max_ram, max_model_size, size_definition)
    with console.status(f"loading {dataset}"):
        data = load_dataset(dataset, data_dir=data_dir, seed=seed)
    for remark in data.remarks:
        console.print(f"[yellow]note:[/yellow] {escape(remark)}")
    folder = out or Path("runs") / data.name
    study = Study(
        dataset=data,
        space=SearchSpace(data.input_shape, data.class_count),
        limits=limits,
        strategy=strategy,
        strategy_options=_strategy_options(strategy, folder, candidates, stages, scalarization),
        out=folder,
        seed=seed,
        workers=_workers(workers),
        device=device,
        early_stopping=early_stopping,
        final_models=final_models,
        **defaults(),
    )
    _log_to(folder / "study.log")
    bounds = ", ".join(f"{name} <= {bound:,} B" for name, bound in limits.by_figure.items())
    console.print(
        f"{escape(data.name)}: {len(data.train):,} training and {len(data.validation):,} "
        f"validation images of {'x'.join(map(str, data.input_shape))}, {data.class_count} "
        f"classes; limits: {bounds or 'none'}; folder: {escape(str(folder))}",
        soft_wrap=True,
    )
    with StudyProgress(console) as progress:
        try:
            recorded = study.run(candidates, progress)
        except KeyboardInterrupt:
            console.print(
                "stopped; what is finished is kept: the same command continues", style="yellow"
            )
            raise typer.Exit(130) from None
        delivery = deliver(study.record, data, progress.step)
    if recorded == 0:
        console.print(f"complete: all {candidates} candidates and the final models were there")
    console.print(front_table(delivery.front, limits))
    console.print(escape(summary(delivery.front, limits)), soft_wrap=True)
    console.print(health_table(health(study.record)))
    console.print(f"table    {delivery.csv}\npicture  {delivery.png}\nC        {delivery.exports}/")
    for candidate_id, certificate in delivery.certificates.items():
        if not certificate.passed:
            for failure in certificate.failures:
                console.print(f"[red]candidate {candidate_id}: {escape(failure)}")
    if not delivery.verified:
        raise typer.Exit(1)
    if delivery.certificates:
        images = next(iter(delivery.certificates.values())).images
        console.print(
            f"verified: host C and Python agree on all {images:,} test images, byte for byte, "
            f"for {len(delivery.certificates)} models",
            style="green",
            highlight=False,
        )


@app.command()
def report(folder: RunFolder) -> None:
    """Table and picture of a run, finished or not; writes front.csv and front.png again."""
    from .api import health
    from .delivery import write_front
    from .record import StudyRecord
    from .report import front_table, health_table, history_lines, summary

    record = StudyRecord.open(folder)
    frame, csv, png = write_front(record, record.test_errors())
    console.print(front_table(frame, record.limits))
    console.print(escape(summary(frame, record.limits)), soft_wrap=True)
    console.print(health_table(health(record)))
    console.print(f"table    {csv}\npicture  {png}")
    for line in history_lines(record.history()):
        console.print(escape(line), soft_wrap=True)


@app.command()
def export(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(help="Folder to write the C to.")],
    candidate: Annotated[
        int | None, typer.Option(help="Default: the most accurate model of the front.")
    ] = None,
    data_dir: DataDir = None,
    max_mac_cost: MaxMacCost = None,
    count_code: CountCode = False,
) -> None:
    """Write one model of a run as C."""
    from .delivery import export_candidate
    from .encoding import EncodingPolicy
    from .errors import StudyError
    from .record import StudyRecord

    record = StudyRecord.open(folder)
    if candidate is None:
        front = record.front().evaluations
        if not front:
            raise StudyError(f"{folder} has no model within its limits yet; continue the run")
        candidate = front[0].candidate.id
    stored = record.settings["dataset"]
    data = _load_if_there(stored["source"], data_dir, record.settings["seed"])
    policy = EncodingPolicy(max_mac_cost=max_mac_cost, count_code=count_code)
    path = export_candidate(record, candidate, out, data, policy)
    console.print(f"candidate {candidate} exported to {path}; next: sparse-search verify {path}")


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="An exported folder.", metavar="EXPORT")],
    data_dir: DataDir = None,
) -> None:
    """Compile an export and compare its output bytes with the integer reference."""
    from .deploy import verify as verify_export
    from .deploy.manifest import read_manifest
    from .progress import bar

    source = read_manifest(folder).dataset.get("source", "")
    data = _load_if_there(source, data_dir, 0) if source else None
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


@app.command()
def boards() -> None:
    """List the boards that --target knows."""
    from .report import boards_table

    console.print(boards_table())


@app.command()
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
    from .encoding import EncodingPolicy
    from .memory import all_plans, plan_memory
    from .report import draw_plan, layers_table, plan_table
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


def _limits(
    target: str | None, max_ram: str | None, max_model_size: str | None, definition: ModelDefinition
) -> "Limits":
    """Limits of a board, of explicit sizes, or of a board with one of them replaced."""
    from .boards import find_board
    from .target import Limits, parse_size

    board = None if target is None else find_board(target)
    ram = board.arena_limit_bytes if board else None
    model = board.model_limit_bytes if board else None
    return Limits(
        parse_size(max_ram) if max_ram else ram,
        parse_size(max_model_size) if max_model_size else model,
        definition,
    )


def _workers(text: str) -> WorkerCount:
    """A positive number of processes, or a Ray cluster."""
    if text == "ray":
        return "ray"
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"expected a number of 1 or more, or ray, got {text!r}")
    return int(text)


def _strategy_options(
    strategy: str, folder: Path, candidates: int, stages: str | None, scalarization: Rule | None
) -> "SparseOptions | None":
    """Options of a new study, made for its number of candidates; None keeps those of an old one."""
    from dataclasses import replace

    from .record import DATABASE, StudyRecord
    from .search.sparse import SparseOptions
    from .search.strategies import stored_options

    if strategy != "sparse":
        if stages or scalarization:
            raise typer.BadParameter("--stages and --scalarization are options of sparse")
        return None
    known = None
    if (folder / DATABASE).is_file():
        known = stored_options(StudyRecord.open(folder).settings, strategy)
        if not (stages or scalarization):
            return None
    options: SparseOptions = known or SparseOptions.for_budget(candidates)
    if stages:
        first, _, pruning = stages.partition(",")
        if not (first.strip().isdecimal() and pruning.strip().isdecimal()):
            raise typer.BadParameter(f"expected two numbers such as 50,15, got {stages!r}")
        options = replace(options, stages=(int(first), int(pruning)))
    return replace(options, scalarization=scalarization) if scalarization else options


def _log_to(path: Path) -> None:
    """Sends tracebacks of failed candidates and remarks of the search to a file."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("sparse_search")
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    log.propagate = False


def _load_if_there(source: str, data_dir: Path | None, seed: int) -> "Dataset | None":
    """The data set, or None with a note on what is used instead."""
    from .dataset import load_dataset

    try:
        with console.status(f"loading {source}"):
            return load_dataset(source, data_dir=data_dir, seed=seed)
    except DatasetError as error:
        console.print(
            f"[yellow]note:[/yellow] random images are used instead of the data set: "
            f"{escape(str(error))}"
        )
        return None


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """From a data set and a board to small networks as verified C."""
    if show:
        console.print(f"sparse-search {__version__}", highlight=False)
        raise typer.Exit


def main() -> None:
    """Runs the command line; errors of the product are one red line and exit code 1."""
    try:
        app()
    except SparseSearchError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    Console(stderr=True).print(f"[red]error:[/red] {escape(message)}", soft_wrap=True)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
