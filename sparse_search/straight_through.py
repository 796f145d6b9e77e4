"""Integer arithmetic on float tensors with the gradients of real arithmetic.

Tensors hold whole numbers, an int8 tensor minus its zero point. Every rounding has the gradient of
the identity, and what a clamp changed has none (straight-through estimator, arXiv:1308.3432).
"""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .integer import ConcatInput, TensorQuantization


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, smooth: Tensor, exact: Tensor) -> Tensor:
        return exact.clone(memory_format=torch.preserve_format)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, exact: Tensor, lowest: int, highest: int) -> Tensor:
        ctx.save_for_backward((y >= lowest) & (y <= highest))
        return exact.clamp(lowest, highest)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return gradients[0] * ctx.saved_tensors[0], None, None, None


def straight_through(smooth: Tensor, exact: Tensor) -> Tensor:
    """``exact`` with the gradient of ``smooth``."""
    return cast(Tensor, _StraightThrough.apply(smooth, exact))  # type: ignore[no-untyped-call]


def clamp(smooth: Tensor, exact: Tensor, lowest: int, highest: int) -> Tensor:
    """``exact`` in a range, with the gradient of ``smooth`` where that is in the range."""
    return cast(Tensor, _Clamp.apply(smooth, exact, lowest, highest))  # type: ignore[no-untyped-call]


def joined(z: Tensor, source: TensorQuantization, output: TensorQuantization) -> Tensor:
    """A part of a concatenation at the scale of its output."""
    stage = ConcatInput.from_quantizations(source, output)
    # Ranges of the same values have scales in simple ratios, which make halves frequent: only with
    # all bits of the multiplier are they rounded as in integers.
    exact = rescaled(z.double(), np.array([stage.multiplier]), np.array([stage.shift]))
    lowest, highest = -128 - output.zero_point, 127 - output.zero_point
    return clamp(z * (source.scale / output.scale), exact.float(), lowest, highest)


@torch.no_grad()
def rescaled(sums: Tensor, multiplier: NDArray[Any], shift: NDArray[Any]) -> Tensor:
    """``integer.rescale`` of whole numbers [n, c, ...]; multipliers and shifts are [c] or [1]."""
    fraction = np.ldexp(multiplier / 2.0**31, np.maximum(shift, 0))
    right = np.exp2(np.minimum(shift, 0).astype(np.float64))
    first, second = (
        torch.from_numpy(f).to(sums).reshape(-1, *[1] * (sums.dim() - 2)) for f in (fraction, right)
    )
    y = (sums * first).add_(0.5).floor_().mul_(second)
    return y.add_(y.sign().mul_(0.5)).trunc_()
