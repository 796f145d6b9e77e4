"""Paths of further pruning: which steps there are, in which order, and where they end."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import study_fakes as fakes

from pruning import PRUNERS
from sparse_search.candidate import Candidate, Evaluation, History, Outcome, PruningStep, Rejection
from sparse_search.pruning_path import (
    FIRST_PRUNED_ID,
    Methods,
    Path,
    Schedule,
    Trials,
    choose_models,
    plan_paths,
)

KNOWN = Methods(("channels",), ("magnitude",))
MODEL = replace(fakes.candidate(4), id=7, effort="final", parent=4)


def sizes(candidate: Candidate) -> list[float]:
    """Every weight that is asked to go is smaller."""
    kept = 1.0
    for step in candidate.pruning:
        kept *= 1.0 - step.sparsity
    return [kept]


def plan(
    model: Candidate = MODEL,
    wanted: Methods = KNOWN,
    *,
    known: Methods = KNOWN,
    bits: Sequence[int | None] = (None,),
    sparsities: Sequence[float] = (),
    fits: Callable[[Candidate], bool] = lambda c: True,
    size: Callable[[Candidate], Sequence[float]] = sizes,
) -> list[Path]:
    """The paths of one model; everything fits."""
    return plan_paths(model, 4, known, Trials(wanted, bits, sparsities), fits, size)


def asked(path: Path) -> list[tuple[tuple[str, float], ...]]:
    """Methods and sparsities of each step."""
    return [tuple((step.method, step.sparsity) for step in c.pruning) for c in path.steps]


def test_each_step_keeps_a_share_of_what_the_last_one_kept() -> None:
    """Four fifths of the channels, three quarters of the weights, to the hundredth."""
    channels, magnitude, _ = plan()
    assert asked(channels)[:4] == [(("channels", s),) for s in (0.2, 0.36, 0.49, 0.59)]
    assert asked(magnitude)[:4] == [(("magnitude", s),) for s in (0.25, 0.44, 0.58, 0.68)]
    for path, kept in ((channels, 0.8), (magnitude, 0.75)):
        for k, step in enumerate(path.steps, start=1):
            assert step.pruning[0].sparsity == pytest.approx(1 - kept**k, abs=0.005)


def test_steps_can_be_asked_for() -> None:
    """Both kinds take them; those at or below what the model has are left out."""
    channels, magnitude, both = plan(sparsities=(0.3, 0.85))
    assert asked(channels) == [(("channels", 0.3),), (("channels", 0.85),)]
    assert asked(magnitude) == [(("magnitude", 0.3),), (("magnitude", 0.85),)]
    assert asked(both)[1] == (("channels", 0.85), ("magnitude", 0.85))
    sparse = replace(MODEL, pruning=(PruningStep("magnitude", 0.3),))
    (path,) = plan(sparse, Methods((), ("magnitude",)), sparsities=(0.3, 0.31))
    assert asked(path) == [(("magnitude", 0.31),)]


def test_on_the_third_path_both_kinds_grow_and_channels_go_first() -> None:
    """A pair for each k, whatever the order in which the methods are wanted or used before."""
    backwards = replace(MODEL, pruning=(PruningStep("magnitude", 0.1), PruningStep("channels", 0)))
    for model in (MODEL, backwards):
        both = asked(plan(model)[-1])
        assert both[0] == (("channels", 0.2), ("magnitude", 0.25))
        assert both[1] == (("channels", 0.36), ("magnitude", 0.44))


def test_there_is_a_path_for_each_method_and_each_pair_of_kinds() -> None:
    """Two structured and three other methods: 2 + 3 + 6; methods of a kind are never paired."""
    many = Methods(("a", "b"), ("x", "y", "z"))
    paths = plan(wanted=many, known=many)
    pairs = {tuple(step.method for step in path.steps[0].pruning) for path in paths}
    assert len(paths) == len(pairs) == 11
    assert pairs == {
        *((name,) for name in "abxyz"),
        *((cut, zero) for cut in "ab" for zero in "xyz"),
    }


def test_steps_begin_above_what_the_model_has_and_keep_its_other_kind() -> None:
    """Sparsities that are nearly the model's own would be the same model again."""
    model = replace(MODEL, pruning=(PruningStep("channels", 0.3), PruningStep("magnitude", 0.4)))
    channels, magnitude, both = plan(model)
    assert asked(channels)[0] == (("channels", 0.49), ("magnitude", 0.4))
    assert asked(magnitude)[0] == (("channels", 0.3), ("magnitude", 0.58))
    assert asked(both)[0] == (("channels", 0.49), ("magnitude", 0.58))


def test_another_method_of_the_kind_takes_over() -> None:
    """From the sparsity that the model has by the method that it replaces."""
    known = Methods((), ("magnitude", "variational"))
    model = replace(MODEL, pruning=(PruningStep("magnitude", 0.6),))
    (path,) = plan(model, Methods((), ("variational",)), known=known)
    assert asked(path)[0] == (("variational", 0.68),)


def test_layers_keep_what_protects_them_and_lose_no_less_than_before() -> None:
    """A layer that lost less stays, one that lost more goes on when the others have caught up."""
    layers = (("conv1", 0.1), ("output", 0.7))
    model = replace(MODEL, pruning=(PruningStep("magnitude", 0.4, layers),))
    steps = [c.pruning[0] for c in plan(model, Methods((), ("magnitude",)))[0].steps]
    assert [s.sparsity for s in steps[:3]] == [0.58, 0.68, 0.76]
    assert [dict(s.layers) for s in steps[:3]] == [
        {"conv1": 0.1, "output": 0.7},
        {"conv1": 0.1, "output": 0.7},
        {"conv1": 0.1},
    ]


def test_a_model_without_weights_to_spare_loses_channels_only() -> None:
    """Of 97 % no step of zeros is noticeable, so no pair of methods is, either."""
    sparse = replace(MODEL, pruning=(PruningStep("magnitude", 0.97),))
    assert {asked(path)[0][0] for path in plan(sparse)} == {("channels", 0.2)}


def test_what_does_not_fit_or_is_not_smaller_is_left_out() -> None:
    """Later steps that do are kept; a path without any step is none."""
    fitting = plan(fits=lambda c: sum(s.sparsity for s in c.pruning) > 0.5)
    assert asked(fitting[1])[0] == (("magnitude", 0.58),)

    def in_fifths(candidate: Candidate) -> list[float]:
        return [round(5 * sizes(candidate)[0])]

    found = [in_fifths(c) for c in plan(size=in_fifths)[1].steps]
    assert found == [[4], [3], [2], [1], [0]]
    assert plan(size=lambda c: [1.0]) == []
    assert len(plan(size=lambda c: [])) == 3


def test_a_pair_that_removes_no_channel_is_no_path_of_its_own() -> None:
    """It would be that of the other method again, under another name."""

    def masks_only(candidate: Candidate) -> list[float]:
        return [1.0 - candidate.sparsity("magnitude")]

    assert [asked(path)[0] for path in plan(size=masks_only)] == [(("magnitude", 0.25),)]


def test_steps_are_candidates_of_their_own_kind() -> None:
    """They share the dense training of the model's architecture and name the model."""
    model = replace(MODEL, error_to_beat=0.1, morphisms=("wider",), recipe=MODEL.recipe)
    for path in plan(model, bits=(None, 4)):
        for step in (path.start, *path.steps):
            assert (step.effort, step.parent, step.pruned_from) == ("pruned", 4, model.id)
            assert (step.error_to_beat, step.morphisms) == (None, ())
            assert step.architecture == model.architecture
        assert path.start.pruning == model.pruning


def test_codebooks_repeat_every_path_and_are_tried_alone() -> None:
    """Paths without any step stay for the codebook's sake."""
    paths = plan(bits=(None, 4, 4))
    assert [path.start.codebook_bits for path in paths] == [None] * 3 + [4] * 3
    assert {c.codebook_bits for path in paths[3:] for c in path.steps} == {4}
    alone = plan(bits=(None, 3), size=lambda c: [1.0])
    assert {(path.start.codebook_bits, path.steps) for path in alone} == {(3, ())}


def test_methods_are_sorted_by_kind() -> None:
    """Each is in one of both, in the order in which they came."""
    methods = Methods.of(PRUNERS[::-1])
    assert methods.structured == ("bayesian", "taylor", "channels")
    assert (*methods.others, *methods.structured) == tuple(p.name for p in PRUNERS[::-1])
    assert Methods.of(PRUNERS).only(["magnitude"]) == Methods((), ("magnitude",))


def member(candidate_id: int, error: float, sparsity: float = 0.0) -> Evaluation:
    """A model of a front; its architecture follows from its id."""
    return Evaluation(fakes.candidate(candidate_id, sparsity), {"val_error": error})


def test_one_model_of_each_network_is_chosen() -> None:
    """The most accurate one, none that has learned next to nothing; some stand for others."""
    same = replace(member(1, 0.05, 0.3), candidate=replace(fakes.candidate(1, 0.3), id=9))
    front = [member(1, 0.02), member(2, 0.03), same, member(3, 0.06), member(4, 0.45)]
    assert [e.candidate.id for e in choose_models(front, 6, 2)] == [1, 2, 3]
    sizes = {1: 900.0, 2: 880.0, 3: 300.0, 4: 100.0, 9: 890.0}
    sized = [
        replace(e, objectives={**e.objectives, "flash_bytes": sizes[e.candidate.id]}) for e in front
    ]
    assert [e.candidate.id for e in choose_models(sized, 2, 2)] == [1, 3]
    assert choose_models([], 2, 2) == []


def outcome(candidate: Candidate, error: float | None) -> Outcome:
    """An evaluation with this error, or a rejection without one."""
    if error is None:
        return Rejection(candidate, "diverged", "the loss became nan")
    return Evaluation(candidate, {"val_error": error})


def walk(
    schedule: Schedule, error: Callable[[Candidate], float | None], history: History | None = None
) -> list[Candidate]:
    """Candidates in the order in which one worker evaluates them."""
    outcomes = [*(history or History()).outcomes]
    found = []
    while (candidate := schedule.next(History(outcomes))) is not None:
        found.append(candidate)
        outcomes.append(outcome(candidate, error(candidate)))
    return found


BEGUN = History([outcome(MODEL, 0.1)])


def test_a_path_ends_with_the_first_step_beyond_its_bound() -> None:
    """A tenth of the way from the model's error to guessing, which is one half here: 0.14."""
    schedule = Schedule(tuple(plan(wanted=Methods((), ("magnitude",)))), 2)
    errors = {0.25: 0.1, 0.44: 0.139, 0.58: 0.12, 0.68: 0.141}
    found = walk(schedule, lambda c: errors[c.sparsity("magnitude")], BEGUN)
    assert [c.sparsity("magnitude") for c in found] == [0.25, 0.44, 0.58, 0.68]
    assert [c.id for c in found] == [FIRST_PRUNED_ID + k for k in range(4)]


def test_a_caller_may_end_paths_earlier() -> None:
    """With the first step that loses more than was allowed; a later call may go on from there."""
    paths = tuple(plan(wanted=Methods((), ("magnitude",))))
    errors = {0.25: 0.1, 0.44: 0.103, 0.58: 0.12, 0.68: 0.141}

    def error(candidate: Candidate) -> float:
        return errors[candidate.sparsity("magnitude")]

    found = walk(Schedule(paths, 2, 0.002), error, BEGUN)
    assert [c.sparsity("magnitude") for c in found] == [0.25, 0.44]
    history = History([*BEGUN.outcomes, *(outcome(c, error(c)) for c in found)])
    rest = walk(Schedule(paths, 2), error, history)
    assert [c.sparsity("magnitude") for c in rest] == [0.58, 0.68]


def test_a_step_that_failed_tells_nothing_and_is_not_repeated() -> None:
    """The path goes on; that of a model that cannot be trained itself is none."""
    schedule = Schedule(tuple(plan(wanted=Methods((), ("magnitude",)))), 2)
    found = walk(schedule, lambda c: None if c.sparsity("magnitude") < 0.5 else 0.3, BEGUN)
    assert [c.sparsity("magnitude") for c in found] == [0.25, 0.44, 0.58]
    assert [c.pruning for c in walk(schedule, lambda c: None)] == [()]


def test_an_accident_is_tried_once_more() -> None:
    """A full disk is no reason to leave a model out; what fails twice is left alone."""
    schedule = Schedule(tuple(plan(wanted=Methods((), ("magnitude",)))), 2)
    first = schedule.next(BEGUN)
    assert first is not None
    lost = Rejection(first, "crashed", "its worker process was killed by SIGKILL")
    again = schedule.next(History([*BEGUN.outcomes, lost]))
    assert again == replace(first, id=first.id + 1)
    twice = History([*BEGUN.outcomes, lost, replace(lost, candidate=again)])
    following = schedule.next(twice)
    assert following is not None
    assert following.sparsity("magnitude") > first.sparsity("magnitude")


def test_an_interrupted_final_training_blocks_no_path() -> None:
    """Nobody resumes it while models are pruned, so its model is trained as it is."""
    start = Schedule(tuple(plan()), 2).next(History(pending=[MODEL]))
    assert start == replace(MODEL, id=FIRST_PRUNED_ID, effort="pruned", pruned_from=MODEL.id)


def test_a_model_of_the_search_is_trained_as_it_is_first() -> None:
    """Its short training tells nothing about the bound; a final one with its pruning does."""
    searched = replace(MODEL, id=4, effort="search", parent=None)
    schedule = Schedule(tuple(plan(searched)), 2)
    history = History([outcome(searched, 0.3)])
    first, second = walk(schedule, lambda c: 0.1 if not c.pruning else 0.4, history)[:2]
    assert (first.pruning, first.id, first.pruned_from) == ((), FIRST_PRUNED_ID, 4)
    assert second.pruning
    known = History([*history.outcomes, outcome(MODEL, 0.1)])
    start = schedule.next(known)
    assert start is not None
    assert start.pruning


def test_first_steps_come_before_second_ones() -> None:
    """A run that is stopped early has the gentle steps of every path."""
    other = replace(fakes.candidate(5), id=8, effort="final", parent=5)
    schedule = Schedule((*plan(), *plan(other)), 2)
    history = History([*BEGUN.outcomes, outcome(other, 0.1)])
    found = walk(schedule, lambda c: 0.1, history)
    assert [c.pruned_from for c in found[:6]] == [7, 7, 7, 8, 8, 8]
    assert [c.pruning[0].sparsity for c in found[:6]] == [0.2, 0.25, 0.2] * 2
    assert [c.pruning[0].sparsity for c in found[6:9]] == [0.36, 0.44, 0.36]


def test_while_a_step_is_evaluated_its_path_waits_and_others_go_on() -> None:
    """No step is proposed twice, and none before the one on which it depends."""
    schedule = Schedule(tuple(plan()), 2)
    pending: list[Candidate] = []
    while (candidate := schedule.next(History(BEGUN.outcomes, pending))) is not None:
        pending.append(candidate)
    assert [asked(Path(MODEL, (c,)))[0] for c in pending] == [asked(p)[0] for p in plan()]
    done = History([*BEGUN.outcomes, outcome(pending[1], 0.1)], [pending[0], pending[2]])
    following = schedule.next(done)
    assert following is not None
    assert following.pruning == (PruningStep("magnitude", 0.44),)


def test_stopped_anywhere_it_goes_on_as_it_was() -> None:
    """The candidates are a function of the history: ids, order and ends of the paths."""

    def error(candidate: Candidate) -> float:
        return 0.1 + 0.06 * sum(step.sparsity for step in candidate.pruning) ** 2

    schedule = Schedule(tuple(plan()), 2)
    whole = walk(schedule, error, BEGUN)
    assert 5 < len(whole) < sum(len(path.steps) for path in plan())
    for stopped in range(len(whole) + 1):
        outcomes = [*BEGUN.outcomes, *(outcome(c, error(c)) for c in whole[:stopped])]
        assert walk(schedule, error, History(outcomes)) == whole[stopped:]


def test_the_count_ends_at_what_was_done() -> None:
    """It only falls while paths end, and is exact when nothing is left."""
    schedule = Schedule(tuple(plan()), 2)
    outcomes = [*BEGUN.outcomes]
    counts = [schedule.count(History(outcomes))]
    while (candidate := schedule.next(History(outcomes))) is not None:
        outcomes.append(outcome(candidate, 0.1 + 0.03 * len(outcomes)))
        counts.append(schedule.count(History(outcomes)))
    totals = [total for total, _ in counts]
    assert totals[0] == sum(len(path.steps) for path in plan())
    assert totals == sorted(totals, reverse=True)
    assert [done for _, done in counts] == list(range(len(outcomes)))
    assert counts[-1] == (len(outcomes) - 1, len(outcomes) - 1)
