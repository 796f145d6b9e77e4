"""sparse-search run: search, prune, measure, export and verify."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from ..api import Goal
from ..presets import OWN_DATA, USUAL_BUDGET, BudgetName, find_preset
from ..search.scalarization import Rule
from ..target import MemoryDefinition, ModelDefinition
from ..workers import Device
from .paths import check_run_folder
from .shared import (
    PAGE,
    DataDir,
    Grey,
    ImageSize,
    Label,
    WorkersText,
    console,
    loading,
    log_to,
    note,
    parse_workers,
    read_options,
    show_certificates,
    show_paths,
    show_remarks,
)

if TYPE_CHECKING:
    from ..forecast import Forecaster
    from ..search.sparse import SparseOptions
    from ..target import Limits
    from ..warm_start import Start


def run(
    dataset: Annotated[str, typer.Argument(help="digits, mnist, cifar10, ... or a path.")],
    data_dir: DataDir = None,
    size: ImageSize = None,
    grey: Grey = False,
    label: Label = None,
    target: Annotated[str | None, typer.Option(help="A board; see `boards`.")] = None,
    max_ram: Annotated[
        str | None, typer.Option(help="Limit of the working memory, such as 2KB.")
    ] = None,
    max_model_size: Annotated[
        str | None, typer.Option(help="Limit of the model's size, such as 2KB.")
    ] = None,
    size_definition: Annotated[
        ModelDefinition, typer.Option(help="Which size of the model is limited.")
    ] = "flash",
    memory_definition: Annotated[
        MemoryDefinition, typer.Option(help="Which working memory is limited.")
    ] = "arena",
    goal: Annotated[
        Goal,
        typer.Option(
            help="front: every trade-off between error, size and memory; accuracy: the least error "
            "within the limits."
        ),
    ] = "front",
    budget: Annotated[
        BudgetName | None,
        typer.Option(
            help="Candidates, length of trainings and, of published data, limits, where they are "
            "not given: quick is minutes, standard an hour or a few, paper days."
        ),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="In all, also after a resume; default: 24, or that of --budget.",
        ),
    ] = None,
    workers: WorkersText = "1",
    device: Annotated[
        Device, typer.Option(help="Where networks are trained; all workers share a GPU.")
    ] = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; default: runs/DATASET, or DATASET-BUDGET.")
    ] = None,
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
    start: Annotated[
        Path | None,
        typer.Option(
            help="What the search begins with: a run, of which it is the front, a JSON file with "
            "architectures, or the word random; default: plain networks as wide as the limits "
            "allow, in a search by sparse."
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="How training images vary at random, such as 'shift 2, rotate 10, scale 0.1, "
            "negative', or none; default: shifts by a 16th of the image, flips of CIFAR, and, with "
            "--budget, more of Chars74K."
        ),
    ] = None,
    early_stopping: Annotated[
        bool, typer.Option(help="End a training once a model that is no larger is clearly better.")
    ] = True,
    final_models: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Models that get the long final training; default: 6, or that of --budget.",
        ),
    ] = None,
) -> None:
    """Search, prune, measure, export and verify; the same command again continues."""
    import torch

    from ..api import defaults, health
    from ..augmentation import parse_augmentation
    from ..dataset import load_dataset
    from ..delivery import deliver
    from ..finals import search_history
    from ..forecast import Forecaster
    from ..progress import StudyProgress
    from ..report import front_table, health_table, summary
    from ..report.page import write_page
    from ..space import SearchSpace
    from ..study import Study
    from ..target import Limits
    from ..training import check_device

    torch.set_num_threads(1)  # The other cores are the workers'; proposals repeat exactly.
    preset = find_preset(dataset) if budget else OWN_DATA
    spent = preset.budgets[budget] if budget else USUAL_BUDGET
    candidates = candidates or spent.candidates
    definitions = Limits(None, None, size_definition, memory_definition)
    limits = _limits(target, max_ram, max_model_size, definitions, preset.limits)
    variation = preset.augmentation if augment is None else augment
    augmentation = None if variation is None else parse_augmentation(variation)
    options = read_options(size, grey, label)
    worker_count = parse_workers(workers)
    given = _given_networks(start)
    _check_strategy(strategy, stages, scalarization)
    if worker_count != "ray":  # Else it is the machines of the cluster that need it.
        check_device(device)
    if out is not None:
        _check_folder(out, start)
    with loading(dataset):
        data = load_dataset(dataset, data_dir=data_dir, seed=seed, options=options)
    show_remarks(data)
    config = spent.config(data)
    if augmentation is not None:
        config = config.augmented(augmentation)
    folder = out or Path("runs") / (f"{data.name}-{budget}" if budget else data.name)
    _check_folder(folder, start)
    space, parts = SearchSpace.for_input(data.input_shape, data.class_count), defaults(limits, goal)
    study = Study(
        dataset=data,
        space=space,
        limits=limits,
        strategy=strategy,
        strategy_options=_strategy_options(strategy, folder, candidates, stages, scalarization),
        out=folder,
        seed=seed,
        workers=worker_count,
        device=device,
        early_stopping=early_stopping,
        final_models=final_models or spent.final_models,
        start=_first_networks(given, strategy, folder, Forecaster(space, parts["pruners"]), limits),
        config=config,
        **parts,
    )
    log_to(folder / "study.log")
    bounds = ", ".join(f"{name} <= {bound:,} B" for name, bound in limits.by_figure.items())
    console.print(
        f"{escape(data.name)}: {len(data.train):,} training and {len(data.validation):,} "
        f"validation images of {'x'.join(map(str, data.input_shape))}, {data.class_count} "
        f"classes; limits: {bounds or 'none'}; folder: {escape(str(folder))}",
        soft_wrap=True,
    )
    for what, bound, option in (
        ("working memory", limits.ram_bytes, "--max-ram"),
        ("size of the model", limits.model_bytes, "--max-model-size"),
    ):
        if bound is None:
            note(f"the {what} has no limit; {option} or --target sets one")
    with StudyProgress(console) as progress:
        try:
            recorded = study.run(candidates, progress)
        except KeyboardInterrupt:
            console.print(
                "stopped; what is finished is kept: the same command continues", style="yellow"
            )
            raise typer.Exit(130) from None
        delivery = deliver(study.record, data, progress.step)
    history = study.record.history()
    searched = len(search_history(history).candidates)
    if recorded == 0:
        console.print(f"complete: all {searched} candidates and the final models were there")
    if searched > candidates:
        note(f"the run had {searched} candidates, which is more than the {candidates} asked for")
    console.print(front_table(delivery.front, limits))
    text = summary(delivery.front, limits, len(history.evaluations))
    console.print(escape(text), soft_wrap=True)
    cards = health(study.record)
    console.print(health_table(cards))
    write_page(study.record, cards, folder / PAGE)
    show_paths(
        table=delivery.csv,
        picture=delivery.png,
        C=f"{delivery.exports}/",
        page=folder / PAGE,
    )
    show_certificates(delivery)


def _given_networks(start: Path | None) -> "Start | None":
    """What --start names; none for random networks, None where nothing was asked for."""
    from ..warm_start import read_start

    if start is None:
        return None
    return () if start == Path("random") else read_start(start)


def _check_strategy(strategy: str, stages: str | None, scalarization: Rule | None) -> None:
    """Refuses an unknown strategy, and options that it does not have."""
    from ..errors import StudyError
    from ..search.strategies import STRATEGIES

    if strategy not in STRATEGIES:
        raise StudyError(f"expected a strategy among {', '.join(STRATEGIES)}, got {strategy!r}")
    if strategy != "sparse" and (stages or scalarization):
        raise typer.BadParameter("--stages and --scalarization are options of sparse")
    if stages:
        _parse_stages(stages)


def _check_folder(folder: Path, start: Path | None) -> None:
    """Refuses what is no place for a run, and a run that is to begin with itself."""
    from ..errors import StudyError

    check_run_folder(folder)
    if start is not None and start.is_dir() and folder.is_dir() and start.samefile(folder):
        raise StudyError(
            f"expected another run for --start than {folder}, in which it is to search; leave "
            "--start out to continue the run, or choose another folder with --out"
        )


def _first_networks(
    given: "Start | None", strategy: str, folder: Path, forecaster: "Forecaster", limits: "Limits"
) -> "Start | None":
    """What a search begins with; None for what the study in the folder has, or random networks."""
    from ..journal import Journal
    from ..plain import plain_networks
    from ..record import DATABASE

    if given is not None:
        return given
    if strategy != "sparse" or Journal.begun(folder / DATABASE):
        return None
    return plain_networks(forecaster, limits) or None


def _limits(
    target: str | None,
    max_ram: str | None,
    max_model_size: str | None,
    definitions: "Limits",
    usual: "Limits",
) -> "Limits":
    """Limits of a board, else the usual ones; explicit sizes replace either."""
    from dataclasses import replace

    from ..boards import find_board
    from ..target import Limits

    board = None if target is None else find_board(target)
    limits = Limits.of_target(board) if board else usual
    return replace(
        definitions,
        ram_bytes=limits.ram_bytes if max_ram is None else _bytes("--max-ram", max_ram),
        model_bytes=(
            limits.model_bytes
            if max_model_size is None
            else _bytes("--max-model-size", max_model_size)
        ),
    )


def _bytes(option: str, text: str) -> int:
    from ..errors import TargetError
    from ..target import parse_size

    try:
        return parse_size(text)
    except TargetError as error:
        raise TargetError(f"{option}: {error}") from None


def _strategy_options(
    strategy: str, folder: Path, candidates: int, stages: str | None, scalarization: Rule | None
) -> "SparseOptions | None":
    """Options of a new study, made for its number of candidates; None keeps those of an old one."""
    from dataclasses import replace

    from ..journal import Journal
    from ..record import DATABASE, StudyRecord
    from ..search.sparse import SparseOptions
    from ..search.strategies import stored_options

    if strategy != "sparse":
        return None
    known = None
    if Journal.begun(folder / DATABASE):
        known = stored_options(StudyRecord.open(folder).settings, strategy)
        if not (stages or scalarization):
            return None
    options: SparseOptions = known or SparseOptions.for_budget(candidates)
    if stages:
        options = replace(options, stages=_parse_stages(stages))
    return replace(options, scalarization=scalarization) if scalarization else options


def _parse_stages(stages: str) -> tuple[int, int]:
    first, _, pruning = stages.partition(",")
    if not (first.strip().isdecimal() and pruning.strip().isdecimal()):
        raise typer.BadParameter(f"expected two numbers such as 50,15, got {stages!r}")
    return int(first), int(pruning)
