"""The surrogate: a Gaussian process on the logit of the validation error.

Notation:
    n, m      evaluated points, points to predict
    X, P      [n, 2d], [m, 2d] values and activities of these points
    y         [n] standardised logits of the errors at X
    K         [n, n] covariance of the latent values f at X
    N         [n, n] diagonal: σ², the variance of the noise, plus what an observation is doubted by
    L         [n, n] Cholesky factor of K + N
    μ         constant mean

The logit makes a step from 4 to 2 % as large as one from 2 to 1 %. The noise is learned: two
trainings of one network that differ in nothing but the seed differ in error.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm
from torch import Tensor

from .calibration import Calibration
from .hyperparameters import FEWEST_TO_FIT, MOST_TO_FIT, Hyperparameters
from .observations import Observations

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

ERROR_FLOOR = 1e-3
"""Errors are clipped to [floor, 1 - floor]: the logit of 0 is infinite."""

# Standard deviation of logits where nothing is known, and how many points that guess is worth.
_PRIOR_SPREAD, _PRIOR_POINTS = 1.0, 2
_FIRST_JITTER, _LAST_JITTER = 1e-8, 1e-3


@dataclass(frozen=True, eq=False, slots=True)
class Marginals:
    """Beliefs about the errors of m points, each on its own: their logits are normal.

    Attributes:
        mean: [m] logits.
        std: [m] standard deviations, in logits.
    """

    mean: Floats
    std: Floats

    @property
    def median(self) -> Floats:
        """Median [m] of the error."""
        return np.asarray(expit(self.mean), dtype=np.float64)

    @property
    def half_width(self) -> Floats:
        """Half the width [m] of the error's central 68 % interval."""
        width = expit(self.mean + self.std) - expit(self.mean - self.std)
        return np.asarray(width / 2, dtype=np.float64)

    def cases(self, count: int) -> Floats:
        """Errors [count, m] in equally likely cases, ascending: quantiles of the belief."""
        quantiles = norm.ppf((np.arange(count) + 0.5) / count)
        return np.asarray(expit(self.mean + quantiles[:, None] * self.std), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A Gaussian process that has seen n observations.

    Attributes:
        hyperparameters: Kernel, mean and noise on the standardised scale.
        center: Logit that is 0 on the standardised scale.
        spread: Logits per standardised unit.
        points: X, [n, 2d].
        targets: y, [n].
        noise: Diagonal of N, [n].
        measured: Which observations were measured, [n].
        cholesky: L, [n, n].
    """

    hyperparameters: Hyperparameters
    center: float
    spread: float
    points: Tensor
    targets: Tensor
    noise: Tensor
    measured: Tensor
    cholesky: Tensor

    @staticmethod
    def fit(
        observations: Observations, groups: Sequence[str], *, max_iterations: int = 60
    ) -> "Surrogate":
        """Learns hyper-parameters and errors at once; deterministic.

        Args:
            observations: Of n points of d coordinates.
            groups: Group of each of the d coordinates.
            max_iterations: Of L-BFGS, each about one Cholesky factorization of [n, n].
        """
        start = Hyperparameters.prior(groups)
        learned = learn(start, observations, observations.measured_count, max_iterations)
        return Surrogate.condition(learned, observations)

    @staticmethod
    def condition(hyperparameters: Hyperparameters, observations: Observations) -> "Surrogate":
        """Learns what was observed under given hyper-parameters."""
        points = join(observations.values, observations.active)
        targets, center, spread = _standardise(observations.errors, observations.doubts == 0)
        noise = hyperparameters.noise + torch.from_numpy((observations.doubts / spread) ** 2)
        return Surrogate(
            hyperparameters,
            center,
            spread,
            points,
            targets,
            noise,
            torch.from_numpy(observations.doubts == 0),
            safe_cholesky(hyperparameters.covariance(points, points) + noise.diag()),
        )

    def imagine(self, values: Floats, active: Mask, generator: np.random.Generator) -> "Surrogate":
        """This surrogate, after it has seen errors of q more points that it draws itself.

        A joint draw of what the errors may turn out to be, noise included, becomes observations.
        So candidates that are still being evaluated count: what is chosen next does not expect to
        learn the same again. Over many draws nothing is assumed that is not believed already.

        Args:
            values: [q, d].
            active: [q, d].
            generator: Source of the draw.
        """
        new = join(values, active)
        count = len(new)
        noise = torch.full((count,), self.hyperparameters.noise, dtype=torch.float64)
        drawn = self._draw(new, generator) + noise.sqrt() * _normal(count, generator)
        points, noise = torch.cat((self.points, new)), torch.cat((self.noise, noise))
        covariance = self.hyperparameters.covariance(points, points)
        return replace(
            self,
            points=points,
            targets=torch.cat((self.targets, drawn)),
            noise=noise,
            measured=torch.cat((self.measured, torch.zeros(count, dtype=torch.bool))),
            cholesky=safe_cholesky(covariance + noise.diag()),
        )

    def posterior(self, values: Floats, active: Mask) -> Marginals:
        """What the error without noise is believed to be at points [m, d], each on its own."""
        gp, new = self.hyperparameters, join(values, active)
        cross = gp.covariance(self.points, new)
        half = torch.linalg.solve_triangular(self.cholesky, cross, upper=False)
        mean = gp.mean + cross.T @ self._weights
        variance = (gp.variance(new) - half.square().sum(0)).clamp_min(0.0)
        return Marginals(
            (self.center + self.spread * mean).numpy(), (self.spread * variance.sqrt()).numpy()
        )

    def smoothed(self) -> Floats:
        """Median [n] of what the errors of the observed points are believed to be without noise.

        With w = (K + N)⁻¹ (y - μ) the mean at X is μ + K w, which is y - N w.
        """
        mean = self.targets - self.noise * self._weights
        return np.asarray(expit(self.center + self.spread * mean.numpy()), dtype=np.float64)

    def sample(self, values: Floats, active: Mask, generator: np.random.Generator) -> Floats:
        """One joint draw of the error without noise at all points: a Thompson sample.

        Args:
            values: [m, d] in [0, 1]; the effort is O((n + m)³), meant for m up to 1500.
            active: [m, d].
            generator: Source of the draw.

        Returns:
            Errors [m] in (0, 1).
        """
        draw = self._draw(join(values, active), generator).numpy()
        return np.asarray(expit(self.center + self.spread * draw), dtype=np.float64)

    def leave_one_out(self) -> Calibration:
        """How well each measured error is predicted from everything else.

        Closed form of Rasmussen and Williams 2006, equations 5.10 to 5.12, with the
        hyper-parameters of all.

        Raises:
            ValueError: Fewer than three errors were measured.
        """
        if int(self.measured.sum()) < FEWEST_TO_FIT:
            raise ValueError(
                f"expected at least {FEWEST_TO_FIT} evaluations, got {int(self.measured.sum())}"
            )
        inverse = torch.cholesky_inverse(self.cholesky)
        variance = 1.0 / inverse.diagonal()
        residual = (inverse @ (self.targets - self.hyperparameters.mean)) * variance
        keep = self.measured
        return Calibration.of(
            self.targets[keep].numpy(),
            (self.targets - residual)[keep].numpy(),
            variance[keep].sqrt().numpy(),
            self.spread,
        )

    @cached_property
    def _weights(self) -> Tensor:
        """(K + N)⁻¹ (y - μ), [n]."""
        wrong = self.targets - self.hyperparameters.mean
        return torch.cholesky_solve(wrong[:, None], self.cholesky)[:, 0]

    def _draw(self, new: Tensor, generator: np.random.Generator) -> Tensor:
        """A joint draw [m] of the standardised logit at new points, by pathwise conditioning.

        Matheron's rule (Wilson et al. 2020, arXiv:2002.09309, equation 9): a draw f from the prior
        at X and P, moved by what it gets wrong at X,

            f(P) + K(P, X) (K + N)⁻¹ (y - f(X) - ε),  ε ~ N(0, N),

        is a draw from the posterior. The prior is drawn exactly, jointly at all points.
        """
        gp, count = self.hyperparameters, len(self.points)
        points = torch.cat((self.points, new))
        covariance = gp.covariance(points, points)
        prior = gp.mean + safe_cholesky(covariance) @ _normal(len(points), generator)
        noise = self.noise.sqrt() * _normal(count, generator)
        wrong = self.targets - prior[:count] - noise
        weights = torch.cholesky_solve(wrong[:, None], self.cholesky)[:, 0]
        return prior[count:] + covariance[count:, :count] @ weights


def learn(
    start: Hyperparameters, observations: Observations, count: int, max_iterations: int
) -> Hyperparameters:
    """The most probable hyper-parameters for the first ``count`` observations, all measured.

    Of more than 300, 300 at equal distances in time are looked at; of fewer than three, none.
    """
    if count < FEWEST_TO_FIT:
        return start
    few = np.unique(np.linspace(0, count - 1, MOST_TO_FIT).round().astype(int))
    targets, _, _ = _standardise(observations.errors[:count], np.ones(count, dtype=np.bool_))
    points = join(observations.values[few], observations.active[few])
    return start.fit(points, targets[few], max_iterations)


def join(values: Floats, active: Mask) -> Tensor:
    """Points [n, 2d] as the kernel reads them."""
    both = np.concatenate((values, active), axis=1, dtype=np.float64)
    return torch.from_numpy(both)


def safe_cholesky(matrix: Tensor) -> Tensor:
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


def _standardise(errors: Floats, measured: Mask) -> tuple[Tensor, float, float]:
    """Standardised logits [n], and the center and spread that take them back.

    Both come from what was measured. The spread of few points is drawn to a typical one, so that
    equal errors are no division by 0.
    """
    logits = logit(np.clip(errors, ERROR_FLOOR, 1.0 - ERROR_FLOOR))
    known = logits[measured]
    center = float(known.mean()) if len(known) else 0.0
    squares = float(((known - center) ** 2).sum()) + _PRIOR_POINTS * _PRIOR_SPREAD**2
    spread = float(np.sqrt(squares / (len(known) + _PRIOR_POINTS)))
    return torch.from_numpy((logits - center) / spread), center, spread


def _normal(count: int, generator: np.random.Generator) -> Tensor:
    return torch.from_numpy(generator.standard_normal(count))
