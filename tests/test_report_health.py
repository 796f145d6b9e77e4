"""Health cards: every finding on both sides of its threshold, and nothing to judge."""

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from sparse_search.architecture import Architecture, Conv2D, ConvBlock
from sparse_search.candidate import (
    Candidate,
    Evaluation,
    History,
    Outcome,
    PruningStep,
    Rejection,
    RejectionKind,
)
from sparse_search.finals import FIRST_FINAL_ID
from sparse_search.memory import plan_memory
from sparse_search.report import HealthCard, health_cards, health_table
from sparse_search.search.calibration import Calibration
from sparse_search.space import PruningRange, SearchSpace
from sparse_search.target import Limits

SPACE = SearchSpace((8, 8, 1), 2, pruning=(PruningRange("magnitude", 0.9),))
ARCHITECTURE = SPACE.canonical(Architecture((ConvBlock((Conv2D(8, 3),)),)))
DENSE_FLASH = plan_memory(SPACE.build(ARCHITECTURE)).flash_bytes
OBJECTIVES = ("val_error", "flash_bytes")


def evaluation(
    candidate_id: int,
    error: float = 0.5,
    flash: float = 1000.0,
    *,
    float_error: float | None = None,
    sparsity: float = 0.0,
    seconds: float = 9.0,
) -> Evaluation:
    """A measured candidate of the search."""
    pruning = (PruningStep("magnitude", sparsity),) if sparsity else ()
    metrics = {"arena_bytes": 100.0}
    if float_error is not None:
        metrics["float_val_error"] = float_error
    return Evaluation(
        Candidate(candidate_id, ARCHITECTURE, pruning),
        {"val_error": error, "flash_bytes": flash},
        metrics,
        seconds=seconds,
    )


def rejection(candidate_id: int, kind: RejectionKind) -> Rejection:
    """A candidate without measurements."""
    return Rejection(Candidate(candidate_id, ARCHITECTURE), kind, "why")


def cards(
    outcomes: Sequence[Outcome],
    limits: Limits | None = None,
    calibration: Calibration | None = None,
    proposal_seconds: dict[int, float] | None = None,
    validation_images: int | None = None,
) -> dict[str, HealthCard]:
    """Cards of a history by title."""
    found = health_cards(
        History(outcomes),
        objectives=OBJECTIVES,
        limits=limits or Limits(),
        space=SPACE,
        calibration=calibration,
        proposal_seconds=proposal_seconds,
        validation_images=validation_images,
    )
    assert len({card.title for card in found}) == len(found)
    return {card.title: card for card in found}


def test_nothing_to_judge_is_said_so() -> None:
    """No outcome, and one: no card claims a trend."""
    none = cards([])
    assert set(none) == {"candidates"}
    assert none["candidates"].level == "notice"
    assert "No candidate is finished" in none["candidates"].sentence
    one = cards([evaluation(0)], Limits(ram_bytes=100))
    assert one["candidates"].level == "notice"
    assert "1 of 1" in one["candidates"].sentence
    assert "too little" in one["candidates"].sentence
    assert set(one) == {"candidates", "front", "pruning"}
    assert set(cards([rejection(0, "failed")])) == {"candidates"}


@pytest.mark.parametrize(
    ("kind", "count", "level"),
    [
        ("failed", 2, "good"),
        ("failed", 3, "notice"),
        ("crashed", 10, "notice"),
        ("crashed", 11, "warning"),
        ("diverged", 11, "warning"),
        ("stopped", 10, "good"),
        ("stopped", 11, "notice"),
        ("infeasible", 10, "good"),
        ("infeasible", 11, "warning"),
    ],
)
def test_what_became_of_most_candidates(kind: RejectionKind, count: int, level: str) -> None:
    """Of twenty: a tenth of failures is noticed, a majority a warning; stopping is no failure."""
    outcomes: list[Outcome] = [rejection(i, kind) for i in range(count)]
    outcomes += [evaluation(i) for i in range(count, 20)]
    card = cards(outcomes)["candidates"]
    assert card.level == level
    assert f"{20 - count} of 20" in card.sentence
    assert f"{count} " in card.sentence.split(";")[1]


@pytest.mark.parametrize(
    ("skill", "count", "level"),
    [
        *((0.01, 30, "good"), (0.01, 9, "notice")),
        *((0.0, 30, "warning"), (-0.2, 30, "warning"), (-0.2, 9, "notice")),
    ],
)
def test_a_surrogate_no_better_than_the_mean(skill: float, count: int, level: str) -> None:
    """Skill of 0 or less is a warning, unless there were only a few points to learn from."""
    card = cards([evaluation(0)], calibration=Calibration(count, skill, 0.34, 0.9, -1.0))
    assert card["surrogate"].level == level
    assert f"{abs(skill):.0%}" in card["surrogate"].sentence
    assert "0.34" in card["surrogate"].sentence
    assert f"{count} errors" in card["surrogate"].sentence


@pytest.mark.parametrize(("at_limit", "level"), [(15, "good"), (16, "notice"), (20, "notice")])
def test_proposals_at_a_limit(at_limit: int, level: str) -> None:
    """Four fifths of the latest twenty within 5 % of a limit; earlier ones do not count."""
    flash = [950.0] * at_limit + [949.0] * (20 - at_limit)
    outcomes = [evaluation(i, flash=f) for i, f in enumerate([1000.0] * 30 + flash)]
    card = cards(outcomes, Limits(ram_bytes=1000, model_bytes=1000))["limits"]
    assert card.level == level
    assert f"{at_limit} of the latest 20" in card.sentence
    assert ("flash_bytes (1,000)" in card.sentence) == (level == "notice")


def test_without_limits_or_with_few_models_there_is_no_limit_card() -> None:
    """Nothing can be at a limit, or nothing can be said yet."""
    assert "limits" not in cards([evaluation(i) for i in range(30)])
    assert "limits" not in cards([evaluation(i) for i in range(9)], Limits(model_bytes=1000))
    assert "limits" in cards([evaluation(i) for i in range(10)], Limits(model_bytes=1000))


@pytest.mark.parametrize(("unchanged", "level"), [(0, "good"), (19, "good"), (20, "notice")])
def test_trainings_since_the_front_changed(unchanged: int, level: str) -> None:
    """Dominated, equal, too large and stopped ones do not change the front; crashes are no try."""
    outcomes: list[Outcome] = [evaluation(0, 0.3, 500.0), evaluation(1, 0.2, 600.0)]
    for i in range(unchanged):
        number = len(outcomes)
        kinds: list[Outcome] = [
            evaluation(number, 0.3, 600.0),
            evaluation(number, 0.2, 600.0),
            evaluation(number, 0.1, 2000.0),
            rejection(number, "stopped"),
        ]
        outcomes.append(kinds[i % 4])
    outcomes += [rejection(len(outcomes) + i, "crashed") for i in range(5)]
    card = cards(outcomes, Limits(model_bytes=1000))["front"]
    assert card.level == level
    assert f"{unchanged + 2} in all" in card.sentence or (
        f"latest {unchanged} of {unchanged + 2}" in card.sentence
    )
    last = evaluation(len(outcomes), 0.4, 400.0)
    changed = cards([*outcomes, last], Limits(model_bytes=1000))["front"]
    assert changed.level == "good"
    assert "with the latest training" in changed.sentence


@pytest.mark.parametrize(("share", "level"), [(0.991, "warning"), (0.989, "good")])
def test_pruning_that_saves_nothing(share: float, level: str) -> None:
    """Compared with the flash of the same network, unpruned, in the median of the front."""
    outcomes = [
        evaluation(0, 0.3, 0.5 * DENSE_FLASH, sparsity=0.8),
        evaluation(1, 0.2, share * DENSE_FLASH, sparsity=0.2),
        evaluation(2, 0.1, 1.0 * DENSE_FLASH, sparsity=0.1),
        evaluation(3, 0.05, 1.5 * DENSE_FLASH),
    ]
    card = cards(outcomes)["pruning"]
    assert card.level == level
    assert "3 of the 4 models" in card.sentence
    assert f"{1 - share:.1%}" in card.sentence or f"{1 - share:.0%}" in card.sentence


def test_codebooks_of_pruned_models_are_counted() -> None:
    """They are a part of what pruning saved; without any there is no word about them."""
    plain = [
        evaluation(i, 0.3 - i / 10, (0.5 + i / 10) * DENSE_FLASH, sparsity=0.8) for i in (0, 1)
    ]
    assert "codebook" not in cards(plain)["pruning"].sentence
    clustered = replace(plain[0], candidate=replace(plain[0].candidate, codebook_bits=4))
    assert "pruned, 1 of them with a codebook;" in cards([clustered, plain[1]])["pruning"].sentence


def test_a_front_without_pruned_models() -> None:
    """Is noticed where the space allows pruning; an inactive step of 0 does not count."""
    card = cards([evaluation(i, 0.5 - i / 10, 1000.0 + i) for i in range(4)])["pruning"]
    assert card.level == "notice"
    assert "None of the 4 models" in card.sentence
    found = health_cards(
        History([evaluation(0)]),
        objectives=OBJECTIVES,
        limits=Limits(),
        space=replace(SPACE, pruning=()),
    )
    assert "pruning" not in {card.title for card in found}


@pytest.mark.parametrize(
    ("costs", "level"),
    [
        ((0.0, 0.0, 0.005), "good"),
        ((0.0, 0.004, 0.009), "good"),
        ((0.0, 0.004, 0.011), "notice"),
        ((0.0, 0.006, 0.006), "warning"),
    ],
)
def test_what_int8_costs(costs: Sequence[float], level: str) -> None:
    """Points of validation error, median and worst, of the front only."""
    outcomes = [
        evaluation(i, 0.3 - 0.1 * i, 100.0 + i, float_error=0.3 - 0.1 * i - cost)
        for i, cost in enumerate(costs)
    ]
    outcomes.append(evaluation(len(costs), 0.9, 5000.0, float_error=0.1))
    card = cards(outcomes)["int8"]
    assert card.level == level
    assert f"{100 * costs[1]:+.2f} points in the median" in card.sentence
    assert f"{100 * costs[2]:+.2f} at worst" in card.sentence


@pytest.mark.parametrize(
    ("seconds", "level"), [(0.4, "good"), (0.6, "notice"), (2.2, "notice"), (2.3, "warning")]
)
def test_time_spent_proposing(seconds: float, level: str) -> None:
    """Of proposals and evaluations together: 5 % is noticed, 20 % is a warning."""
    outcomes = [evaluation(i, seconds=9.0) for i in range(4)]
    final = replace(outcomes[0].candidate, id=FIRST_FINAL_ID, effort="final")
    last = replace(outcomes[0], candidate=final, seconds=1e6)
    card = cards([*outcomes, last], proposal_seconds=dict.fromkeys(range(4), seconds))["proposing"]
    assert card.level == level
    assert f"{seconds / (seconds + 9):.0%}" in card.sentence
    assert f"{seconds:.2f} s" in card.sentence


def test_evaluations_that_take_no_time() -> None:
    """A replay: all of the time is proposing; without any time there is no card."""
    outcomes = [evaluation(0, seconds=0.0)]
    assert "100%" in cards(outcomes, proposal_seconds={0: 0.5})["proposing"].sentence
    assert "proposing" not in cards(outcomes, proposal_seconds={0: 0.0})
    assert "proposing" not in cards(outcomes)


def test_cards_fit_a_terminal() -> None:
    """Level, title and sentence of each; sentences fold and lose nothing."""
    found = cards([evaluation(i) for i in range(30)], Limits(model_bytes=1000))
    text = io.StringIO()
    Console(file=text, width=80).print(health_table(list(found.values())))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    words = " ".join(lines).split()
    for card in found.values():
        assert card.level in words
        assert card.title in words
        assert set(card.sentence.split()) <= set(words)


@pytest.mark.parametrize(
    ("error", "images", "level"),
    [(0.01, 10_000, "good"), (0.02, 359, "notice"), (0.375, 8, "warning"), (0.0, 2, "warning")],
)
def test_how_well_errors_are_known(error: float, images: int, level: str) -> None:
    """With few images a difference is noise; of two classes eight images tell nothing."""
    card = cards([evaluation(0, error)], validation_images=images)["errors"]
    assert card.level == level
    assert f"{images:,} images" in card.sentence
    assert ("Guessing" in card.sentence) == (level == "warning")
