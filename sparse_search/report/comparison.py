"""Runs beside each other: their fronts, and their hypervolume below a common reference point."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from ..candidate import Evaluation
from ..errors import StudyError
from ..pareto import ParetoFront
from ..record import StudyRecord
from .front import figure_of
from .tables import number_column, plain_table
from .volume import VolumeCurve, reference_point, volume_curve

_NONE = "–"


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs.

    Attributes:
        name: Of its folder; with the folder above it where names are equal.
        dataset: Name of the data set.
        strategy: Name of the strategy.
        evaluations: Everything that was measured.
        front: Its Pareto-optimal models.
        test_error: Of the best model; None where it was not measured.
        joint: How many models of the front are Pareto-optimal among the fronts of all runs.
        curve: Hypervolume after each evaluation.
    """

    name: str
    dataset: str
    strategy: str
    evaluations: tuple[Evaluation, ...]
    front: ParetoFront
    test_error: float | None
    joint: int
    curve: VolumeCurve

    @property
    def best(self) -> Evaluation | None:
        """The model with the least error; None without a front."""
        return self.front.evaluations[0] if len(self.front) else None


@dataclass(frozen=True)
class Comparison:
    """Several runs.

    Attributes:
        objectives: That all have, the error first.
        reference: Common corner of the hypervolume, by objective.
        runs: In the order in which they were given.
        notes: What makes them hard to compare, one sentence each.
    """

    objectives: tuple[str, ...]
    reference: dict[str, float]
    runs: tuple[ComparedRun, ...]
    notes: tuple[str, ...]


def compare(records: Sequence[StudyRecord]) -> Comparison:
    """Compares two or more runs under the objectives that all of them have.

    Raises:
        StudyError: Fewer than two runs, or no common objective beside one common error.
    """
    if len(records) < 2:
        raise StudyError(f"expected two or more runs to compare, got {len(records)}")
    objectives = _common_objectives(records)
    studies = [(record.history().evaluations, record.limits) for record in records]
    classes = max(record.space.class_count for record in records)
    reference = reference_point(studies, objectives, classes)
    fronts = [ParetoFront.of(evaluations, objectives, limits) for evaluations, limits in studies]
    joint = {id(e) for e in ParetoFront.of(_all(fronts), objectives).evaluations}
    runs = []
    for name, record, (evaluations, limits), front in zip(
        _names(records), records, studies, fronts, strict=True
    ):
        best = front.evaluations[0].candidate.id if len(front) else None
        runs.append(
            ComparedRun(
                name,
                record.settings["dataset"]["name"],
                str(record.settings["strategy"]),
                tuple(evaluations),
                front,
                None if best is None else record.test_errors().get(best),
                sum(id(e) in joint for e in front.evaluations),
                volume_curve(evaluations, objectives, limits, reference),
            )
        )
    return Comparison(objectives, reference, tuple(runs), _notes(records, objectives))


def _all(fronts: Sequence[ParetoFront]) -> list[Evaluation]:
    return [evaluation for front in fronts for evaluation in front.evaluations]


def _common_objectives(records: Sequence[StudyRecord]) -> tuple[str, ...]:
    first, *others = (record.objectives for record in records)
    common = tuple(name for name in first if all(name in other for other in others))
    if len(common) < 2 or any(other[0] != first[0] for other in others):
        found = "; ".join(", ".join(names) for names in (first, *others))
        raise StudyError(
            f"expected runs with the same error and one more objective in common, got {found}; "
            "compare runs that minimise the same figures"
        )
    return common


def _names(records: Sequence[StudyRecord]) -> list[str]:
    folders = [record.folder.resolve() for record in records]
    times = Counter(folder.name for folder in folders)
    return [
        folder.name if times[folder.name] == 1 else f"{folder.parent.name}/{folder.name}"
        for folder in folders
    ]


def _notes(records: Sequence[StudyRecord], objectives: tuple[str, ...]) -> tuple[str, ...]:
    notes = []
    datasets = {record.settings["dataset"]["fingerprint"] for record in records}
    if len(datasets) > 1:
        notes.append("The runs have different data or splits: their errors mean different things.")
    if len({tuple(record.limits.by_figure.items()) for record in records}) > 1:
        notes.append(
            "The runs have different limits: each front holds what keeps the limits of its own run."
        )
    if any(record.objectives != objectives for record in records):
        notes.append(f"Only the objectives of all runs are compared: {', '.join(objectives)}.")
    return tuple(notes)


def comparison_table(comparison: Comparison) -> Table:
    """One row per run."""
    table = plain_table("Runs compared")
    table.add_column("run", overflow="fold")
    table.add_column("data set", overflow="fold")
    table.add_column("strategy", overflow="fold")
    headers = ("measured", "front", "in joint\nfront", "val\nerror\n%", "test\nerror\n%")
    for header in (*headers, "flash\nB", "arena\nB", "hyper-\nvolume\n%"):
        number_column(table, header)
    for run in comparison.runs:
        table.add_row(*map(escape, comparison_row(run, comparison.objectives[0])))
    return table


def comparison_row(run: ComparedRun, error: str) -> tuple[str, ...]:
    """The cells of a run: of its best model the errors, flash and arena."""
    best, fractions = run.best, run.curve.fractions
    figures: tuple[str, ...] = (_NONE,) * 4
    if best is not None:
        figures = (
            f"{100 * figure_of(best, error):.2f}",
            _NONE if run.test_error is None else f"{100 * run.test_error:.2f}",
            f"{figure_of(best, 'flash_bytes'):,.0f}",
            f"{figure_of(best, 'arena_bytes'):,.0f}",
        )
    return (
        run.name,
        run.dataset,
        run.strategy,
        f"{len(run.evaluations):,}",
        f"{len(run.front):,}",
        f"{run.joint:,}",
        *figures,
        f"{100 * (fractions[-1] if fractions else 0.0):.1f}",
    )
