"""Lineages: every step is a parent of the next, back to a network without one."""

from dataclasses import replace

from sparse_search.architecture import Architecture
from sparse_search.candidate import Candidate, Evaluation, History, PruningStep
from sparse_search.report.lineage import lineage

PRUNED = (PruningStep("magnitude", 0.5),)
RANDOM = Candidate(0, Architecture())
MORPH = replace(RANDOM, id=1, parent=0, morphisms=("widen", "set_kernel"))
OTHER_PRUNING = replace(RANDOM, id=2, parent=1, pruning=PRUNED)
OTHER_TRAINING = replace(OTHER_PRUNING, id=3, parent=2)
FINAL = replace(OTHER_TRAINING, id=100_000, parent=3, effort="final")
FURTHER = replace(FINAL, id=200_000, effort="pruned", parent=3, pruned_from=100_000)
ALL = (RANDOM, MORPH, OTHER_PRUNING, OTHER_TRAINING, FINAL, FURTHER)


def history(*candidates: Candidate) -> History:
    """All of them measured but the last, which is pending."""
    return History([Evaluation(c, {}) for c in candidates[:-1]], candidates[-1:])


def test_a_lineage_goes_back_to_the_first_ancestor() -> None:
    """Each step is named by what was changed, the oldest first; pending ones have one, too."""
    steps = lineage(history(*ALL), FURTHER.id)
    assert [(step.candidate, step.change) for step in steps] == [
        (0, "random network"),
        (1, "widen, set kernel"),
        (2, "other pruning"),
        (3, "other training"),
        (100_000, "trained longer"),
        (200_000, "pruned further"),
    ]


def test_a_random_network_is_its_own_lineage() -> None:
    """One step."""
    (step,) = lineage(history(*ALL), 0)
    assert step.candidate == 0


def test_a_lineage_ends_where_an_ancestor_is_not_recorded() -> None:
    """What is missing is left out."""
    steps = lineage(history(OTHER_PRUNING, OTHER_TRAINING), 3)
    assert [step.candidate for step in steps] == [2, 3]


def test_a_final_training_without_a_parent_says_so() -> None:
    """It began with random weights."""
    (step,) = lineage(history(replace(FINAL, parent=None)), FINAL.id)
    assert step.change == "trained longer from scratch"
