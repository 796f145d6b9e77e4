"""Lineage: the morphisms and trainings that lead from a first network to a candidate."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..candidate import Candidate, History


@dataclass(frozen=True, slots=True)
class Step:
    """One candidate of a lineage.

    Attributes:
        candidate: Its id.
        change: What was done to the one before it, in words; how it began for the first one.
    """

    candidate: int
    change: str


def lineage(history: History, candidate_id: int) -> tuple[Step, ...]:
    """From the first ancestor to the candidate itself, both included.

    A model that was pruned further follows the model whose path it is on, another one the parent
    whose weights it began with.

    Args:
        history: Of the study.
        candidate_id: Of one of its candidates.
    """
    known = {candidate.id: candidate for candidate in history.candidates}
    chain = [known[candidate_id]]
    while (before := _before(chain[-1])) is not None and before in known:
        chain.append(known[before])
    return tuple(Step(c.id, _change(c, known)) for c in reversed(chain))


def _before(candidate: Candidate) -> int | None:
    return candidate.parent if candidate.pruned_from is None else candidate.pruned_from


def _change(candidate: Candidate, known: Mapping[int, Candidate]) -> str:
    if candidate.pruned_from is not None:
        return "pruned further"
    if candidate.origin == "given" and candidate.searching:
        return "given network"
    if candidate.parent is None:
        return "trained longer from scratch" if candidate.effort == "final" else "random network"
    if candidate.morphisms:
        return ", ".join(name.replace("_", " ") for name in candidate.morphisms)
    if candidate.effort == "final":
        return "trained longer"
    parent = known.get(candidate.parent)
    if parent is not None and parent.pruning == candidate.pruning:
        return "other training"
    return "other pruning"
