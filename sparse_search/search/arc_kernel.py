"""The arc kernel: a covariance over points of which some coordinates may not exist.

Notation:
    x_i, δ_i   value in [0, 1] of coordinate i, and whether it exists (1 or 0)
    ρ          angle in (0, 1): how much a change of value matters beside existence; shared
    ω_g        radius of group g of coordinates: how much the group matters
    d_g        number of coordinates in group g
    z          [2d] embedding: (ω_g / √d_g) δ_i (sin πρx_i, cos πρx_i) for each coordinate

Each existing coordinate becomes a point on an arc around the origin, each other one the origin
itself (Swersky et al. 2014, arXiv:1409.4011, equation 3). So two points that both lack a
coordinate agree in it, and every value of it is equally far from its absence. The covariance is
Matérn-5/2 of the Euclidean distance of the embeddings.
"""

from collections.abc import Sequence
from math import log, pi
from typing import cast

import torch
from torch import Tensor

from .gpytorch_pieces import (
    Interval,
    Kernel,
    LogNormalPrior,
    MaternKernel,
    NormalPrior,
    Positive,
)

TYPICAL_RADIUS = 0.6
_RADIUS_LOG_STD = 0.4
_ANGLE_LIMITS = (0.05, 0.95)
_ANGLE_MEAN, _ANGLE_STD = 0.5, 0.2


def log_normal_prior(mode: float, log_std: float) -> LogNormalPrior:
    """A prior on a positive number that is most likely ``mode``."""
    return LogNormalPrior(log(mode) + log_std**2, log_std)


class ArcKernel(Kernel):  # type: ignore[misc]  # gpytorch has no types
    """Arc kernel with one radius for each group of coordinates and a shared angle.

    Inputs are [..., n, 2d]: d values, then d activities (1 or 0).
    """

    def __init__(self, groups: Sequence[str]) -> None:
        """Makes the kernel with its priors; radii and angle start where they are most likely.

        Args:
            groups: Name of the group of each of the d coordinates.
        """
        super().__init__()
        self.group_names = tuple(sorted(set(groups)))
        index = torch.tensor([self.group_names.index(name) for name in groups])
        sizes = torch.bincount(index).to(torch.float64)
        self.register_buffer("group_index", index)
        self.register_buffer("group_scale", sizes.rsqrt()[index])
        self.register_parameter(
            "raw_radius", torch.nn.Parameter(torch.zeros(len(sizes), dtype=torch.float64))
        )
        self.register_constraint("raw_radius", Positive())
        self.register_prior(
            "radius_prior", log_normal_prior(TYPICAL_RADIUS, _RADIUS_LOG_STD), "radius"
        )
        self.register_parameter(
            "raw_angle", torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        )
        self.register_constraint("raw_angle", Interval(*_ANGLE_LIMITS))
        self.register_prior("angle_prior", NormalPrior(_ANGLE_MEAN, _ANGLE_STD), "angle")
        self.radius = TYPICAL_RADIUS
        self.angle = _ANGLE_MEAN
        self.base = MaternKernel(nu=2.5).to(torch.float64)
        self.base.lengthscale = 1.0
        self.base.raw_lengthscale.requires_grad_(False)

    @property
    def radius(self) -> Tensor:
        """Radius ω of each group [groups], in the order of ``group_names``."""
        return cast(Tensor, self.raw_radius_constraint.transform(self.raw_radius))

    @radius.setter
    def radius(self, value: Tensor | float) -> None:
        raw = self.raw_radius_constraint.inverse_transform(
            torch.as_tensor(value, dtype=torch.float64)
        )
        self.initialize(raw_radius=raw.expand_as(self.raw_radius))

    @property
    def angle(self) -> Tensor:
        """The shared angle ρ [1]."""
        return cast(Tensor, self.raw_angle_constraint.transform(self.raw_angle))

    @angle.setter
    def angle(self, value: Tensor | float) -> None:
        raw = self.raw_angle_constraint.inverse_transform(
            torch.as_tensor(value, dtype=torch.float64)
        )
        self.initialize(raw_angle=raw.expand_as(self.raw_angle))

    def embed(self, points: Tensor) -> Tensor:
        """Embedding z [..., n, 2d] of points [..., n, 2d]."""
        values, active = points.tensor_split(2, dim=-1)
        radius = active * self.radius[self.group_index] * self.group_scale
        turn = pi * self.angle * values
        return torch.cat((radius * turn.sin(), radius * turn.cos()), dim=-1)

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **options: object) -> Tensor:
        """Covariance [..., n, m] of two sets of points, or its diagonal."""
        z1, z2 = self.embed(x1), self.embed(x2)
        return cast(Tensor, self.base.forward(z1, z2, diag=diag, **options))
