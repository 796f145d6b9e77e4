"""What the surrogate takes from gpytorch and botorch, imported in one place.

Importing them warns: linear_operator, below both, still compiles with ``torch.jit``. That cannot
be remedied here, so the warning is silenced for the import, and only that one.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="`torch.jit", category=DeprecationWarning)
    from botorch.acquisition.multi_objective.logei import (
        qLogNoisyExpectedHypervolumeImprovement,
    )
    from botorch.exceptions.warnings import OptimizationWarning
    from botorch.models import SingleTaskGP
    from botorch.models.deterministic import GenericDeterministicModel
    from botorch.models.model import ModelList
    from botorch.models.transforms.input import FilterFeatures
    from botorch.optim.fit import fit_gpytorch_mll_scipy
    from botorch.sampling.get_sampler import get_sampler
    from gpytorch.constraints import GreaterThan, Interval, Positive
    from gpytorch.kernels import Kernel, MaternKernel, ScaleKernel
    from gpytorch.likelihoods import GaussianLikelihood
    from gpytorch.means import ConstantMean
    from gpytorch.mlls import ExactMarginalLogLikelihood
    from gpytorch.priors import LogNormalPrior, NormalPrior
    from gpytorch.settings import max_cholesky_size
    from linear_operator.utils.warnings import NumericalWarning

__all__ = [
    "ConstantMean",
    "ExactMarginalLogLikelihood",
    "FilterFeatures",
    "GaussianLikelihood",
    "GenericDeterministicModel",
    "GreaterThan",
    "Interval",
    "Kernel",
    "LogNormalPrior",
    "MaternKernel",
    "ModelList",
    "NormalPrior",
    "NumericalWarning",
    "OptimizationWarning",
    "Positive",
    "ScaleKernel",
    "SingleTaskGP",
    "fit_gpytorch_mll_scipy",
    "get_sampler",
    "max_cholesky_size",
    "qLogNoisyExpectedHypervolumeImprovement",
]
