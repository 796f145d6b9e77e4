"""Hyper-parameters of the surrogate, and which are the most probable ones (MAP).

Priors are strong enough for a handful of points: every group of coordinates matters a little,
the noise is small, the scale is that of standardised targets. With some hundred points the data
decide.
"""

import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from .arc_kernel import log_normal_prior
from .gpytorch_pieces import (
    ConstantMean,
    ExactMarginalLogLikelihood,
    GaussianLikelihood,
    GreaterThan,
    NormalPrior,
    OptimizationWarning,
    SingleTaskGP,
    fit_gpytorch_mll_scipy,
    max_cholesky_size,
)
from .kernel import SurrogateKernel

FEWEST_TO_FIT = 3
"""Points from which hyper-parameters are learned; with fewer the prior decides."""

MOST_TO_FIT = 300
"""Points from which hyper-parameters are learned at most: the effort grows with the cube."""

_TYPICAL_NOISE, _NOISE_LOG_STD = 0.05, 1.0
_NOISE_FLOOR = 1e-4
_MEAN_STD = 0.5


@dataclass(frozen=True)
class Hyperparameters:
    """Of a Gaussian process over points [n, 2d] (values, then activities).

    Attributes:
        kernel: A ``SurrogateKernel``.
        mean: Constant mean.
        noise: Variance of the noise.
    """

    kernel: Any
    mean: float
    noise: float

    @staticmethod
    def prior(groups: Sequence[str]) -> "Hyperparameters":
        """Where the priors are largest, for d coordinates in these groups."""
        kernel = SurrogateKernel(groups).eval().requires_grad_(False)
        return Hyperparameters(kernel, 0.0, _TYPICAL_NOISE)

    def fit(self, points: Tensor, targets: Tensor, max_iterations: int) -> "Hyperparameters":
        """The most probable ones, found by L-BFGS from these; deterministic.

        Args:
            points: [n, 2d].
            targets: [n], standardised.
            max_iterations: Bound of the effort.
        """
        likelihood = GaussianLikelihood(
            noise_prior=log_normal_prior(_TYPICAL_NOISE, _NOISE_LOG_STD),
            noise_constraint=GreaterThan(_NOISE_FLOOR),
        ).to(torch.float64)
        likelihood.noise = torch.tensor([max(self.noise, 2 * _NOISE_FLOOR)], dtype=torch.float64)
        kernel = deepcopy(self.kernel).train()
        kernel.arc.raw_outputscale.requires_grad_(True)
        kernel.arc.base_kernel.raw_radius.requires_grad_(True)
        kernel.arc.base_kernel.raw_angle.requires_grad_(True)
        mean = ConstantMean(constant_prior=NormalPrior(0.0, _MEAN_STD)).to(torch.float64)
        mean.constant = torch.tensor(self.mean, dtype=torch.float64)
        model = SingleTaskGP(
            points,
            targets[:, None],
            likelihood=likelihood,
            covar_module=kernel,
            mean_module=mean,
            outcome_transform=None,
        )
        with warnings.catch_warnings(), max_cholesky_size(len(points) + 1):
            # Stopping at the bound is meant: the last percent of evidence is not worth seconds.
            warnings.simplefilter("ignore", OptimizationWarning)
            fit_gpytorch_mll_scipy(
                ExactMarginalLogLikelihood(likelihood, model), options={"maxiter": max_iterations}
            )
        return Hyperparameters(
            kernel.eval().requires_grad_(False), mean.constant.item(), likelihood.noise.item()
        )

    @torch.no_grad()
    def covariance(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Covariance [n, m] of points [n, 2d] and [m, 2d], without noise."""
        return cast(Tensor, self.kernel.forward(x1, x2))

    @torch.no_grad()
    def variance(self, points: Tensor) -> Tensor:
        """Variance [n] of points [n, 2d], without noise."""
        return cast(Tensor, self.kernel.forward(points, points, diag=True))

    def radii(self) -> dict[str, float]:
        """How much each group of coordinates matters: its radius by name."""
        arc = self.kernel.arc.base_kernel
        return dict(zip(arc.group_names, arc.radius.tolist(), strict=True))
