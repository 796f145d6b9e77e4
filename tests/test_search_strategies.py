"""Strategies: the contract of each of them, and what the SpArSe strategy does with a history."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from morphisms import MORPHISMS
from objectives import DEFAULT_OBJECTIVES, Macs, ValidationError
from pruning import PRUNERS
from sparse_search.candidate import Candidate, Evaluation, History, Rejection
from sparse_search.errors import InfeasibleError
from sparse_search.evaluation import plan_metrics
from sparse_search.forecast import Forecaster
from sparse_search.pareto import ParetoFront
from sparse_search.search.features import capacity
from sparse_search.search.sparse import SparseOptions, SparseStrategy, calibrate
from sparse_search.search.strategies import STRATEGIES
from sparse_search.space import SearchSpace
from sparse_search.target import Limits

SPACE = SearchSpace((8, 8, 1), 10, max_blocks=2, max_layers=2)
FORECASTER = Forecaster(SPACE, PRUNERS)
LIMITS = Limits(512, 1500)
SMALL = SparseOptions(initial=4, pool_size=60)


def made_up_error(plan):
    """An error that falls with capacity: something that a surrogate can learn."""
    return float(np.clip(0.9 * np.exp(-(capacity(plan) - 8) / 7), 0.01, 0.9))


def evaluate(candidate):
    """A made-up evaluation with exact sizes."""
    plan = FORECASTER.plan(candidate)
    objectives = {
        "val_error": made_up_error(plan),
        "flash_bytes": float(plan.flash_bytes),
        "arena_bytes": float(plan.arena_bytes),
        "macs": float(plan.macs),
    }
    return Evaluation(candidate, objectives, plan_metrics(plan))


def strategy(name, limits=LIMITS, objectives=DEFAULT_OBJECTIVES):
    """A registered strategy; a small pool keeps the tests fast."""
    made = STRATEGIES[name](
        space=SPACE,
        morphisms=MORPHISMS,
        forecaster=FORECASTER,
        objectives=objectives,
        limits=limits,
    )
    if isinstance(made, SparseStrategy):
        return SparseStrategy(SPACE, MORPHISMS, FORECASTER, objectives, limits, SMALL)
    return made


def propose(chosen, outcomes, candidate_id, pending=()):
    """A proposal with a generator that follows from the id."""
    rng = np.random.default_rng([7, candidate_id])
    return chosen.propose(History(outcomes, pending), candidate_id, rng)


def run(chosen, count):
    """A search with made-up evaluations."""
    outcomes = []
    for number in range(count):
        outcomes.append(evaluate(propose(chosen, outcomes, number)))
    return outcomes


@pytest.mark.parametrize("name", list(STRATEGIES))
class TestStrategyContract:
    """What every strategy must keep."""

    def test_it_has_the_name_it_is_asked_by(self, name):
        """A study records the name and finds the strategy again."""
        assert strategy(name).name == name

    def test_candidates_fit_are_new_and_members(self, name):
        """Every proposal keeps the limits, has its id, and differs from all before."""
        outcomes = run(strategy(name), 9)
        candidates = [outcome.candidate for outcome in outcomes]
        assert [c.id for c in candidates] == list(range(9))
        assert len({c.key for c in candidates}) == 9
        for candidate in candidates:
            assert FORECASTER.violations(candidate, LIMITS) == []
            assert SPACE.contains(candidate.architecture)
            assert candidate.effort == "search"
            assert candidate.architecture == SPACE.canonical(candidate.architecture)
            if candidate.parent is not None:
                assert candidate.parent < candidate.id
                assert candidate.morphisms

    def test_a_proposal_depends_on_its_arguments_only(self, name):
        """A strategy made anew, with an empty cache, continues exactly as the old one would."""
        used = strategy(name)
        outcomes = run(used, 6)
        fresh = STRATEGIES[name](
            space=SPACE,
            morphisms=MORPHISMS,
            forecaster=Forecaster(SPACE, PRUNERS, cache_size=3),
            objectives=DEFAULT_OBJECTIVES,
            limits=LIMITS,
        )
        if isinstance(fresh, SparseStrategy):
            fresh = SparseStrategy(
                SPACE, MORPHISMS, fresh.forecaster, DEFAULT_OBJECTIVES, LIMITS, SMALL
            )
        assert propose(fresh, outcomes, 6) == propose(used, outcomes, 6)

    def test_pending_and_rejected_candidates_are_not_proposed_again(self, name):
        """With the generator of the last proposal, another candidate comes out."""
        chosen = strategy(name)
        outcomes = run(chosen, 5)
        first = propose(chosen, outcomes, 5)
        assert propose(chosen, outcomes, 5, [first]).key != first.key
        rejected = Rejection(first, "diverged", "the loss is not finite")
        assert propose(chosen, [*outcomes, rejected], 5).key != first.key

    def test_histories_without_any_evaluation_are_no_problem(self, name):
        """If everything so far was rejected, the search goes on."""
        chosen, outcomes = strategy(name), []
        for number in range(6):
            candidate = propose(chosen, outcomes, number)
            outcomes.append(Rejection(candidate, "crashed", "the worker died"))
        assert len({o.candidate.key for o in outcomes}) == 6

    def test_impossible_limits_are_an_error_with_a_reason(self, name):
        """Bounded effort ends in an error that names the limit and the smallest network."""
        with pytest.raises(InfeasibleError, match=r"arena_bytes.*Smallest network"):
            propose(strategy(name, Limits(ram_bytes=30)), [], 0)

    def test_no_limits_are_no_problem(self, name):
        """Without limits everything is feasible."""
        chosen, outcomes = strategy(name, Limits()), []
        for number in range(6):
            outcomes.append(evaluate(propose(chosen, outcomes, number)))


def test_random_search_never_morphs():
    """The baseline trains everything from scratch."""
    assert {o.candidate.origin for o in run(strategy("random"), 8)} == {"random"}


def test_sparse_starts_at_random_and_then_morphs():
    """The first candidates are random, later ones mostly children of evaluated ones."""
    candidates = [outcome.candidate for outcome in run(strategy("sparse"), 20)]
    assert {c.origin for c in candidates[:4]} == {"random"}
    assert sum(c.origin == "morph" for c in candidates[4:]) >= 8


def test_sparse_finds_a_better_front_than_random_search():
    """With 16 made-up evaluations the dominated volume is larger, in the median of 3 seeds."""
    reference = [1.0, LIMITS.model_bytes, LIMITS.ram_bytes]
    names = [objective.name for objective in DEFAULT_OBJECTIVES]
    volumes = {"sparse": [], "random": []}
    for name, found in volumes.items():
        for seed in range(3):
            outcomes = []
            for number in range(16):
                rng = np.random.default_rng([seed, number])
                proposal = strategy(name).propose(History(outcomes), number, rng)
                outcomes.append(evaluate(proposal))
            found.append(ParetoFront.of(outcomes, names, LIMITS).hypervolume(reference))
    assert np.median(volumes["sparse"]) > np.median(volumes["random"])


@dataclass(frozen=True)
class Recorder:
    """A scalarization that likes the first candidate and keeps what it was shown."""

    shown: list

    def __call__(self, values):
        """Scores by rank in the pool."""
        self.shown.append(values)
        return np.arange(len(values), dtype=float)


def test_exact_objectives_are_computed_and_the_error_is_sampled(monkeypatch):
    """Of the pool's values, size and memory equal the plans; errors are fractions that vary."""
    options = replace(SMALL, scalarization="max")
    chosen = SparseStrategy(SPACE, MORPHISMS, FORECASTER, DEFAULT_OBJECTIVES, LIMITS, options)
    outcomes, recorder = run(chosen, 6), Recorder([])
    monkeypatch.setattr(
        "sparse_search.search.scalarization.Boxes.draw", lambda self, kind, generator: recorder
    )
    first = propose(chosen, outcomes, 6)
    (values,) = recorder.shown
    plan = FORECASTER.plan(first)
    assert values.shape[1] == 3
    assert values[0, 1:].tolist() == [plan.flash_bytes, plan.arena_bytes]
    assert (values[:, 1] <= LIMITS.model_bytes).all()
    assert (values[:, 2] <= LIMITS.ram_bytes).all()
    assert ((values[:, 0] > 0) & (values[:, 0] < 1)).all()
    assert np.ptp(values[:, 0]) > 0


@pytest.mark.parametrize("kind", ["hypervolume", "max", "chebyshev"])
def test_other_objectives_and_scalarizations_work(kind):
    """Two objectives, one of them without a limit, under both scalarizations."""
    objectives = (ValidationError(), Macs())
    options = SparseOptions(initial=3, pool_size=40, scalarization=kind)
    chosen = SparseStrategy(SPACE, MORPHISMS, FORECASTER, objectives, Limits(), options)
    assert len({o.candidate.key for o in run(chosen, 6)}) == 6


def test_evaluations_over_a_limit_are_learned_from():
    """A model that came out larger than predicted does not stop the search."""
    chosen = strategy("sparse")
    outcomes = run(chosen, 5)
    broken = [
        Evaluation(o.candidate, o.objectives, {**o.metrics, "arena_bytes": 9e9}) for o in outcomes
    ]
    assert isinstance(propose(chosen, broken, 5), Candidate)


def test_the_surrogate_can_be_asked_for_its_calibration():
    """Reports read it as a proposal would fit it."""
    chosen = strategy("sparse")
    assert calibrate(chosen, History(run(chosen, 8))).count == 8
    assert calibrate(chosen, History(run(chosen, 2))) is None
