"""What pruning the models of a run further has gained: a table, and one plain sentence."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rich.table import Table

from ..candidate import Candidate, Evaluation, History
from ..memory import plan_memory
from ..pareto import ParetoFront, meets
from ..space import SearchSpace
from ..target import Limits
from .front import figure_of
from .tables import number_column, plain_table

EQUAL_ERROR = 0.002
"""Rise of the validation error (fraction) up to which two models count as equally accurate."""

_NONE = "–"
_ROUNDING = 1e-9


@dataclass(frozen=True)
class PathGain:
    """What the paths of one model have gained.

    Attributes:
        model: As the run had it.
        unpruned_bytes: Flash of its architecture without any pruning.
        steps: What was measured on its paths, by candidate id.
        smallest: The smallest of the steps that are as accurate as the model; None if none is.
    """

    model: Evaluation
    unpruned_bytes: int
    steps: tuple[Evaluation, ...]
    smallest: Evaluation | None

    @property
    def saving(self) -> float:
        """Fraction of the model's flash that ``smallest`` does without; 0 without one."""
        if self.smallest is None:
            return 0.0
        return 1.0 - _flash(self.smallest) / _flash(self.model)


@dataclass(frozen=True)
class PruningGains:
    """What all paths of a run have gained.

    Attributes:
        paths: One for each model, the most accurate one first.
        front: Number of Pareto-optimal models.
        joined: How many of them were pruned further.
        images: What validation errors were measured on; None if that is not known.
    """

    paths: tuple[PathGain, ...]
    front: int
    joined: int
    images: int | None = None

    @property
    def sentence(self) -> str:
        """The gain in plain words."""
        count = len(self.paths)
        savings = [path.saving for path in self.paths if path.saving > 0]
        models = f"{count} model{'' if count == 1 else 's'}"
        points = f"{100 * EQUAL_ERROR:g} points"
        first = f"Of {models}, none became smaller at no more than {points} more validation error"
        if savings:
            amount = f"by {median(savings):.0%} of its flash"
            if len(savings) > 1:
                amount = (
                    f"by {median(savings):.0%} of their flash in the median, {max(savings):.0%} "
                    "at most"
                )
            first = (
                f"Of {models}, {len(savings)} became smaller {amount}, at no more than {points} "
                "more validation error"
            )
        text = f"{first}; {self.joined} of the {self.front} Pareto-optimal models come from it."
        if self.images and 1.0 / self.images > EQUAL_ERROR:
            text += (
                f" One of {self.images} validation images is {100.0 / self.images:.2f} points, so "
                "errors are not known that well."
            )
        return text


def pruning_gains(
    history: History,
    front: ParetoFront,
    space: SearchSpace,
    limits: Limits,
    images: int | None = None,
) -> PruningGains:
    """Compares every model that was pruned further with what came of it.

    Args:
        history: Of the run.
        front: Of everything in it.
        space: Builds the unpruned graphs.
        limits: What does not keep them is no gain.
        images: What validation errors were measured on; None if that is not known.
    """
    models = {e.candidate.id: e for e in history.evaluations if e.candidate.pruned_from is None}
    steps = defaultdict(list)
    for evaluation in history.evaluations:
        if evaluation.candidate.pruned_from in models:
            steps[evaluation.candidate.pruned_from].append(evaluation)
    paths = [
        PathGain(
            models[number],
            plan_memory(space.build(models[number].candidate.architecture)).flash_bytes,
            tuple(found),
            _smallest(models[number], [e for e in found if meets(e, limits)]),
        )
        for number, found in steps.items()
    ]
    paths.sort(key=lambda p: (figure_of(p.model, "val_error"), p.model.candidate.id))
    joined = sum(e.candidate.pruned_from is not None for e in front.evaluations)
    return PruningGains(tuple(paths), len(front), joined, images)


def _smallest(model: Evaluation, steps: Sequence[Evaluation]) -> Evaluation | None:
    bound = figure_of(model, "val_error") + EQUAL_ERROR + _ROUNDING
    good = [e for e in steps if figure_of(e, "val_error") <= bound and _flash(e) < _flash(model)]
    return min(good, key=lambda e: (_flash(e), figure_of(e, "val_error")), default=None)


def _flash(evaluation: Evaluation) -> float:
    return figure_of(evaluation, "flash_bytes")


def path_name(model: Candidate, step: Candidate) -> str:
    """In which way a model was pruned further, in words; empty where it was not.

    >>> from sparse_search.candidate import PruningStep
    >>> from sparse_search.architecture import Architecture
    >>> model = Candidate(0, Architecture(()), (PruningStep("magnitude", 0.1),))
    >>> more = (PruningStep("channels", 0.2), PruningStep("magnitude", 0.5))
    >>> path_name(model, Candidate(1, model.architecture, more, codebook_bits=4))
    'channels + magnitude, 4-bit codebook'
    """
    name = " + ".join(s.method for s in step.pruning if s not in model.pruning)
    if step.codebook_bits == model.codebook_bits:
        return name
    codebook = f"{step.codebook_bits}-bit codebook" if step.codebook_bits else "no codebook"
    return f"{name}, {codebook}" if name else codebook


def pruning_table(gains: PruningGains) -> Table:
    """One row per model: its bytes and error, and those of the smallest as accurate one."""
    table = plain_table("Pruned further: the smallest model that is as accurate")
    for header in ("model", "unpruned\nB", "flash\nB", "val\nerror\n%", "pruned\nmodel"):
        number_column(table, header)
    for header in ("flash\nB", "val\nerror\n%", "saved\n%", "steps"):
        number_column(table, header)
    table.add_column("by", overflow="fold")
    for path in gains.paths:
        best = path.smallest
        table.add_row(
            str(path.model.candidate.id),
            f"{path.unpruned_bytes:,}",
            *_size_and_error(path.model),
            _NONE if best is None else str(best.candidate.id),
            *((_NONE, _NONE) if best is None else _size_and_error(best)),
            _NONE if best is None else f"{100 * path.saving:.0f}",
            str(len(path.steps)),
            _NONE if best is None else path_name(path.model.candidate, best.candidate),
        )
    return table


def _size_and_error(evaluation: Evaluation) -> tuple[str, str]:
    error = 100 * figure_of(evaluation, "val_error")
    return f"{_flash(evaluation):,.0f}", f"{error:.2f}"
