"""Aging evolution: how a parent is selected, who may be one, and what its children are."""

import numpy as np
import pytest

from morphisms import MORPHISMS
from objectives import DEFAULT_OBJECTIVES
from pruning import PRUNERS
from sparse_search.candidate import Evaluation, History
from sparse_search.evaluation import plan_metrics
from sparse_search.forecast import Forecaster
from sparse_search.pareto import non_dominated
from sparse_search.search.evolution import EvolutionOptions, EvolutionStrategy, select
from sparse_search.search.random import RandomStrategy
from sparse_search.space import SearchSpace
from sparse_search.target import Limits

SPACE = SearchSpace((8, 8, 1), 10, max_blocks=2, max_layers=2)
FORECASTER = Forecaster(SPACE, PRUNERS)
LIMITS = Limits(2048, 4096)


def evaluation(candidate, error):
    """An evaluation with exact sizes and a given error."""
    plan = FORECASTER.plan(candidate)
    objectives = {
        "val_error": error,
        "flash_bytes": float(plan.flash_bytes),
        "arena_bytes": float(plan.arena_bytes),
    }
    return Evaluation(candidate, objectives, plan_metrics(plan))


def random_evaluations(count, error=0.5):
    """Evaluations of random candidates, all with one error."""
    outcomes = []
    strategy = RandomStrategy(SPACE, FORECASTER, LIMITS)
    for number in range(count):
        candidate = strategy.propose(History(outcomes), number, np.random.default_rng(number))
        outcomes.append(evaluation(candidate, error))
    return outcomes


def evolution(**options):
    """The strategy with given options."""
    return EvolutionStrategy(
        SPACE, MORPHISMS, FORECASTER, DEFAULT_OBJECTIVES, LIMITS, EvolutionOptions(**options)
    )


def test_selection_follows_the_published_fitness():
    """The member with the largest -max_i min(f_i / b_i, 10) / λ_i, written out in plain Python."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        ratios = rng.lognormal(0.0, 1.5, (12, 3))
        chosen = select(ratios, 5, np.random.default_rng(seed))
        replayed = np.random.default_rng(seed)
        weights = [1.0 - u for u in replayed.random(3)]
        members = [int(i) for i in replayed.choice(12, 5, replace=False)]
        fitness = {
            i: -max(min(f, 10.0) / w for f, w in zip(ratios[i], weights, strict=True))
            for i in members
        }
        assert fitness[chosen] == pytest.approx(max(fitness.values()))


def test_with_everybody_competing_parents_are_pareto_optimal():
    """No compromise prefers a dominated member; different compromises prefer different ones."""
    ratios = np.random.default_rng(0).uniform(0.1, 2.0, (30, 3))
    optimal = non_dominated(ratios)
    chosen = {select(ratios, 30, np.random.default_rng(seed)) for seed in range(200)}
    assert all(optimal[index] for index in chosen)
    assert len(chosen) > 3


def test_a_small_population_competes_as_a_whole():
    """A sample larger than the population is the population."""
    ratios = np.array([[3.0, 3.0], [1.0, 1.0]])
    assert {select(ratios, 25, np.random.default_rng(seed)) for seed in range(20)} == {1}


def test_the_first_candidates_are_random_the_others_one_step_from_a_recent_one():
    """Parents are among the last P evaluations, even if an older one was the best by far."""
    outcomes = random_evaluations(9)
    outcomes[0] = evaluation(outcomes[0].candidate, 0.001)
    chosen = evolution(population=6, sample=6)
    young = chosen.propose(History(outcomes[:5]), 5, np.random.default_rng(0))
    assert young.origin == "random"
    for seed in range(25):
        child = chosen.propose(History(outcomes), 9, np.random.default_rng(seed))
        assert child.parent in range(3, 9)
        assert len([name for name in child.morphisms if name != "shrink"]) == 1


def test_age_is_the_id_and_not_the_order_of_finishing():
    """Workers may finish in any order."""
    outcomes = random_evaluations(9)
    chosen = evolution(population=6, sample=3)
    for seed in range(5):
        in_order = chosen.propose(History(outcomes), 9, np.random.default_rng(seed))
        shuffled = chosen.propose(History(outcomes[::-1]), 9, np.random.default_rng(seed))
        assert shuffled == in_order


def test_the_fittest_of_the_sample_is_the_parent():
    """One member that is best in everything is every child's parent."""
    outcomes = random_evaluations(6)
    smallest = min(outcomes, key=lambda o: o.objectives["flash_bytes"])
    best = Evaluation(
        smallest.candidate,
        {"val_error": 0.01, "flash_bytes": 1.0, "arena_bytes": 1.0},
        smallest.metrics,
    )
    outcomes[smallest.candidate.id] = best
    for options in ({}, {"bounds": {"val_error": 0.2}}):
        chosen = evolution(population=6, sample=6, **options)
        children = [
            chosen.propose(History(outcomes), 6, np.random.default_rng(seed)) for seed in range(8)
        ]
        assert {child.parent for child in children} == {best.candidate.id}


def test_a_tight_error_bound_turns_the_search_to_the_error():
    """The bounds say what weighs how much."""
    outcomes = random_evaluations(10)
    good = max(outcomes, key=lambda o: o.objectives["flash_bytes"]).candidate
    outcomes[good.id] = evaluation(good, 0.05)

    def share(bound):
        chosen = evolution(population=10, sample=10, bounds={"val_error": bound})
        drawn = [
            chosen.propose(History(outcomes), 10, np.random.default_rng(seed)) for seed in range(20)
        ]
        return sum(child.parent == good.id for child in drawn) / len(drawn)

    assert share(0.05) > 0.8
    assert share(50.0) < 0.5


def test_the_paper_has_a_population_of_100_and_a_sample_of_25():
    """The published setting is there for those who have thousands of evaluations."""
    assert EvolutionOptions.paper() == EvolutionOptions(population=100, sample=25)
