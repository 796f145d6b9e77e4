"""What the surrogate takes from gpytorch and botorch, imported in one place.

Importing them warns: linear_operator, below both, still compiles with ``torch.jit``. That cannot
be remedied here, so the warning is silenced for the import, and only that one.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="`torch.jit", category=DeprecationWarning)
    from botorch.exceptions.warnings import OptimizationWarning
    from botorch.models import SingleTaskGP
    from botorch.optim.fit import fit_gpytorch_mll_scipy
    from gpytorch.constraints import GreaterThan, Interval, Positive
    from gpytorch.kernels import Kernel, MaternKernel, ScaleKernel
    from gpytorch.likelihoods import GaussianLikelihood
    from gpytorch.means import ConstantMean
    from gpytorch.mlls import ExactMarginalLogLikelihood
    from gpytorch.priors import LogNormalPrior, NormalPrior
    from gpytorch.settings import max_cholesky_size

__all__ = [
    "ConstantMean",
    "ExactMarginalLogLikelihood",
    "GaussianLikelihood",
    "GreaterThan",
    "Interval",
    "Kernel",
    "LogNormalPrior",
    "MaternKernel",
    "NormalPrior",
    "OptimizationWarning",
    "Positive",
    "ScaleKernel",
    "SingleTaskGP",
    "fit_gpytorch_mll_scipy",
    "max_cholesky_size",
]
