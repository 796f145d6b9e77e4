"""The surrogate's covariance: an arc kernel, and a linear trend in the network's summary.

The trend says that, say, an error falls with the logarithm of the multiply-accumulates, by an
amount that is not known beforehand: k(x, y) = s² Σ (x_i - ½)(y_i - ½) over the summary's
coordinates is the covariance of a linear function whose slopes are independent with standard
deviation s. With a handful of points it predicts networks of other sizes, which the arc kernel,
being stationary, cannot.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from .arc_kernel import ArcKernel, log_normal_prior
from .gpytorch_pieces import Kernel, ScaleKernel

TREND_PREFIX = "network."
"""Coordinates of groups whose name begins so have a trend."""

TYPICAL_SCALE = 1.0
_SCALE_LOG_STD = 0.5
_SLOPE_STD = 3.0
"""Standardised units of the target from one end of a coordinate to the other."""


class SurrogateKernel(Kernel):  # type: ignore[misc]  # gpytorch has no types
    """Sum of a scaled ``ArcKernel`` and a trend, of points [..., n, 2d]."""

    def __init__(self, groups: Sequence[str]) -> None:
        """Makes the kernel with its priors; parameters start where they are most likely.

        Args:
            groups: Name of the group of each of the d coordinates.
        """
        super().__init__()
        prior = log_normal_prior(TYPICAL_SCALE, _SCALE_LOG_STD)
        self.arc = ScaleKernel(ArcKernel(groups), outputscale_prior=prior).to(torch.float64)
        self.arc.outputscale = TYPICAL_SCALE
        columns = [i for i, group in enumerate(groups) if group.startswith(TREND_PREFIX)]
        self.register_buffer("trend_columns", torch.tensor(columns, dtype=torch.long))

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **options: object) -> Tensor:
        """Covariance [..., n, m] of two sets of points, or its diagonal."""
        covariance = self.arc.forward(x1, x2, diag=diag, **options)
        if len(self.trend_columns):
            a, b = self._trend(x1), self._trend(x2)
            covariance = covariance + ((a * b).sum(-1) if diag else a @ b.mT)
        return cast(Tensor, covariance)

    def _trend(self, points: Tensor) -> Tensor:
        return _SLOPE_STD * (points[..., self.trend_columns] - 0.5)
