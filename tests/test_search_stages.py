"""The stages of the SpArSe strategy, its choices, and how pending candidates count."""

from dataclasses import replace

import numpy as np
import pytest
import study_fakes as fakes
import typer

from morphisms import MORPHISMS
from objectives import DEFAULT_OBJECTIVES
from pruning import PRUNERS
from sparse_search.candidate import Candidate, Evaluation, History
from sparse_search.cli.run_command import _check_strategy, _strategy_options
from sparse_search.errors import InfeasibleError, StudyError
from sparse_search.evaluation import plan_metrics
from sparse_search.finals import search_history
from sparse_search.forecast import Forecaster
from sparse_search.pareto import ParetoFront
from sparse_search.search.choice import reference
from sparse_search.search.features import capacity
from sparse_search.search.refits import fit_sizes
from sparse_search.search.sparse import SparseOptions, SparseStrategy, _best
from sparse_search.search.stages import stage_order
from sparse_search.search.strategies import STRATEGIES, stored_options
from sparse_search.space import RecipeRange, SearchSpace
from sparse_search.target import Limits

SPACE = SearchSpace((8, 8, 1), 10, max_blocks=2, max_layers=2)
LIMITS = Limits(512, 1500)
OPTIONS = SparseOptions(initial=3, stages=(6, 4), pool_size=40)
NAMES = [objective.name for objective in DEFAULT_OBJECTIVES]


def strategy(options=OPTIONS, space=SPACE, limits=LIMITS):
    """A strategy with small pools."""
    forecaster = Forecaster(space, PRUNERS)
    return SparseStrategy(space, MORPHISMS, forecaster, DEFAULT_OBJECTIVES, limits, options)


def evaluate(chosen, candidate, seed=0):
    """An error that falls with capacity, with noise, and exact sizes."""
    plan = chosen.forecaster.plan(candidate)
    noise = np.random.default_rng([seed, candidate.id]).normal(0, 0.01)
    error = float(np.clip(0.9 * np.exp(-(capacity(plan) - 8) / 7) + noise, 0.01, 0.9))
    sizes = {"flash_bytes": float(plan.flash_bytes), "arena_bytes": float(plan.arena_bytes)}
    return Evaluation(candidate, {"val_error": error, **sizes}, plan_metrics(plan))


def run(chosen, count, outcomes=()):
    """A search that continues after these outcomes."""
    outcomes = list(outcomes)
    for number in range(len(outcomes), count):
        rng = np.random.default_rng([3, number])
        candidate = chosen.propose(History(outcomes), number, rng)
        outcomes.append(evaluate(chosen, candidate))
    return outcomes


def test_stages_follow_each_other_and_are_recorded():
    """Six candidates in stage 1, four in stage 2, the others in stage 3."""
    outcomes = run(strategy(), 15)
    assert [o.candidate.stage for o in outcomes] == [1] * 6 + [2] * 4 + [3] * 5
    assert {o.candidate.origin for o in outcomes[6:]} == {"morph"}


def test_stage_2_changes_nothing_but_pruning():
    """A candidate of stage 2 is its parent's network and recipe, pruned in another way."""
    outcomes = run(strategy(), 10)
    for outcome in outcomes[6:]:
        child, parent = outcome.candidate, outcomes[outcome.candidate.parent].candidate
        assert (child.architecture, child.recipe) == (parent.architecture, parent.recipe)
        assert child.pruning != parent.pruning
        assert all("sparsity" in name or name == "method" for name in child.morphisms)


def test_parents_of_stage_3_are_pareto_optimal_as_they_are_believed():
    """Each was on the front of the smoothed errors when its child was proposed."""
    chosen = strategy()
    outcomes = run(chosen, 16)
    for number in range(10, 16):
        before = outcomes[:number]
        smoothed = chosen.surrogate(History(before), "val_error").smoothed()
        judged = [
            replace(o, objectives={**o.objectives, "val_error": float(error)})
            for o, error in zip(before, smoothed, strict=True)
        ]
        front = {e.candidate.id for e in ParetoFront.of(judged, NAMES, LIMITS).evaluations}
        assert outcomes[number].candidate.parent in front


def test_a_stage_that_finds_nothing_gives_way_to_the_next():
    """Where nothing can be pruned, stage 2 is stage 3."""
    bare = SearchSpace((8, 8, 1), 10, max_blocks=2, pruning=())
    outcomes = run(strategy(space=bare), 9)
    assert [o.candidate.stage for o in outcomes] == [1] * 6 + [3] * 3


def test_a_search_ends_only_when_nothing_is_left():
    """After the last stage comes the first again; then the space is exhausted."""
    tiny = SearchSpace(
        (6, 6, 1),
        2,
        max_blocks=1,
        max_layers=1,
        max_filters=3,
        kinds=("conv",),
        kernels=(3,),
        strides=(1,),
        paddings=("same",),
        pools=("none",),
        branches=("none",),
        fc_branches=("none",),
        input_pools=(1,),
        heads=("average",),
        max_hidden=0,
        pruning=(),
        recipes=RecipeRange.fixed(),
    )
    chosen = strategy(SparseOptions(initial=1, stages=(1, 0), pool_size=20), tiny, Limits())
    outcomes = run(chosen, 3)
    assert len({o.candidate.architecture for o in outcomes}) == 3
    with pytest.raises(InfeasibleError, match="no new candidate is left"):
        run(chosen, 4, outcomes)


def test_a_larger_budget_goes_on_in_stage_3():
    """The stages are options: what is done stays the same, and nothing starts again."""
    options = SparseOptions.for_budget(20)
    assert options.stages == (10, 3)
    assert [stage_order(options.stages, n)[0] for n in (0, 9, 10, 12, 13, 500)] == [
        1,
        1,
        2,
        2,
        3,
        3,
    ]


def test_options_are_read_back_as_they_are_stored():
    """From the JSON of a study's settings; other strategies and studies have none."""
    settings = {
        "strategy": "sparse",
        "strategy_options": {"initial": 7, "stages": [9, 2], "scalarization": "max"},
    }
    found = stored_options(settings, "sparse")
    assert found == SparseOptions(initial=7, stages=(9, 2), scalarization="max")
    assert stored_options(settings, "random") is None
    assert stored_options({"strategy": "sparse"}, "sparse") is None
    made = STRATEGIES["sparse"](
        space=SPACE,
        morphisms=MORPHISMS,
        forecaster=Forecaster(SPACE, PRUNERS),
        objectives=DEFAULT_OBJECTIVES,
        limits=LIMITS,
        options=found,
    )
    assert made.options == found


def test_what_is_pending_is_not_expected_to_improve_the_front_again():
    """With a candidate on its way, one that would add the same is not proposed."""
    chosen = strategy(SparseOptions(initial=3, pool_size=150))
    outcomes = run(chosen, 8)
    pending: list[Candidate] = []
    for number in range(8, 14):
        rng = np.random.default_rng([5])  # The same draws each time: only what is pending differs.
        pending.append(chosen.propose(History(outcomes, pending), number, rng))
    assert len({candidate.key for candidate in pending}) == 6
    plans = [chosen.forecaster.plan(candidate) for candidate in pending]
    sizes = np.array([(plan.flash_bytes, plan.arena_bytes) for plan in plans])
    assert np.ptp(sizes, axis=0).min() > 50


def test_a_proposal_with_pending_candidates_depends_on_its_arguments_only():
    """Another process, with other caches, imagines the same and proposes the same."""
    used = strategy()
    outcomes = run(used, 8)
    pending = [used.propose(History(outcomes), 8, np.random.default_rng(1))]
    proposals = {
        made.propose(History(outcomes, pending), 9, np.random.default_rng(2))
        for made in (used, strategy())
    }
    assert len(proposals) == 1


def test_the_calibration_is_logged_when_hyperparameters_are_learned(caplog):
    """A line for each fit, and one for each pool that says how many were repaired."""
    caplog.set_level("INFO", logger="sparse_search")
    run(strategy(), 14)
    lines = [record.getMessage() for record in caplog.records]
    fits = [line for line in lines if line.startswith("surrogate of val_error: Calibration")]
    assert len(fits) == len([n for n in fit_sizes(13) if n >= 3])
    assert sum("of them repaired" in line for line in lines) == 11


def study(folder, **changes):
    """A study of fakes with a strategy that is known by name."""
    return fakes.study(
        folder,
        strategy="sparse",
        morphisms=MORPHISMS,
        limits=Limits(ram_bytes=2000, model_bytes=3000),
        final_models=1,
        **changes,
    )


def test_a_study_keeps_the_options_that_it_was_created_with(tmp_path):
    """A larger budget continues in stage 3; other options are refused."""
    options = SparseOptions(initial=2, stages=(3, 1), pool_size=20)
    study(tmp_path, strategy_options=options).run(4)
    continued = study(tmp_path)
    continued.run(7)
    history = search_history(continued.record.history())
    assert [candidate.stage for candidate in history.candidates] == [1, 1, 1, 2, 3, 3, 3]
    stored = continued.record.settings
    assert stored_options(stored, "sparse") == options
    with pytest.raises(StudyError, match=r"strategy_options\.initial: the study has 2"):
        study(tmp_path, strategy_options=SparseOptions())


def test_the_command_line_makes_options_for_the_budget_or_takes_those_of_the_study(tmp_path):
    """Stages and scalarization can be given; a study that exists keeps its own."""
    assert _strategy_options("sparse", tmp_path, 40, None, None) == SparseOptions.for_budget(40)
    given = _strategy_options("sparse", tmp_path, 40, "9, 2", "max")
    assert given == SparseOptions(stages=(9, 2), scalarization="max")
    assert _strategy_options("random", tmp_path, 40, None, None) is None
    for wrong in (("sparse", "many", None), ("random", "9,2", None), ("ehvi", None, "max")):
        with pytest.raises(typer.BadParameter):
            _check_strategy(*wrong)
    study(tmp_path, strategy_options=SparseOptions(initial=2, pool_size=20)).run(1)
    assert _strategy_options("sparse", tmp_path, 400, None, None) is None
    asked = _strategy_options("sparse", tmp_path, 400, "9,2", None)
    assert asked == SparseOptions(initial=2, pool_size=20, stages=(9, 2))


def test_with_one_objective_the_best_few_are_preferred_as_parents():
    """With more of them, the Pareto-optimal ones."""
    errors = np.array([[0.5], [0.1], [0.3], [0.2], [0.6], [0.4], [0.1]])
    assert np.flatnonzero(_best(errors)).tolist() == [1, 2, 3, 6]
    assert _best(errors[:2]).all()
    sizes = np.array([[1.0], [9.0], [9.0], [2.0], [9.0], [9.0], [9.0]])
    assert np.flatnonzero(_best(np.hstack([errors, sizes]))).tolist() == [0, 1, 3, 6]


def test_the_reference_is_the_limits_the_worst_seen_or_ten_times_the_best_error():
    """Limits count with a little more than themselves; no error is worse than guessing."""
    chosen = strategy(limits=Limits(ram_bytes=512))
    outcomes = run(chosen, 5)
    beliefs = chosen._believe(History(outcomes), np.random.default_rng(0))
    seen = np.array([[0.5, 900.0, 400.0], [0.1, 2000.0, 300.0]])
    found = reference(beliefs, chosen.limits, seen)
    np.testing.assert_allclose(found, [0.9, 1.1 * 2000, 1.02 * 512])
    seen[0, 0] = 0.03
    assert reference(beliefs, chosen.limits, seen)[0] == pytest.approx(0.3)
