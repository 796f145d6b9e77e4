"""The surrogate: a Gaussian process on the logit of the validation error.

Notation:
    n, m      evaluated points, points to predict
    X         [n, 2d] values and activities of the evaluated points
    y         [n] standardised logits of their errors
    K         [n, n] covariance of the latent values at X; σ² is the variance of the noise
    L         [n, n] Cholesky factor of K + σ²I
    μ         constant mean

The logit makes a step from 4 to 2 % as large as one from 2 to 1 %. The noise is learned: two
trainings of one network that differ in nothing but the seed differ in error. Hyper-parameters are
the most probable ones (MAP) under priors that suit a handful of points as well as some hundred.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm, spearmanr
from torch import Tensor

from .hyperparameters import FEWEST_TO_FIT, MOST_TO_FIT, Hyperparameters

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

ERROR_FLOOR = 1e-3
"""Errors are clipped to [floor, 1 - floor]: the logit of 0 is infinite."""

# Standard deviation of logits where nothing is known, and how many points that guess is worth.
_PRIOR_SPREAD, _PRIOR_POINTS = 1.0, 2
_FIRST_JITTER, _LAST_JITTER = 1e-8, 1e-3


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well each evaluation is predicted from all others, on the logit scale.

    Attributes:
        count: Evaluations.
        skill: 1 - (mean squared error) / (that of predicting the mean of the others); 0 is no
            better than the mean, 1 is perfect.
        rank_correlation: Spearman's, of predicted and measured errors; 0 if either is constant.
        coverage: Fraction of measurements inside their central 95 % interval.
        log_density: Mean log predictive density of the measurements.
    """

    count: int
    skill: float
    rank_correlation: float
    coverage: float
    log_density: float


@dataclass(frozen=True)
class Surrogate:
    """A Gaussian process that has seen n evaluations.

    Attributes:
        hyperparameters: Kernel, mean and noise on the standardised scale.
        center: Logit that is 0 on the standardised scale.
        spread: Logits per standardised unit.
        points: X, [n, 2d].
        targets: y, [n].
        cholesky: L, [n, n].
    """

    hyperparameters: Hyperparameters
    center: float
    spread: float
    points: Tensor
    targets: Tensor
    cholesky: Tensor

    @staticmethod
    def fit(
        values: Floats,
        active: Mask,
        errors: Floats,
        groups: Sequence[str],
        *,
        max_iterations: int = 60,
    ) -> "Surrogate":
        """Learns hyper-parameters and errors from evaluations; deterministic.

        Args:
            values: [n, d] in [0, 1].
            active: [n, d].
            errors: [n] fractions in [0, 1].
            groups: Group of each of the d coordinates.
            max_iterations: Of L-BFGS, each about one Cholesky factorization of [n, n].

        Returns:
            The fitted surrogate; with fewer than three evaluations the prior, conditioned. Of
            more than 300 evaluations, 300 at equal distances in time choose the hyper-parameters.
        """
        points, (targets, _, _) = _join(values, active), _standardise(errors)
        hyperparameters = Hyperparameters.prior(groups)
        if len(errors) >= FEWEST_TO_FIT:
            few = np.unique(np.linspace(0, len(errors) - 1, MOST_TO_FIT).round().astype(int))
            hyperparameters = hyperparameters.fit(points[few], targets[few], max_iterations)
        return Surrogate.condition(hyperparameters, values, active, errors)

    @staticmethod
    def condition(
        hyperparameters: Hyperparameters, values: Floats, active: Mask, errors: Floats
    ) -> "Surrogate":
        """Learns errors [n] of points [n, d] under given hyper-parameters."""
        points, (targets, center, spread) = _join(values, active), _standardise(errors)
        covariance = hyperparameters.covariance(points, points)
        noise = hyperparameters.noise * torch.eye(len(points), dtype=torch.float64)
        factor = _safe_cholesky(covariance + noise)
        return Surrogate(hyperparameters, center, spread, points, targets, factor)

    def posterior(self, values: Floats, active: Mask) -> tuple[Floats, Floats]:
        """What the error without noise is believed to be.

        Args:
            values: [m, d] in [0, 1].
            active: [m, d].

        Returns:
            Median [m] of the error, and half the width [m] of its central 68 % interval.
        """
        mean, covariance = self._latent(_join(values, active), joint=False)
        logits = self.center + self.spread * mean.numpy()
        std = self.spread * covariance.clamp_min(0.0).sqrt().numpy()
        return expit(logits), (expit(logits + std) - expit(logits - std)) / 2

    def sample(self, values: Floats, active: Mask, generator: np.random.Generator) -> Floats:
        """One joint draw of the error without noise at all points: a Thompson sample.

        Args:
            values: [m, d] in [0, 1]; the effort is O(m³), meant for m up to 1500.
            active: [m, d].
            generator: Source of the draw.

        Returns:
            Errors [m] in (0, 1).
        """
        mean, covariance = self._latent(_join(values, active), joint=True)
        normal = torch.from_numpy(generator.standard_normal(len(mean)))
        draw = mean + _safe_cholesky(covariance) @ normal
        return np.asarray(expit(self.center + self.spread * draw.numpy()), dtype=np.float64)

    def leave_one_out(self) -> Calibration:
        """Predicts each evaluation from the others, with the hyper-parameters of all.

        Closed form of Rasmussen and Williams 2006, equations 5.10 to 5.12.

        Raises:
            ValueError: There are fewer than three evaluations.
        """
        count = len(self.targets)
        if count < FEWEST_TO_FIT:
            raise ValueError(f"expected at least {FEWEST_TO_FIT} evaluations, got {count}")
        inverse = torch.cholesky_inverse(self.cholesky)
        variance = 1.0 / inverse.diagonal()
        residual = (inverse @ (self.targets - self.hyperparameters.mean)) * variance
        predicted = (self.targets - residual).numpy()
        measured, std = self.targets.numpy(), variance.sqrt().numpy()
        z = residual.numpy() / std
        baseline = (measured - measured.mean()) * count / (count - 1)
        constant = bool(np.ptp(measured) == 0 or np.ptp(predicted) == 0)
        error = float((residual.numpy() ** 2).mean())
        return Calibration(
            count=count,
            skill=1.0 - error / max(float((baseline**2).mean()), 1e-12),
            rank_correlation=0.0 if constant else float(spearmanr(predicted, measured)[0]),
            coverage=float((np.abs(z) <= norm.ppf(0.975)).mean()),
            log_density=float((norm.logpdf(z) - np.log(std * self.spread)).mean()),
        )

    def _latent(self, points: Tensor, *, joint: bool) -> tuple[Tensor, Tensor]:
        """Posterior mean [m] and covariance [m, m], or variances [m], of the standardised logit."""
        gp = self.hyperparameters
        cross = gp.covariance(self.points, points)
        half = torch.linalg.solve_triangular(self.cholesky, cross, upper=False)
        weights = torch.cholesky_solve((self.targets - gp.mean)[:, None], self.cholesky)
        mean = gp.mean + cross.T @ weights[:, 0]
        if joint:
            return mean, gp.covariance(points, points) - half.T @ half
        return mean, gp.variance(points) - half.square().sum(0)


def _join(values: Floats, active: Mask) -> Tensor:
    """Points [n, 2d] as the kernel reads them."""
    both = np.concatenate((values, active), axis=1, dtype=np.float64)
    return torch.from_numpy(both)


def _standardise(errors: Floats) -> tuple[Tensor, float, float]:
    """Standardised logits [n], and the center and spread that take them back.

    The spread of few points is drawn to a typical one, so that equal errors are no division by 0.
    """
    logits = logit(np.clip(errors, ERROR_FLOOR, 1.0 - ERROR_FLOOR))
    center = float(logits.mean()) if len(logits) else 0.0
    squares = float(((logits - center) ** 2).sum()) + _PRIOR_POINTS * _PRIOR_SPREAD**2
    spread = float(np.sqrt(squares / (len(logits) + _PRIOR_POINTS)))
    return torch.from_numpy((logits - center) / spread), center, spread


def _safe_cholesky(matrix: Tensor) -> Tensor:
    """Cholesky factor of a covariance, with as little added to the diagonal as it needs."""
    jitter = 0.0
    while True:
        result = torch.linalg.cholesky_ex(
            matrix + jitter * torch.eye(len(matrix), dtype=matrix.dtype)
        )
        if not int(result.info):
            factor: Tensor = result.L
            return factor
        if jitter >= _LAST_JITTER:
            raise ValueError("expected a covariance matrix, got one that is not positive definite")
        jitter = max(_FIRST_JITTER, 10 * jitter)
