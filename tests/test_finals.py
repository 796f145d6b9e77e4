"""Which models get the final training: a function of the history alone."""

from dataclasses import replace

import study_fakes as fakes

from sparse_search.candidate import Candidate, Evaluation, History
from sparse_search.finals import FIRST_FINAL_ID, plan_finals, representatives, search_history
from sparse_search.space import PruningRange

SPACE = replace(
    fakes.SPACE, pruning=(PruningRange("channels", 0.5), PruningRange("magnitude", 0.6))
)


def member(candidate_id: int, error: float, sparsity: float = 0.0) -> Evaluation:
    """A search evaluation; its architecture follows from its id."""
    return Evaluation(fakes.candidate(candidate_id, sparsity), {"val_error": error})


def plan(
    front: list[Evaluation], *, models: int = 3, finals: list[Candidate] | None = None
) -> list[Candidate]:
    """The plan for a history that is the front and these final candidates; everything fits."""
    return plan_finals(History(front, finals or []), front, SPACE, lambda c: True, models)


def sparsities(candidates: list[Candidate], parent: int) -> list[float]:
    """Magnitude sparsities planned for one search candidate."""
    return [c.sparsity("magnitude") for c in candidates if c.parent == parent]


def test_each_member_is_trained_as_it_is_and_pruned_further() -> None:
    """Levels 0.1 and 0.2 above its own; same architecture; the search candidate is the parent."""
    planned = plan([member(4, 0.1, 0.3)])
    assert sparsities(planned, 4) == [0.3, 0.4, 0.5]
    assert {c.architecture for c in planned} == {fakes.candidate(4).architecture}
    assert all(c.effort == "final" and c.morphisms == () for c in planned)
    assert [c.id for c in planned] == [FIRST_FINAL_ID, FIRST_FINAL_ID + 1, FIRST_FINAL_ID + 2]


def test_members_come_before_their_variants() -> None:
    """A run that is stopped early has the models that matter most."""
    planned = plan([member(1, 0.1), member(2, 0.15)])
    assert [(c.parent, c.sparsity("magnitude")) for c in planned] == [
        (1, 0.0),
        (2, 0.0),
        (1, 0.1),
        (1, 0.2),
        (2, 0.1),
        (2, 0.2),
    ]


def test_sparsities_of_single_layers_are_kept() -> None:
    """What the search chose for one layer holds in the models that are pruned further, too."""
    base = member(4, 0.1, 0.3)
    step = replace(base.candidate.pruning[-1], layers=(("output", 0.0),))
    candidate = replace(base.candidate, pruning=(*base.candidate.pruning[:-1], step))
    planned = plan([replace(base, candidate=candidate)])
    assert sparsities(planned, 4) == [0.3, 0.4, 0.5]
    assert all(c.pruning[-1].layers == (("output", 0.0),) for c in planned)


def test_no_sparsity_above_what_the_space_allows() -> None:
    """At the end of the range there is nothing further; without the method neither."""
    assert sparsities(plan([member(4, 0.1, 0.5)]), 4) == [0.5, 0.6]
    assert sparsities(plan([member(4, 0.1, 0.6)]), 4) == [0.6]
    front = [member(4, 0.1)]
    unpruned = replace(SPACE, pruning=())
    assert len(plan_finals(History(front), front, unpruned, lambda c: True, 3)) == 1


def sized(*figures: tuple[float, float]) -> list[Evaluation]:
    """Members of these errors and sizes, from id 1."""
    return [
        replace(member(number, error), objectives={"val_error": error, "flash_bytes": size})
        for number, (error, size) in enumerate(figures, start=1)
    ]


def test_members_that_stand_for_the_front_include_the_lowest_error() -> None:
    """On an even front they are apart; where it bends they are those at the bend."""
    even = sized(*((0.001 * 2.0**k, 4096.0 / 2.0**k) for k in range(7)))
    assert [e.candidate.id for e in representatives(even, 3)] == [1, 4, 6]
    assert [c.parent for c in plan(even, models=1)[:1]] == [1]
    # The second one needs half of the flash at hardly more error, the third hardly less than that.
    bent = sized((0.01, 2000), (0.011, 1000), (0.05, 980), (0.1, 900), (0.12, 300))
    assert [e.candidate.id for e in representatives(bent, 3)] == [1, 2, 5]
    assert representatives(bent, 5) == bent


def test_an_error_of_zero_can_be_chosen_beside() -> None:
    """It has no logarithm."""
    found = representatives(sized((0.0, 900), (0.01, 500), (0.02, 400), (0.03, 100)), 2)
    assert found[0].candidate.id == 1
    assert len(found) == 2


def test_a_member_that_needs_its_pruning_gets_the_lowest_sparsity_that_fits() -> None:
    """Less pruned than the search had it, as far as the limits allow; two variants at most."""
    front = [member(4, 0.1, 0.5)]
    planned = plan_finals(
        History(front), front, SPACE, lambda c: c.sparsity("magnitude") >= 0.35, 3
    )
    assert sparsities(planned, 4) == [0.5, 0.35, 0.6]


def test_variants_that_do_not_fit_are_left_out() -> None:
    """The forecaster has the last word on variants."""
    front = [member(4, 0.1)]
    planned = plan_finals(History(front), front, SPACE, lambda c: c.sparsity("magnitude") != 0.1, 3)
    assert sparsities(planned, 4) == [0.0, 0.2]


def test_two_members_that_differ_in_sparsity_do_not_repeat_each_other() -> None:
    """The same experiment is planned once, and one architecture is trained from one parent."""
    first = member(4, 0.1)
    second = replace(member(5, 0.15), candidate=replace(fakes.candidate(4, 0.1), id=5))
    planned = plan([first, second])
    assert [c.sparsity("magnitude") for c in planned] == [0.0, 0.1, 0.2, 0.3]
    assert {c.parent for c in planned} == {4}
    later = plan([second], finals=planned[:1])
    assert {c.parent for c in later} == {4}


def test_continuing_plans_what_is_left_under_the_same_ids() -> None:
    """Whatever was proposed before a kill, the rest of the plan is what it was."""
    front = [member(1, 0.1), member(2, 0.15)]
    whole = plan(front)
    for done in range(len(whole) + 1):
        assert plan(front, finals=whole[:done]) == whole[done:]


def test_search_history_has_no_finals() -> None:
    """A strategy sees what the search did."""
    front = [member(1, 0.1)]
    finals = plan(front)
    history = History([*front, Evaluation(finals[0], {"val_error": 0.0})], finals[1:])
    assert search_history(history) == History(front, [])


def test_further_pruned_models_change_nothing_but_the_parent() -> None:
    """Ids go on as before; an architecture with a long training keeps whose weights it had."""
    front = [member(1, 0.1), member(2, 0.15)]
    step = replace(front[0].candidate, id=200_000, effort="pruned", parent=7, pruned_from=1)
    outcomes = [*front, Evaluation(step, {"val_error": 0.0})]
    planned = plan_finals(History(outcomes), front, SPACE, lambda c: True, 3)
    assert [replace(c, parent=None) for c in planned] == [
        replace(c, parent=None) for c in plan(front)
    ]
    assert {c.parent for c in planned} == {7, 2}
    assert search_history(History(outcomes, [replace(step, id=200_001)])) == History(front, [])


def test_members_that_hardly_learn_are_left_out() -> None:
    """The final training goes to models near the best one, not to those near guessing."""
    guessing = 1.0 - 1.0 / SPACE.class_count
    front = [member(1, 0.02), member(2, 0.1), member(3, 0.9 * guessing)]
    assert {c.parent for c in plan(front, models=6)} == {1, 2}
