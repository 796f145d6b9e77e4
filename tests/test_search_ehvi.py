"""Expected hypervolume improvement: the acquisition against brute force, and its bookkeeping."""

import numpy as np
import pytest
import torch

from morphisms import MORPHISMS
from objectives import DEFAULT_OBJECTIVES
from pruning import PRUNERS
from sparse_search.candidate import Evaluation, History
from sparse_search.evaluation import plan_metrics
from sparse_search.forecast import Forecaster
from sparse_search.pareto import hypervolume
from sparse_search.search.acquisition import log_ehvi
from sparse_search.search.ehvi import EhviOptions, EhviStrategy
from sparse_search.space import SearchSpace
from sparse_search.target import Limits

SPACE = SearchSpace((8, 8, 1), 10, max_blocks=2, max_layers=2)
FORECASTER = Forecaster(SPACE, PRUNERS)
LIMITS = Limits(2048, 4096)


def tensors(*arrays):
    """Arrays as torch sees them."""
    return tuple(torch.from_numpy(np.asarray(array, dtype=np.float64)) for array in arrays)


def score(x, figures, errors, pool_x, pool_figures, pending=(), seed=0, samples=64):
    """Scores of a pool with one measured and two exact objectives, reference (1, 1, 1)."""
    pending_x, pending_figures = pending or (np.empty((0, 1)), np.empty((0, 2)))
    return log_ehvi(
        points=tensors(x, pending_x, pool_x),
        exact=tensors(figures, pending_figures, pool_figures),
        measured=tensors(errors)[0],
        reference=np.ones(3),
        samples=samples,
        generator=np.random.default_rng(seed),
    )


def line(count, seed=0):
    """Points on a line whose error falls smoothly along it, and two exact objectives."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0.0, 1.0, count)[:, None]
    return x, rng.uniform(0.2, 0.9, (count, 2)), 0.9 - 0.7 * x


def test_scores_are_the_improvement_where_the_model_is_sure():
    """At points whose error is as good as known, exp(score) is the gain of hypervolume."""
    x, figures, errors = line(15)
    pool_x = np.linspace(0.1, 0.9, 12)[:, None]
    pool_figures = np.random.default_rng(5).uniform(0.05, 0.6, (12, 2))
    scores = score(x, figures, errors, pool_x, pool_figures)
    front = np.hstack((errors, figures))
    before = hypervolume(front, np.ones(3))
    candidates = np.hstack((0.9 - 0.7 * pool_x, pool_figures))
    gains = [hypervolume(np.vstack((front, c)), np.ones(3)) - before for c in candidates]
    clear = np.array(gains) > 0.02
    assert clear.sum() >= 5
    assert np.exp(scores)[clear] == pytest.approx(np.array(gains)[clear], rel=0.25)
    assert np.exp(scores)[~clear] == pytest.approx(np.array(gains)[~clear], abs=0.01)


def test_points_beyond_the_reference_and_dominated_ones_score_low():
    """What cannot add volume is worse than what does."""
    x, figures, errors = line(10)
    pool_figures = [[0.1, 0.1], [1.5, 0.1], [0.95, 0.95]]
    good, outside, dominated = score(x, figures, errors, np.full((3, 1), 0.5), pool_figures)
    assert good > outside + 2
    assert good > dominated + 2


def test_a_pending_point_takes_away_what_it_will_add():
    """Where a candidate is under way already, another one like it is worth little."""
    x, figures, errors = line(10)
    pool_x, pool_figures = np.array([[0.5], [0.9]]), np.array([[0.1, 0.1], [0.15, 0.15]])
    free = score(x, figures, errors, pool_x, pool_figures)
    busy = score(x, figures, errors, pool_x, pool_figures, (pool_x[:1], pool_figures[:1]))
    assert busy[0] < free[0] - 1


def test_scores_are_reproducible_and_leave_the_global_generator_alone():
    """All randomness comes from the argument."""
    x, figures, errors = line(8)
    state = torch.get_rng_state()
    first = score(x, figures, errors, x, figures, samples=8)
    assert (torch.get_rng_state() == state).all()
    torch.manual_seed(123)
    assert (score(x, figures, errors, x, figures, samples=8) == first).all()


def test_objectives_may_all_be_measured():
    """Without any exact objective every one gets a model."""
    rng = np.random.default_rng(0)
    x, values = rng.random((8, 2)), rng.random((8, 2))
    scores = log_ehvi(
        points=tensors(x, np.empty((0, 2)), rng.random((5, 2))),
        exact=tensors(np.empty((8, 0)), np.empty((0, 0)), np.empty((5, 0))),
        measured=tensors(values)[0],
        reference=np.ones(2),
        samples=8,
        generator=rng,
    )
    assert scores.shape == (5,)
    assert np.isfinite(scores).all()


def evaluate(candidate, error):
    """An evaluation with exact sizes."""
    plan = FORECASTER.plan(candidate)
    figures = (error, float(plan.flash_bytes), float(plan.arena_bytes))
    names = [objective.name for objective in DEFAULT_OBJECTIVES]
    return Evaluation(candidate, dict(zip(names, figures, strict=True)), plan_metrics(plan))


def test_random_first_then_morphs_of_the_front_or_random_ones():
    """Parents of proposals are Pareto-optimal evaluations."""
    options = EhviOptions(initial=5, pool_size=40, samples=4, random_fraction=0.1)
    strategy = EhviStrategy(SPACE, MORPHISMS, FORECASTER, DEFAULT_OBJECTIVES, LIMITS, options)
    outcomes = []
    for number in range(5):
        candidate = strategy.propose(History(outcomes), number, np.random.default_rng(number))
        assert candidate.origin == "random"
        outcomes.append(evaluate(candidate, 0.4 - 0.05 * number))
    parents = set()
    for seed in range(4):
        child = strategy.propose(History(outcomes), 5, np.random.default_rng(seed))
        parents |= {child.parent} if child.parent is not None else set()
        assert FORECASTER.violations(child, LIMITS) == []
    figures = np.array([list(o.objectives.values()) for o in outcomes])
    dominated = {
        i for i, a in enumerate(figures) for b in figures if (b <= a).all() and (b < a).any()
    }
    assert parents
    assert not parents & dominated
