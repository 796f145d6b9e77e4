"""What the surrogate is taught, and when its hyper-parameters are learned anew."""

import numpy as np
import pytest
from scipy.special import expit

from pruning import PRUNERS
from sparse_search.candidate import Candidate, Evaluation, History, Rejection
from sparse_search.forecast import Forecaster
from sparse_search.search import refits as module
from sparse_search.search.features import Featurizer, feature_groups
from sparse_search.search.observations import Observations, observe
from sparse_search.search.refits import Refits, fit_sizes
from sparse_search.search.surrogate import Surrogate
from sparse_search.space import SearchSpace

GROUPS = ("a", "a", "b", "network.c")
SPACE = SearchSpace((8, 8, 1), 4, max_blocks=2, max_layers=2)
FEATURIZER = Featurizer(Forecaster(SPACE, PRUNERS))


def observations(count, seed=0):
    """Errors that depend on the first and the last coordinate."""
    rng = np.random.default_rng(seed)
    values = rng.random((count, 4))
    errors = expit(-2 + np.sin(3 * values[:, 0]) - 2 * values[:, 3] + rng.normal(0, 0.1, count))
    return Observations.measured(values, np.ones((count, 4), dtype=bool), errors)


def first(told, count):
    """The first of some observations."""
    return Observations(
        told.values[:count], told.active[:count], told.errors[:count], told.doubts[:count]
    )


def figures(found):
    """Hyper-parameters as numbers."""
    return (*found.radii().values(), found.mean, found.noise)


def test_the_schedule_grows_by_a_fifth():
    """Sizes rise by one at first, then by a fifth; they do not depend on where one asks."""
    sizes = list(fit_sizes(1000))
    assert sizes[:3] == [3, 4, 5]
    steps = np.diff(sizes)
    assert all(step == max(1, size // 5) for size, step in zip(sizes, steps, strict=False))
    assert list(fit_sizes(100)) == [size for size in sizes if size <= 100]
    assert list(fit_sizes(2)) == []


def test_hyperparameters_follow_from_the_history_alone():
    """A process that saw the study grow and one that starts anew have the same."""
    told, grown = observations(30), Refits(GROUPS)
    for count in range(31):
        latest = grown.latest(first(told, count))
        if count in (2, 11, 30):
            assert figures(Refits(GROUPS).latest(first(told, count))) == figures(latest)


def test_between_fits_hyperparameters_stay(monkeypatch):
    """They change with the schedule only, and no fit is made twice."""
    fitted = []
    learn = module.learn

    def watched(start, told, size, iterations):
        fitted.append(size)
        return learn(start, told, size, iterations)

    monkeypatch.setattr(module, "learn", watched)
    told, kept = observations(21), Refits(GROUPS)
    at_19 = figures(kept.latest(first(told, 19)))
    assert fitted == list(fit_sizes(19))
    assert figures(kept.latest(first(told, 21))) == at_19
    assert fitted == list(fit_sizes(19))


def test_a_late_outcome_in_between_is_noticed():
    """Where the first m evaluations are others than before, the fit is made again."""
    told, kept = observations(24), Refits(GROUPS)
    rest = np.delete(np.arange(24), 5)
    before = Observations(*(a[rest] for a in (told.values, told.active, told.errors, told.doubts)))
    kept.latest(before)
    assert figures(kept.latest(told)) == figures(Refits(GROUPS).latest(told))


def test_warm_started_fits_predict_as_well_as_fits_from_the_prior():
    """The chain of short fits ends where one long fit does, up to the last percent."""
    told = observations(60)
    chain = Surrogate.condition(Refits(GROUPS).latest(told), told).leave_one_out()
    anew = Surrogate.fit(told, GROUPS).leave_one_out()
    assert chain.log_density > anew.log_density - 0.05
    assert chain.skill > 0.8


def history():
    """An evaluation, and every kind of rejection."""
    rng = np.random.default_rng(0)
    drawn = [Candidate(i, SPACE.sample(rng)) for i in range(7)]
    evaluations = [Evaluation(c, {"val_error": 0.1 * (c.id + 1)}) for c in drawn[:2]]
    return History(
        [
            evaluations[0],
            Rejection(drawn[2], "stopped", "a smaller one is better", (0.5, 0.4), 0.3),
            Rejection(drawn[3], "diverged", "the loss is not finite"),
            Rejection(drawn[4], "crashed", "the worker died"),
            Rejection(drawn[5], "failed", "an error"),
            Rejection(drawn[6], "infeasible", "too large"),
            evaluations[1],
        ]
    )


def test_rejections_teach_what_they_can():
    """Stopped: the expected error; diverged: guessing; both doubted. The others: nothing."""
    told = observe(history(), FEATURIZER, "val_error")
    np.testing.assert_allclose(told.errors, [0.1, 0.2, 0.3, 0.75])
    assert told.measured_count == 2
    assert told.doubts[:2].tolist() == [0.0, 0.0]
    assert 0 < told.doubts[2] < told.doubts[3]
    assert told.values.shape == (4, len(feature_groups(SPACE)))


def test_rejections_say_nothing_about_other_objectives():
    """What they tell is an error."""
    evaluations = [
        Evaluation(e.candidate, {"sparsity": 0.5, **e.objectives}) for e in history().evaluations
    ]
    outcomes = [o for o in history().outcomes if isinstance(o, Rejection)]
    told = observe(History([*evaluations, *outcomes]), FEATURIZER, "sparsity")
    assert told.errors.tolist() == [0.5, 0.5]


def test_remembered_features_are_those_of_the_candidates():
    """Asked twice, in another order, each candidate has its own row."""
    featurizer = Featurizer(Forecaster(SPACE, PRUNERS))
    rng = np.random.default_rng(1)
    candidates = [Candidate(i, SPACE.sample(rng)) for i in range(5)]
    values, active = featurizer.remembered(candidates)
    again, exists = featurizer.remembered(candidates[::-1])
    np.testing.assert_array_equal(again[::-1], values)
    np.testing.assert_array_equal(exists[::-1], active)
    assert np.ptp(values, axis=0).max() > 0
    assert values == pytest.approx(np.clip(values, 0, 1))
