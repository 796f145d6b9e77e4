"""The contents of a run's page, from its record alone."""

from collections.abc import Mapping, Sequence

from ...boards import BOARDS
from ...candidate import Evaluation, History, Rejection
from ...deploy.cores import CORES
from ...graph import Graph
from ...pareto import ParetoFront
from ...quantized import QuantizedModel
from ...record import StudyRecord
from ...target import Core
from ..front import FRONT_COLUMNS, figure_of, front_frame, summary
from ..health import HealthCard
from ..lineage import lineage
from ..network_text import network_text
from ..outcomes import describe_pruning, history_lines
from ..pruning import pruning_gains
from ..tables import FRONT_HEADERS
from ..volume import reference_point, volume_curve
from .contents import BoardRow, ModelRow, RunContents, Volume
from .model import load_model, model_detail, model_sizes

MOST_DETAILS = 300
"""Models that are shown in detail, of longer studies; about 8 KB each."""


def run_contents(record: StudyRecord, health: Sequence[HealthCard], base: str = "") -> RunContents:
    """Everything that the page of a run shows.

    Args:
        record: Of a study, finished or not.
        health: Its cards.
        base: Address of the run's folder relative to the page; empty if the page lies in it.
    """
    history, limits = record.history(), record.limits
    # Of what was read: a study that runs meanwhile may already have more.
    front = ParetoFront.of(history.evaluations, record.objectives, limits)
    settings, test_errors = record.settings, record.test_errors()
    space, frame = record.space, front_frame(front, test_errors)
    gains = pruning_gains(history, front, space, limits, record.validation_images)
    shown = _shown_in_detail(history, front)
    rows, details = [], {}
    for evaluation in history.evaluations:
        number = evaluation.candidate.id
        model = load_model(record, number)
        graph = space.build(evaluation.candidate.architecture)
        rows.append(_row(evaluation, model, graph, test_errors))
        if number in shown:
            details[number] = model_detail(record, history, evaluation, model, graph)
    return RunContents(
        name=settings["dataset"]["name"],
        folder=record.folder.resolve().name,
        base=base,
        facts=_facts(record, history),
        objectives=record.objectives,
        limits=limits.by_figure,
        summary=summary(frame, limits, len(history.evaluations)),
        advice=_advice(record, history, front, test_errors),
        outcomes=tuple(history_lines(history)),
        columns=tuple((name, _heading(name)) for name in FRONT_COLUMNS),
        models=tuple(rows),
        details=details,
        volume=_volume(record, history),
        health=tuple(health),
        pruning=gains.sentence if gains.paths else "",
        boards=board_rows(),
    )


def _shown_in_detail(history: History, front: ParetoFront) -> set[int]:
    """The front, its ancestors, and the most accurate others as far as there is room."""
    chosen = {
        step.candidate for e in front.evaluations for step in lineage(history, e.candidate.id)
    }
    ranked = sorted(history.evaluations, key=lambda e: figure_of(e, front.objectives[0]))
    for evaluation in ranked:
        if len(chosen) >= MOST_DETAILS:
            break
        chosen.add(evaluation.candidate.id)
    return chosen


def _row(
    evaluation: Evaluation,
    model: QuantizedModel | None,
    unpruned: Graph,
    test_errors: Mapping[int, float],
) -> ModelRow:
    candidate = evaluation.candidate
    figures: dict[str, float | int | None] = {
        name: _rounded(name, value)
        for name, value in {**evaluation.metrics, **evaluation.objectives}.items()
    }
    tested = test_errors.get(candidate.id)
    figures["test_error"] = None if tested is None else _rounded("test_error", tested)
    return ModelRow(
        id=candidate.id,
        effort=candidate.effort,
        figures=figures,
        sizes=model_sizes(evaluation, model),
        network=network_text(unpruned),
        pruning=describe_pruning(candidate),
    )


def _rounded(name: str, value: float) -> float | int:
    """As ``front.csv`` has it: counts are whole, errors have six significant digits."""
    return float(f"{value:.6g}") if not float(value).is_integer() or "error" in name else int(value)


def _heading(column: str) -> str:
    """Of a column of the front's table, in one line."""
    return FRONT_HEADERS[column].replace("-\n", "").replace("+\n", "+").replace("\n", " ")


def _facts(record: StudyRecord, history: History) -> tuple[tuple[str, str], ...]:
    settings, space = record.settings, record.space
    limits = ", ".join(f"{name} ≤ {bound:,}" for name, bound in record.limits.by_figure.items())
    pending = len(history.pending)
    return (
        ("data set", f"{settings['dataset']['name']} ({settings['dataset']['fingerprint']})"),
        ("images", f"{'×'.join(map(str, space.input_shape))}, {space.class_count} classes"),
        ("limits", limits or "none"),
        ("objectives", ", ".join(record.objectives)),
        ("candidates", f"{len(history.outcomes)}" + (f", {pending} unfinished" if pending else "")),
        ("strategy", str(settings["strategy"])),
        ("seed", str(settings["seed"])),
        ("version", str(settings["version"])),
    )


def _advice(
    record: StudyRecord, history: History, front: ParetoFront, test_errors: Mapping[int, float]
) -> tuple[str, ...]:
    """What is missing, and what to do about it."""
    found = []
    if not history.evaluations:
        lost = [o for o in history.outcomes if isinstance(o, Rejection)]
        found.append(
            "No model has been measured yet: the command that began this run continues it."
            if not lost
            else f"None of {len(lost)} candidates became a model; the first reason: "
            f"{lost[0].kind}: {lost[0].reason} Continue with more candidates, or begin with larger "
            "limits in a new folder."
        )
    elif not len(front):
        bounds = ", ".join(f"{n} ≤ {b:,}" for n, b in record.limits.by_figure.items())
        found.append(
            f"No measured model keeps the limits ({bounds}). Continue the run with more "
            "candidates, begin one with larger limits in a new folder, or choose a board below to "
            "see what the models need."
        )
    if history.pending:
        found.append(
            f"This run is unfinished: {_counted(len(history.pending), 'candidate')} without an "
            "outcome yet. The command that began it continues it."
        )
    untested = [e for e in front.evaluations if e.candidate.id not in test_errors]
    if untested and history.evaluations:
        found.append(
            f"Of {_counted(len(front), 'model')} of the front, {len(untested)} still have to be "
            "measured on the test split and exported; that is done when the run ends."
        )
    return tuple(found)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _volume(record: StudyRecord, history: History) -> Volume:
    evaluations, limits, objectives = history.evaluations, record.limits, record.objectives
    reference = reference_point([(evaluations, limits)], objectives, record.space.class_count)
    return Volume(reference, volume_curve(evaluations, objectives, limits, reference))


def board_rows() -> tuple[BoardRow, ...]:
    """Every known board, and what of it is left for a model."""
    return tuple(
        BoardRow(
            name=board.name,
            mcu=board.mcu,
            core=board.core.value,
            cmsis_kernels="" if board.core.cmsis_kernels is None else board.core.cmsis_kernels,
            emulated=_emulated(board.core),
            arena_bytes=board.arena_limit_bytes,
            flash_bytes=board.model_limit_bytes,
            note=board.note,
        )
        for board in BOARDS.values()
    )


def _emulated(core: Core) -> str:
    """The core of ``verify`` that runs what ``core`` runs; empty without one.

    >>> _emulated(Core.M0PLUS), _emulated(Core.M85)
    ('m0', '')
    """
    name = core.value.removeprefix("cortex-").removesuffix("plus")
    return name if name in CORES else ""
