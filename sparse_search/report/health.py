"""Health cards: what a run's figures say about the run itself, in plain words.

Each card is one sentence with the measured numbers behind it. Nothing here trains, predicts or
writes: the cards are a function of the history and of what was measured beside it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from rich.markup import escape
from rich.table import Table

from ..candidate import Candidate, Evaluation, History, Rejection
from ..finals import search_history
from ..memory import plan_memory
from ..pareto import ParetoFront, meets, objective_values
from ..space import SearchSpace
from ..target import Limits
from .front import figure_of
from .pruning import EQUAL_ERROR

if TYPE_CHECKING:
    from ..search.calibration import Calibration

Level: TypeAlias = Literal["good", "notice", "warning"]

RECENT = 20
"""Evaluations, the latest ones, that show whether the limits decide what is proposed."""

NEAR_A_LIMIT = 0.95
"""Share of a limit from which a model is at the limit."""

AT_LIMIT_SHARE = 0.8
"""Share of recent models at a limit from which the limits decide."""

UNCHANGED = 20
"""Trainings without a change of the front from which it counts as settled."""

SAVING = 0.01
"""Share of the flash that pruning must save to count as useful."""

INT8_MEDIAN, INT8_WORST = 0.005, 0.01
"""Rise of the error (fraction) by quantization, in the median and at worst, that is tolerated."""

PROPOSING_NOTICE, PROPOSING_WARNING = 0.05, 0.2
"""Share of the time spent proposing from which it is noteworthy, and from which it is too much."""

FAILED_NOTICE, MOST = 0.1, 0.5
"""Share of candidates that failed from which it is noteworthy; share that counts as most."""

_FEWEST = 3
_FEWEST_RECENT = 10
_STYLES: dict[Level, str] = {"good": "green", "notice": "yellow", "warning": "red"}


@dataclass(frozen=True, slots=True)
class HealthCard:
    """One finding.

    Attributes:
        level: "good", "notice" (worth knowing) or "warning" (something is to be changed).
        title: What it is about.
        sentence: The finding with its numbers.
    """

    level: Level
    title: str
    sentence: str


def health_cards(
    history: History,
    *,
    objectives: Sequence[str],
    limits: Limits,
    space: SearchSpace,
    calibration: "Calibration | None" = None,
    proposal_seconds: Mapping[int, float] | None = None,
    validation_images: int | None = None,
) -> tuple[HealthCard, ...]:
    """Every card that the figures allow.

    Args:
        history: Everything the study did, final candidates included.
        objectives: What was minimised, the error first.
        limits: What models must keep.
        space: Builds the unpruned network of a candidate.
        calibration: Leave-one-out check of the surrogate; None if the strategy has none.
        proposal_seconds: Wall time of the proposal by id of the search candidate.
        validation_images: What errors were measured on; None if that is not known.
    """
    search = search_history(history)
    front = ParetoFront.of(history.evaluations, objectives, limits).evaluations
    cards = [
        _outcomes(search),
        None if calibration is None else _surrogate(calibration),
        _at_limits(search.evaluations, limits),
        _unchanged_front(search, objectives, limits),
        _pruning(front, space),
        _errors(front, space.class_count, validation_images),
        _int8(front),
        _proposing(search, proposal_seconds or {}),
    ]
    return tuple(card for card in cards if card is not None)


def health_table(cards: Sequence[HealthCard]) -> Table:
    """The cards for a terminal, one below the other; sentences fold."""
    table = Table.grid(padding=(0, 2))
    for card in cards:
        style = _STYLES[card.level]
        table.add_row(f"[{style}]{card.level}[/{style}]", escape(card.title), escape(card.sentence))
    return table


def _outcomes(search: History) -> HealthCard:
    title = "candidates"
    total, measured = len(search.outcomes), len(search.evaluations)
    if total == 0:
        return HealthCard(
            "notice", title, "No candidate is finished yet: there is nothing to judge."
        )
    kinds = Counter(o.kind for o in search.outcomes if isinstance(o, Rejection))
    broken = sum(kinds[kind] for kind in ("diverged", "unquantizable", "crashed", "failed"))
    parts = [f"{measured} of {total} candidates were trained to the end and measured"]
    parts += [f"{count} {_OUTCOME_WORDS[kind]}" for kind, count in kinds.most_common()]
    found = "; ".join(parts)
    if broken / total > MOST:
        advice = "Most candidates are lost: the reasons are in the report and in study.log"
        return HealthCard("warning", title, f"{found}. {advice}.")
    if broken / total > FAILED_NOTICE:
        return HealthCard("notice", title, f"{found}. The reasons are in the report.")
    if kinds["infeasible"] / total > MOST:
        advice = "Most proposals break a limit: the strategy does not look at the limits"
        return HealthCard("warning", title, f"{found}. {advice}.")
    if kinds["stopped"] / total > MOST:
        advice = "Most trainings end early: the search mostly looks where smaller models are better"
        return HealthCard("notice", title, f"{found}. {advice}.")
    if measured < _FEWEST:
        return HealthCard("notice", title, f"{found}. That is too little to judge the search.")
    return HealthCard("good", title, f"{found}.")


_OUTCOME_WORDS = {
    "infeasible": "broke a limit and were not trained",
    "stopped": "were stopped early, because a smaller model is better",
    "diverged": "diverged",
    "unquantizable": "cannot be quantized",
    "crashed": "crashed",
    "failed": "failed",
}


def _surrogate(calibration: "Calibration") -> HealthCard:
    title, skill = "surrogate", calibration.skill
    facts = (
        f"each of {calibration.count} errors predicted from the others, rank correlation "
        f"{calibration.rank_correlation:.2f}, {calibration.coverage:.0%} inside their 95 % "
        "intervals"
    )
    enough = calibration.count >= _FEWEST_RECENT
    if skill > 0:
        text = f"Its squared error is {skill:.0%} below that of the mean ({facts})."
        if not enough:
            text += " That is too little to judge it."
        return HealthCard("good" if enough else "notice", title, text)
    level: Level = "warning" if enough else "notice"
    text = (
        f"It predicts errors no better than their mean does, its squared error is {-skill:.0%} "
        f"larger ({facts}). So far the proposals are hardly better than random ones."
    )
    return HealthCard(level, title, text)


def _at_limits(evaluations: Sequence[Evaluation], limits: Limits) -> HealthCard | None:
    """How many of the latest models are at a limit; None without limits or with few models."""
    recent, bounds = evaluations[-RECENT:], limits.by_figure
    if not bounds or len(recent) < _FEWEST_RECENT:
        return None
    reached: Counter[str] = Counter()
    count = 0
    for evaluation in recent:
        near = [
            name
            for name, bound in bounds.items()
            if figure_of(evaluation, name) >= NEAR_A_LIMIT * bound
        ]
        reached.update(near)
        count += bool(near)
    found = f"{count} of the latest {len(recent)} models are within 5 % of a limit"
    if count < AT_LIMIT_SHARE * len(recent):
        return HealthCard("good", "limits", f"{found}.")
    name, times = reached.most_common(1)[0]
    text = (
        f"{found}, {times} of them at that of {name} ({bounds[name]:,}): the limit decides what "
        "is proposed. More memory would give better models; other proposals would not."
    )
    return HealthCard("notice", "limits", text)


def _unchanged_front(
    search: History, objectives: Sequence[str], limits: Limits
) -> HealthCard | None:
    """How many trainings ago the front changed; None where there is no front."""
    trained = [
        o for o in search.outcomes if isinstance(o, Evaluation) or o.kind in ("stopped", "diverged")
    ]
    last = None
    for index, changed in enumerate(_changes(trained, objectives, limits)):
        last = index if changed else last
    if last is None:
        return None
    unchanged = len(trained) - 1 - last
    if unchanged < UNCHANGED:
        when = f"{unchanged} trainings ago" if unchanged else "with the latest training"
        text = f"It changed {when}, after {len(trained)} in all; longer searching may still help."
        return HealthCard("good", "front", text)
    text = (
        f"It has not changed in the latest {unchanged} of {len(trained)} trainings. More "
        "candidates of this search are unlikely to help; longer training or a wider space may."
    )
    return HealthCard("notice", "front", text)


def _changes(
    trained: Sequence[Evaluation | Rejection], objectives: Sequence[str], limits: Limits
) -> list[bool]:
    """For each training, in order, whether it changed the front of those before it."""
    front = np.empty((0, len(objectives)))
    changes = []
    for outcome in trained:
        changed = False
        if isinstance(outcome, Evaluation) and meets(outcome, limits):
            (point,) = objective_values([outcome], objectives)
            changed = not (front <= point).all(axis=1).any()
            if changed:
                front = np.vstack([front[~(point <= front).all(axis=1)], point])
        changes.append(changed)
    return changes


def _pruning(front: Sequence[Evaluation], space: SearchSpace) -> HealthCard | None:
    """Flash that pruning saved in the front; None without front or pruning methods."""
    if not front or not space.pruning:
        return None
    pruned = [e for e in front if any(step.sparsity > 0 for step in e.candidate.pruning)]
    if not pruned:
        text = f"None of the {len(front)} models of the front is pruned: it did not pay."
        return HealthCard("notice", "pruning", text)
    savings = [1 - figure_of(e, "flash_bytes") / _dense_flash(e.candidate, space) for e in pruned]
    found = f"{len(pruned)} of the {len(front)} models of the front are pruned"
    clustered = sum(e.candidate.codebook_bits is not None for e in pruned)
    found += f", {clustered} of them with a codebook" if clustered else ""
    saving = median(savings)
    if saving >= SAVING:
        text = f"{found}; that saves {saving:.0%} of their flash in the median."
        return HealthCard("good", "pruning", text)
    text = (
        f"{found}, but it saves {saving:.1%} of their flash in the median: too few weights of a "
        "layer are zero for an encoding that is smaller than the plain one. Higher sparsities, or "
        "none, would serve better."
    )
    return HealthCard("warning", "pruning", text)


def _dense_flash(candidate: Candidate, space: SearchSpace) -> int:
    """Flash in bytes of the network as it would be without any pruning."""
    return plan_memory(space.build(candidate.architecture)).flash_bytes


def _errors(front: Sequence[Evaluation], class_count: int, images: int | None) -> HealthCard | None:
    """How well errors are known; None without front, or where the number of images is unknown."""
    if not front or not images:
        return None
    error = min(e.objectives["val_error"] for e in front)
    low, high = _interval(error, images)
    guessing = 1.0 - 1.0 / class_count
    found = (
        f"The least validation error, {error:.2%} of {images:,} images, stands for one of "
        f"{low:.1%} to {high:.1%} (95 %)"
    )
    if high >= guessing:
        text = f"{found}. Guessing errs on {guessing:.1%}: nothing shows that a model has learned."
        return HealthCard("warning", "errors", text)
    if 1.0 / images > EQUAL_ERROR:
        text = (
            f"{found}, and one image is {100.0 / images:.2f} points: models that differ by a few "
            "images are equally good."
        )
        return HealthCard("notice", "errors", text)
    return HealthCard("good", "errors", f"{found}.")


def _interval(error: float, images: int) -> tuple[float, float]:
    """Wilson's interval of a fraction that was counted.

    >>> [round(bound, 3) for bound in _interval(0.1, 100)]
    [0.055, 0.174]
    """
    from scipy.stats import binomtest  # takes a second to import

    found = binomtest(round(error * images), images).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def _int8(front: Sequence[Evaluation]) -> HealthCard | None:
    """What quantization costs the front; None where the float network was not measured."""
    costs = [
        e.objectives["val_error"] - e.metrics["float_val_error"]
        for e in front
        if "val_error" in e.objectives and "float_val_error" in e.metrics
    ]
    if not costs:
        return None
    middle, worst = median(costs), max(costs)
    found = (
        f"Quantization to int8 changes the validation error of the front by {100 * middle:+.2f} "
        f"points in the median and by {100 * worst:+.2f} at worst"
    )
    if middle > INT8_MEDIAN:
        return HealthCard("warning", "int8", f"{found}: the models lose accuracy on the way to C.")
    if worst > INT8_WORST:
        return HealthCard("notice", "int8", f"{found}: single models lose accuracy.")
    return HealthCard("good", "int8", f"{found}.")


def _proposing(search: History, proposal_seconds: Mapping[int, float]) -> HealthCard | None:
    """Share of the time that went to proposing; None where it was not recorded."""
    timed = [o for o in search.outcomes if o.candidate.id in proposal_seconds]
    proposing = sum(proposal_seconds[o.candidate.id] for o in timed)
    working = proposing + sum(o.seconds for o in timed)
    if working <= 0:
        return None
    share = proposing / working
    found = (
        f"{share:.0%} of the time went to proposing: {proposing / len(timed):.2f} s for each "
        f"candidate, beside {(working - proposing) / len(timed):.1f} s for its evaluation"
    )
    if share >= PROPOSING_WARNING:
        text = f"{found}. Random search would have evaluated more candidates meanwhile."
        return HealthCard("warning", "proposing", text)
    level: Level = "notice" if share >= PROPOSING_NOTICE else "good"
    return HealthCard(level, "proposing", f"{found}.")
