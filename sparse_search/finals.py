"""The final phase: which candidates get the longer training once the search has ended.

Models of the search's front are trained again for longer, as they are and pruned further. These
candidates have ids of their own, so that how long the search was does not change its ids, and with
them its random streams. Paths of further pruning (``pruning_path``) do not change what is planned.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from .architecture import Architecture
from .candidate import Candidate, Evaluation, History, PruningStep, Rejection
from .pareto import hypervolume
from .space import PruningRange, SearchSpace

FIRST_FINAL_ID = 100_000
FURTHER_METHOD = "magnitude"
_FURTHER_SPARSITIES = (0.1, 0.2)
_ROUNDING = 1e-9
# The worst members count, too.
_CORNER = 1.1
_ERROR = "val_error"
# Of the way from the best error to that of guessing.
_USEFUL_SHARE = 0.2

Fits: TypeAlias = Callable[[Candidate], bool]


def search_history(history: History) -> History:
    """What the search itself did: the history without final and further pruned candidates."""
    return History(
        [o for o in history.outcomes if o.candidate.searching],
        [c for c in history.pending if c.searching],
    )


def settled(history: History, experiment: Callable[[Candidate], Hashable]) -> History:
    """The history without accidents that deserve another attempt: the only one of an experiment.

    Args:
        history: Everything the study did.
        experiment: What makes two candidates the same experiment.
    """
    accidents = [o.candidate for o in history.outcomes if isinstance(o, Rejection) and o.accident]
    times = Counter(map(experiment, accidents))
    again = {c.id for c in accidents if times[experiment(c)] == 1}
    return History([o for o in history.outcomes if o.candidate.id not in again], history.pending)


def plan_finals(
    history: History,
    front: Sequence[Evaluation],
    space: SearchSpace,
    fits: Fits,
    models: int,
) -> list[Candidate]:
    """Final candidates that the study does not have yet; depends on nothing but the arguments.

    For up to ``models`` useful members that stand for the front: the member as it is,
    then up to two more of its architecture that are pruned further. A member that fits only because
    it is pruned also gets the lowest sparsity that fits. All final candidates of one architecture
    have the same parent, so their training before pruning is the same, and may be done once.

    Args:
        history: Everything the study did.
        front: Search evaluations to choose from, by ascending error.
        space: Says which sparsities there are.
        fits: Whether a candidate is predicted to keep the limits.
        models: How many members of the front are taken.
    """
    known = {c.key for c in settled(history, lambda c: c.key).candidates}
    parents = training_parents(history)
    finals = [c.id for c in history.candidates if c.effort == "final"]
    next_id = max([FIRST_FINAL_ID, *(final + 1 for final in finals)])
    planned: list[Candidate] = []
    members = representatives(useful(front, space.class_count), models)
    for final in _all_finals(members, space, fits):
        if final.key not in known:
            known.add(final.key)
            parent = parents.setdefault(final.architecture, final.parent)
            planned.append(replace(final, id=next_id + len(planned), parent=parent))
    return planned


def training_parents(history: History) -> dict[Architecture, int | None]:
    """Whose weights the long training of an architecture begins with, where there was one."""
    return {c.architecture: c.parent for c in history.candidates if not c.searching}


def useful(front: Sequence[Evaluation], class_count: int) -> list[Evaluation]:
    """Members that are not much nearer to guessing than the best one.

    The smallest networks of a front learn next to nothing, and longer training does not help them.
    """
    if not front:
        return []
    best, guessing = front[0].objectives[_ERROR], 1.0 - 1.0 / class_count
    worst = best + _USEFUL_SHARE * (guessing - best)
    return [member for member in front if member.objectives[_ERROR] <= worst]


def representatives(front: Sequence[Evaluation], models: int) -> list[Evaluation]:
    """Members that together stand for the front, the first one among them, in its order.

    Each dominates the most of what those before it leave over (greedy hypervolume subset selection,
    Guerreiro, Fonseca and Paquete 2016), in logarithms of all objectives between the least and the
    largest: to halve the error counts as much at 1 % as at 10 %.
    """
    if len(front) <= models:
        return [*front]
    figures = np.array([[*member.objectives.values()] for member in front])
    # No error at all counts as half of the smallest one.
    floor = np.where(figures > 0, figures, np.inf).min(axis=0) / 2
    logs = np.log(np.maximum(figures, np.where(np.isfinite(floor), floor, 1.0)))
    scaled = (logs - logs.min(axis=0)) / np.maximum(np.ptp(logs, axis=0), _ROUNDING)
    corner = np.full(scaled.shape[1], _CORNER)
    chosen = [0]
    while len(chosen) < models:
        others = [i for i in range(len(front)) if i not in chosen]
        chosen.append(max(others, key=lambda i: hypervolume(scaled[[*chosen, i]], corner)))
    return [front[i] for i in sorted(chosen)]


def _all_finals(
    members: Sequence[Evaluation], space: SearchSpace, fits: Fits
) -> Iterator[Candidate]:
    """Every member as it is comes first: the most important ones, should the run be stopped."""
    bases = [_as_final(member.candidate, member.candidate.pruning) for member in members]
    yield from bases
    for base in bases:
        yield from _pruned_further(base, space, fits)


def _as_final(candidate: Candidate, pruning: tuple[PruningStep, ...]) -> Candidate:
    parent = candidate.id if candidate.searching else candidate.parent
    return replace(
        candidate,
        pruning=pruning,
        parent=parent,
        morphisms=(),
        effort="final",
        error_to_beat=None,
    )


def _pruned_further(base: Candidate, space: SearchSpace, fits: Fits) -> list[Candidate]:
    allowed = next((r for r in space.pruning if FURTHER_METHOD in r.methods), None)
    if allowed is None:
        return []
    present = allowed.step_of(base.pruning)
    method = present.method if present else FURTHER_METHOD

    def at(sparsity: float) -> Candidate:
        sparsities = {step.method: step.sparsity for step in base.pruning}
        sparsities[method] = sparsity
        layers = {step.method: dict(step.layers) for step in base.pruning}
        return _as_final(base, space.pruning_steps(sparsities, layers))

    options = [at(sparsity) for sparsity in _higher(allowed, base.sparsity(method))]
    if not fits(at(0.0)):
        least = next((at(s) for s in allowed.levels if fits(at(s))), None)
        if least is not None and least.key != base.key:
            options = [least, *options]
    fitting = [option for option in dict.fromkeys(options) if fits(option)]
    return fitting[: len(_FURTHER_SPARSITIES)]


def _higher(allowed: PruningRange, sparsity: float) -> list[float]:
    """The allowed sparsities closest above ``sparsity`` plus each of the further sparsities."""
    found = []
    for further in _FURTHER_SPARSITIES:
        wanted = sparsity + further - _ROUNDING
        level = next((level for level in allowed.levels if level >= wanted), None)
        if level is not None and level not in found:
            found.append(level)
    return found
