"""Where the parts are joined: the morphisms, pruners and objectives that a study usually has.

Nothing else in ``sparse_search`` imports ``morphisms``, ``pruning`` or ``objectives``.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

from .errors import PartHiddenError, StudyError
from .interfaces import Morphism, Objective, Pruner

if TYPE_CHECKING:
    from .record import StudyRecord
    from .report import HealthCard
    from .search.calibration import Calibration
    from .target import Limits

_ROOT = Path(__file__).resolve().parent.parent
Goal: TypeAlias = Literal["front", "accuracy"]
"""What is searched for: the trade-off between error, size and memory; or the least error."""

_PARTS = ("morphisms", "pruning", "objectives")


class Parts(TypedDict):
    """Arguments of ``Study``."""

    morphisms: tuple[Morphism, ...]
    pruners: tuple[Pruner, ...]
    objectives: tuple[Objective, ...]


def defaults(limits: "Limits | None" = None, goal: Goal = "front") -> Parts:
    """Every morphism and pruner; validation error, model size and working memory as objectives.

    Args:
        limits: Say which size and which memory are meant; None for flash and arena.
        goal: "accuracy" leaves the error as the only objective: sizes are limits and no more.

    Raises:
        PartHiddenError: A folder or package of the same name hides one of ours.
    """
    from .target import Limits

    check_parts()
    from morphisms import MORPHISMS
    from objectives import trade_off
    from pruning import PRUNERS

    objectives = trade_off(limits or Limits())
    if goal == "accuracy":
        objectives = objectives[:1]
    return {"morphisms": MORPHISMS, "pruners": PRUNERS, "objectives": objectives}


def parts_of(record: "StudyRecord") -> Parts:
    """Every morphism and pruner, and the objectives of a run.

    Raises:
        PartHiddenError: A folder or package of the same name hides one of ours.
        StudyError: The run has an objective that is not one of ours.
    """
    check_parts()
    from objectives import OBJECTIVES

    by_name = {objective.name: objective for objective in OBJECTIVES}
    unknown = [name for name in record.objectives if name not in by_name]
    if unknown:
        raise StudyError(
            f"expected objectives among {', '.join(by_name)} in {record.folder}, "
            f"got {', '.join(unknown)}; continue the run from Python"
        )
    parts = defaults()
    parts["objectives"] = tuple(by_name[name] for name in record.objectives)
    return parts


def health(record: "StudyRecord") -> "tuple[HealthCard, ...]":
    """Health cards of a run; with the surrogate's where its strategy has one."""
    from .report import health_cards

    return health_cards(
        record.history(),
        objectives=record.objectives,
        limits=record.limits,
        space=record.space,
        calibration=_calibration(record),
        proposal_seconds=record.proposal_seconds(),
        validation_images=record.validation_images,
    )


def _calibration(record: "StudyRecord") -> "Calibration | None":
    """Leave-one-out check of the surrogate on all that the search has measured."""
    from .finals import search_history
    from .forecast import Forecaster
    from .search.sparse import SparseStrategy, calibrate

    if record.settings["strategy"] != SparseStrategy.name:
        return None
    parts = parts_of(record)
    strategy = SparseStrategy(
        space=record.space,
        morphisms=parts["morphisms"],
        forecaster=Forecaster(record.space, parts["pruners"]),
        objectives=parts["objectives"],
        limits=record.limits,
    )
    return calibrate(strategy, search_history(record.history()))


def check_parts() -> None:
    """Makes sure that ``morphisms``, ``pruning`` and ``objectives`` are ours.

    Raises:
        PartHiddenError: They are not; says which and where the other one is.
    """
    for name in _PARTS:
        spec = find_spec(name)
        found = None if spec is None or spec.origin is None else Path(spec.origin).resolve()
        if found is None or found.parent.parent != _ROOT:
            raise PartHiddenError(
                f"expected the package {name!r} of sparse_search in {_ROOT}, found "
                f"{found or 'none'}; run from a folder without a {name!r} of its own, or rename it"
            )
