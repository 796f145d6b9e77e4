"""The arc kernel and the surrogate against closed forms in numpy."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from scipy.stats import norm, spearmanr

from sparse_search.search.hyperparameters import Hyperparameters
from sparse_search.search.observations import Observations
from sparse_search.search.surrogate import ERROR_FLOOR, Surrogate

GROUPS = ("a", "a", "b", "b", "b", "network.c")
RADIUS = {"a": 0.7, "b": 0.4, "network.c": 1.1}
SLOPE = 3.0
ANGLE, SCALE, MEAN, NOISE = 0.6, 1.7, 0.2, 0.09


def hyperparameters():
    """Fixed hyper-parameters over six coordinates in three groups."""
    prior = Hyperparameters.prior(GROUPS)
    prior.kernel.arc.outputscale = torch.tensor(SCALE, dtype=torch.float64)
    prior.kernel.arc.base_kernel.radius = torch.tensor(list(RADIUS.values()), dtype=torch.float64)
    prior.kernel.arc.base_kernel.angle = ANGLE
    return Hyperparameters(prior.kernel, MEAN, NOISE)


def points(count, seed=0):
    """Random conditional points: values [n, 6], 0 where inactive, and activities [n, 6]."""
    rng = np.random.default_rng(seed)
    active = rng.random((count, 6)) < 0.7
    active[:, 5] = True
    return np.where(active, rng.random((count, 6)), 0.0), active


def numpy_covariance(one, other):
    """Arc kernel as the paper writes it, pair by pair, and the trend of the last coordinate."""
    (x, x_active), (y, y_active) = one, other
    result = np.empty((len(x), len(y)))
    for i in range(len(x)):
        for j in range(len(y)):
            squared = 0.0
            for k, group in enumerate(GROUPS):
                radius = RADIUS[group] / np.sqrt(GROUPS.count(group))
                u, v = np.pi * ANGLE * x[i, k], np.pi * ANGLE * y[j, k]
                p = x_active[i, k] * np.array([np.sin(u), np.cos(u)])
                q = y_active[j, k] * np.array([np.sin(v), np.cos(v)])
                squared += radius**2 * ((p - q) ** 2).sum()
            r = np.sqrt(5 * squared)
            trend = SLOPE**2 * (x[i, 5] - 0.5) * (y[j, 5] - 0.5)
            result[i, j] = SCALE * (1 + r + r**2 / 3) * np.exp(-r) + trend
    return result


def joined(values, active):
    """Points as the kernel reads them."""
    return torch.from_numpy(np.concatenate((values, active), axis=1).astype(float))


def test_arc_kernel_is_the_formula_of_the_paper():
    """Covariances and variances equal a direct evaluation."""
    one, other, gp = points(9), points(7, 1), hyperparameters()
    found = gp.covariance(joined(*one), joined(*other)).numpy()
    np.testing.assert_allclose(found, numpy_covariance(one, other), rtol=1e-9)
    variance = np.diag(numpy_covariance(one, one))
    np.testing.assert_allclose(gp.variance(joined(*one)).numpy(), variance)


def test_arc_kernel_is_blind_to_inactive_values():
    """Any value of a coordinate that does not exist gives the same covariances."""
    values, active = points(12)
    others = np.where(active, values, np.random.default_rng(5).random(values.shape))
    gp, rest = hyperparameters(), joined(*points(8, 2))
    before = gp.covariance(joined(values, active), rest)
    assert torch.equal(gp.covariance(joined(others, active), rest), before)


def test_arc_kernel_is_positive_semidefinite():
    """No eigenvalue of a covariance matrix is negative beyond rounding, copies included."""
    values, active = points(150)
    x = joined(np.vstack((values, values[:20])), np.vstack((active, active[:20])))
    eigenvalues = torch.linalg.eigvalsh(hyperparameters().covariance(x, x))
    assert eigenvalues.min() > -1e-10


def test_existence_is_equally_far_from_every_value():
    """A layer that is missing is as unlike a small layer as a large one."""
    active = np.ones((3, 6), dtype=bool)
    active[2, 0] = False
    values = np.zeros((3, 6))
    values[1, 0] = 1.0
    covariance = hyperparameters().covariance(joined(values, active), joined(values, active))
    assert covariance[0, 2] == pytest.approx(float(covariance[1, 2]))
    assert covariance[0, 1] < covariance[0, 0]


def closed_form(seen, errors, new):
    """Posterior mean and covariance of the latent logit by the textbook's formula."""
    logits = logit(np.clip(errors, ERROR_FLOOR, 1 - ERROR_FLOOR))
    center = logits.mean()
    spread = np.sqrt((((logits - center) ** 2).sum() + 2) / (len(logits) + 2))
    inverse = np.linalg.inv(numpy_covariance(seen, seen) + NOISE * np.eye(len(errors)))
    cross = numpy_covariance(new, seen)
    mean = MEAN + cross @ inverse @ ((logits - center) / spread - MEAN)
    covariance = numpy_covariance(new, new) - cross @ inverse @ cross.T
    return center + spread * mean, spread**2 * covariance


def fixed_surrogate(count=25):
    """A surrogate of fixed hyper-parameters, and the points and errors that it has seen."""
    seen = points(count, 3)
    errors = np.random.default_rng(4).random(count) * 0.3
    errors[0] = 0.0
    return (
        Surrogate.condition(hyperparameters(), Observations.measured(*seen, errors)),
        seen,
        errors,
    )


def test_posterior_is_the_closed_form():
    """Median and spread on the error's scale, for points that were seen and others."""
    surrogate, seen, errors = fixed_surrogate()
    for new in (points(10, 9), seen):
        mean, covariance = closed_form(seen, errors, new)
        std = np.sqrt(np.diag(covariance))
        found = surrogate.posterior(*new)
        median, half_width = found.median, found.half_width
        np.testing.assert_allclose(median, expit(mean), rtol=1e-7)
        expected = (expit(mean + std) - expit(mean - std)) / 2
        np.testing.assert_allclose(half_width, expected, rtol=1e-6)


class Normals:
    """Stands for a generator: hands out given numbers, then zeros."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)

    def standard_normal(self, size):
        """The next numbers."""
        taken, self.numbers = self.numbers[:size], self.numbers[size:]
        return np.array([*taken, *[0.0] * (size - len(taken))])


def test_pathwise_samples_have_the_exact_mean_and_covariance():
    """A sample is mean + A z for normal z; A Aᵀ is the joint posterior covariance."""
    surrogate, seen, errors = fixed_surrogate(20)
    new = points(12, 11)
    mean, covariance = closed_form(seen, errors, new)
    center = logit(surrogate.sample(*new, Normals()))
    np.testing.assert_allclose(center, mean, rtol=1e-6)
    count = 20 + 12 + 20  # prior at seen and new points, noise at seen ones
    unit = np.eye(count)
    columns = [logit(surrogate.sample(*new, Normals(*row))) - center for row in unit]
    np.testing.assert_allclose(np.transpose(columns) @ columns, covariance, atol=1e-6)
    repeated = logit(surrogate.sample(*new, np.random.default_rng(0)))
    np.testing.assert_array_equal(logit(surrogate.sample(*new, np.random.default_rng(0))), repeated)


def test_cases_are_quantiles_of_the_posterior():
    """The middle of five cases is the median; their share below a value is its probability."""
    surrogate, seen, errors = fixed_surrogate()
    new = points(6, 13)
    mean, covariance = closed_form(seen, errors, new)
    cases = logit(surrogate.posterior(*new).cases(5))
    np.testing.assert_allclose(cases[2], mean, rtol=1e-6)
    expected = norm.ppf(0.9) * np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(cases[4] - mean, expected, rtol=1e-5)


def test_smoothed_errors_are_the_posterior_at_the_observations():
    """The shortcut for points that were seen gives what the posterior gives."""
    surrogate, seen, _ = fixed_surrogate()
    np.testing.assert_allclose(surrogate.smoothed(), surrogate.posterior(*seen).median, rtol=1e-7)


def test_imagined_errors_are_draws_that_become_observations():
    """With fixed draws, a surrogate that imagines is one that has seen these errors."""
    surrogate, seen, _ = fixed_surrogate(10)
    pending, new = points(3, 21), points(7, 22)
    imagined = surrogate.imagine(*pending, np.random.default_rng(1))
    drawn = imagined.targets[10:].numpy()
    cross = numpy_covariance(
        new, (np.vstack((seen[0], pending[0])), np.vstack((seen[1], pending[1])))
    )
    both = tuple(np.vstack(pair) for pair in zip(seen, pending, strict=True))
    inverse = np.linalg.inv(numpy_covariance(both, both) + NOISE * np.eye(13))
    targets = np.concatenate((surrogate.targets.numpy(), drawn))
    mean = MEAN + cross @ inverse @ (targets - MEAN)
    expected = expit(surrogate.center + surrogate.spread * mean)
    np.testing.assert_allclose(imagined.posterior(*new).median, expected, rtol=1e-6)
    assert imagined.posterior(*pending).std.mean() < surrogate.posterior(*pending).std.mean()
    assert imagined.leave_one_out().count == 10


def test_imagining_changes_no_belief_on_average():
    """Over many draws the median at other points stays what it was."""
    surrogate, _, _ = fixed_surrogate(10)
    pending, new = points(2, 21), points(5, 22)
    rng = np.random.default_rng(2)
    medians = [logit(surrogate.imagine(*pending, rng).posterior(*new).median) for _ in range(400)]
    before = logit(surrogate.posterior(*new).median)
    np.testing.assert_allclose(np.mean(medians, axis=0), before, atol=4 * np.std(medians) / 20)


def test_doubted_observations_count_less():
    """A guess moves the belief towards it, less than a measurement would."""
    surrogate, seen, errors = fixed_surrogate(10)
    extra, at = points(1, 30), points(1, 30)
    values, active = (np.vstack(pair) for pair in zip(seen, extra, strict=True))

    def median(doubt):
        doubts = np.array([0.0] * 10 + [doubt])
        told = Observations(values, active, np.append(errors, 0.9), doubts)
        return Surrogate.condition(hyperparameters(), told).posterior(*at).median[0]

    assert surrogate.posterior(*at).median[0] < median(3.0) < median(0.5) < 0.9


def test_guesses_set_no_scale():
    """Center and spread come from measurements."""
    surrogate, seen, errors = fixed_surrogate(10)
    values, active = (np.vstack(pair) for pair in zip(seen, points(1, 30), strict=True))
    told = Observations(values, active, np.append(errors, 0.9), np.array([0.0] * 10 + [1.0]))
    found = Surrogate.condition(hyperparameters(), told)
    assert (found.center, found.spread) == (surrogate.center, surrogate.spread)
    assert found.leave_one_out().count == 10


def test_samples_agree_at_copies_of_a_point():
    """The draw is joint: one candidate listed twice has one error."""
    surrogate, _, _ = fixed_surrogate()
    values, active = points(3, 12)
    twice = np.vstack((values, values)), np.vstack((active, active))
    sample = surrogate.sample(*twice, np.random.default_rng(0))
    np.testing.assert_allclose(sample[:3], sample[3:], rtol=1e-2)
    assert np.ptp(sample[:3]) > 0


def test_leave_one_out_is_brute_force():
    """Calibration equals predicting each point by a closed form without it."""
    surrogate, seen, _ = fixed_surrogate(15)
    targets = surrogate.targets.numpy()
    covariance = numpy_covariance(seen, seen) + NOISE * np.eye(15)
    predicted, std = np.empty(15), np.empty(15)
    for i in range(15):
        rest = np.delete(np.arange(15), i)
        weights = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[rest, i])
        predicted[i] = MEAN + weights @ (targets[rest] - MEAN)
        std[i] = np.sqrt(covariance[i, i] - weights @ covariance[rest, i])
    means = np.array([np.delete(targets, i).mean() for i in range(15)])
    found = surrogate.leave_one_out()
    skill = 1 - ((targets - predicted) ** 2).mean() / ((targets - means) ** 2).mean()
    assert found.count == 15
    assert found.skill == pytest.approx(skill)
    assert found.rank_correlation == pytest.approx(spearmanr(predicted, targets)[0])
    assert found.coverage == pytest.approx(
        (abs(predicted - targets) < norm.ppf(0.975) * std).mean()
    )
    density = norm.logpdf(targets, predicted, std) - np.log(surrogate.spread)
    assert found.log_density == pytest.approx(density.mean())


def synthetic(count, seed, noise=0.3):
    """Errors whose logit depends on the first coordinate of group "b", with noise."""
    rng = np.random.default_rng(seed)
    values, active = rng.random((count, 6)), np.ones((count, 6), dtype=bool)
    latent = -2 + 3 * np.sin(2 * values[:, 2]) + 1.5 * values[:, 3]
    return values, active, expit(latent + noise * rng.standard_normal(count)), expit(latent)


def test_fit_learns_what_matters_and_how_noisy_it_is():
    """The group that decides gets the largest radius; noise is found within a factor 2."""
    values, active, errors, _ = synthetic(150, 0)
    surrogate = Surrogate.fit(Observations.measured(values, active, errors), GROUPS)
    radii = surrogate.hyperparameters.radii()
    assert max(radii, key=radii.get) == "b"
    noise = surrogate.spread * np.sqrt(surrogate.hyperparameters.noise)
    assert 0.15 < noise < 0.6
    new_values, new_active, _, true_errors = synthetic(200, 1)
    median = surrogate.posterior(new_values, new_active).median
    assert spearmanr(median, true_errors)[0] > 0.97
    assert surrogate.leave_one_out().skill > 0.7
    assert 0.88 <= surrogate.leave_one_out().coverage <= 1


def test_fit_is_deterministic():
    """The same evaluations give the same hyper-parameters, whatever torch's generator holds."""
    values, active, errors, _ = synthetic(20, 2)
    torch.manual_seed(0)
    one = Surrogate.fit(Observations.measured(values, active, errors), GROUPS)
    torch.manual_seed(1)
    torch.rand(3)
    two = Surrogate.fit(Observations.measured(values, active, errors), GROUPS)
    assert one.hyperparameters.radii() == two.hyperparameters.radii()
    assert torch.equal(one.cholesky, two.cholesky)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_few_evaluations_are_no_problem(count):
    """From none on, predictions are finite; below three the prior's hyper-parameters stay."""
    values, active, errors, _ = synthetic(count, 3)
    surrogate = Surrogate.fit(Observations.measured(values, active, errors), GROUPS)
    new = points(50, 6)
    median, half_width = surrogate.posterior(*new).median, surrogate.posterior(*new).half_width
    sample = surrogate.sample(*new, np.random.default_rng(0))
    for values_found in (median, half_width, sample):
        assert np.isfinite(values_found).all()
        assert ((values_found > 0) & (values_found < 1)).all()
    prior = Hyperparameters.prior(GROUPS)
    assert (surrogate.hyperparameters.radii() == prior.radii()) == (count < 3)
    if count < 3:
        with pytest.raises(ValueError, match="at least 3"):
            surrogate.leave_one_out()


@pytest.mark.parametrize("errors", [[0.0] * 8, [1.0] * 8, [0.0, 1.0] * 4, [0.02] * 8])
def test_degenerate_errors_are_no_problem(errors):
    """Errors of 0 and 1, all equal errors and copies of one point can be learned from."""
    values, active, _, _ = synthetic(4, 4)
    values, active = np.vstack((values, values)), np.vstack((active, active))
    surrogate = Surrogate.fit(Observations.measured(values, active, np.array(errors)), GROUPS)
    assert np.isfinite(surrogate.posterior(values, active).median).all()
    assert np.isfinite(surrogate.leave_one_out().log_density)


def test_many_evaluations_are_all_used():
    """Hyper-parameters may come from a part of the evaluations; the errors of all count."""
    values, active, errors, _ = synthetic(340, 5)
    surrogate = Surrogate.fit(
        Observations.measured(values, active, errors), GROUPS, max_iterations=3
    )
    assert len(surrogate.targets) == 340
