"""The contents of a page that compares runs."""

from dataclasses import dataclass

from ...candidate import Effort, Evaluation
from ..comparison import ComparedRun, Comparison
from ..front import figure_of
from ..volume import VolumeCurve


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """A model of the front of one of the runs."""

    id: int
    effort: Effort
    val_error: float
    flash_bytes: int
    arena_bytes: int


@dataclass(frozen=True, slots=True)
class ComparedRunView:
    """One of the runs; ``best`` is its most accurate model, and None without a front."""

    name: str
    dataset: str
    strategy: str
    measured: int
    joint: int
    test_error: float | None
    front: tuple[ComparedModel, ...]
    best: ComparedModel | None
    curve: VolumeCurve


@dataclass(frozen=True, slots=True)
class ComparisonContents:
    """The page of several runs."""

    reference: dict[str, float]
    notes: tuple[str, ...]
    runs: tuple[ComparedRunView, ...]


def comparison_contents(comparison: Comparison) -> ComparisonContents:
    """Everything that the page shows."""
    error = comparison.objectives[0]
    runs = tuple(_view(run, error) for run in comparison.runs)
    return ComparisonContents(comparison.reference, comparison.notes, runs)


def _view(run: ComparedRun, error: str) -> ComparedRunView:
    front = tuple(_model(evaluation, error) for evaluation in run.front.evaluations)
    return ComparedRunView(
        name=run.name,
        dataset=run.dataset,
        strategy=run.strategy,
        measured=len(run.evaluations),
        joint=run.joint,
        test_error=run.test_error,
        front=front,
        best=front[0] if front else None,
        curve=run.curve,
    )


def _model(evaluation: Evaluation, error: str) -> ComparedModel:
    return ComparedModel(
        evaluation.candidate.id,
        evaluation.candidate.effort,
        float(f"{figure_of(evaluation, error):.6g}"),
        int(figure_of(evaluation, "flash_bytes")),
        int(figure_of(evaluation, "arena_bytes")),
    )
