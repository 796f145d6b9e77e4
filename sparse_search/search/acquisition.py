"""Log expected hypervolume improvement of a pool of points, by BoTorch.

BoTorch maximises: this module turns objectives around on the way in, and nowhere else.
"""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .gpytorch_pieces import (
    ExactMarginalLogLikelihood,
    FilterFeatures,
    GenericDeterministicModel,
    ModelList,
    NumericalWarning,
    OptimizationWarning,
    SingleTaskGP,
    fit_gpytorch_mll_scipy,
    get_sampler,
    qLogNoisyExpectedHypervolumeImprovement,
)

_FIT_ITERATIONS = 75
_POINTS_AT_ONCE = 100


def log_ehvi(
    *,
    points: tuple[Tensor, Tensor, Tensor],
    exact: tuple[Tensor, Tensor, Tensor],
    measured: Tensor,
    reference: NDArray[np.float64],
    samples: int,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Scores of the points of a pool; larger is better.

    Args:
        points: Encodings [n, d] of what was evaluated, [q, d] of what is pending, [m, d] of the
            pool.
        exact: Objectives that are known beforehand, [n, e], [q, e] and [m, e].
        measured: The other objectives of what was evaluated, [n, k - e].
        reference: [k], the worst values that count; measured objectives first, then exact ones.
        samples: Monte Carlo samples.
        generator: Source of the samples.

    Returns:
        [m], the logarithm of the expected improvement.
    """
    rows = [torch.cat(pair, dim=1) for pair in zip(points, exact, strict=True)]
    width, extra = points[0].shape[1], exact[0].shape[1]
    models = [_fit(rows[0], -measured[:, [k]], width) for k in range(measured.shape[1])]
    if extra:
        models.append(GenericDeterministicModel(lambda x: -x[..., width:], num_outputs=extra))
    model, seed = ModelList(*models), int(generator.integers(2**31))
    # BoTorch draws the seeds of its samplers from the global generator: fork it.
    with torch.random.fork_rng(devices=[]), torch.no_grad(), warnings.catch_warnings():
        # Two points that are almost one make a singular covariance; a little jitter is meant.
        warnings.simplefilter("ignore", NumericalWarning)
        torch.manual_seed(seed)
        posterior = model.posterior(rows[0][:1])
        acquisition = qLogNoisyExpectedHypervolumeImprovement(
            model=model,
            ref_point=torch.from_numpy(-reference),
            X_baseline=rows[0],
            X_pending=rows[1] if len(rows[1]) else None,
            sampler=get_sampler(posterior, torch.Size([samples]), seed=seed),
            prune_baseline=True,
            cache_root=False,
        )
        chunks = torch.split(rows[2], _POINTS_AT_ONCE)
        return torch.cat([acquisition(chunk[:, None]) for chunk in chunks]).numpy()


def _fit(rows: Tensor, target: Tensor, width: int) -> SingleTaskGP:
    """A Gaussian process of one objective on the first ``width`` columns."""
    transform = FilterFeatures(torch.arange(width))
    model = SingleTaskGP(rows, target, input_transform=transform)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizationWarning)
        fit_gpytorch_mll_scipy(
            ExactMarginalLogLikelihood(model.likelihood, model),
            options={"maxiter": _FIT_ITERATIONS},
        )
    return model.eval()
