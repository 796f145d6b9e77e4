"""Integer arithmetic on float tensors with the gradients of real arithmetic.

Tensors hold whole numbers: an int8 tensor minus its zero point. Every rounding has the gradient of
the identity, and what a clamp changed has none (straight-through estimator, arXiv:1308.3432). In
float64 the results are those of ``integer``; in float32 a number within 10^-6 of a half may be
rounded to the other side.
"""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .integer import ADD_LEFT_SHIFT, AddParameters, ConcatInput, TensorQuantization


def straight_through(smooth: Tensor, exact: Tensor) -> Tensor:
    """``exact`` with the gradient of ``smooth``."""
    return cast(Tensor, _StraightThrough.apply(smooth, exact))  # type: ignore[no-untyped-call]


def clamp(smooth: Tensor, exact: Tensor, lowest: int, highest: int) -> Tensor:
    """``exact`` in a range, with the gradient of ``smooth`` where that is in the range."""
    return cast(Tensor, _Clamp.apply(smooth, exact, lowest, highest))  # type: ignore[no-untyped-call]


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


def averaged(mean: Tensor, zero_point: int) -> Tensor:
    """``integer.average_pool2d`` of tensors whose means are given, without the zero point."""
    # Halves away from zero, of the stored numbers.
    stored = mean.detach() + zero_point
    exact = stored.add_(stored.sign().mul_(0.5)).trunc_().sub_(zero_point)
    return straight_through(mean, exact)


def added(
    first: Tensor,
    second: Tensor,
    quantizations: tuple[TensorQuantization, TensorQuantization, TensorQuantization],
    lowest: int,
    highest: int,
) -> Tensor:
    """``integer.add`` of two tensors; quantizations are of both and of the output."""
    source1, source2, output = quantizations
    p = AddParameters.from_scales(
        (source1.scale, source2.scale, output.scale),
        (source1.zero_point, source2.zero_point, output.zero_point),
    )
    with torch.no_grad():
        total = _rescaled_by_one(first * 2.0**ADD_LEFT_SHIFT, p.multiplier1, p.shift1)
        total += _rescaled_by_one(second * 2.0**ADD_LEFT_SHIFT, p.multiplier2, p.shift2)
        exact = _rescaled_by_one(total, p.multiplier_out, p.shift_out)
    smooth = first * (source1.scale / output.scale) + second * (source2.scale / output.scale)
    return clamp(smooth, exact, lowest, highest)


def joined(z: Tensor, source: TensorQuantization, output: TensorQuantization) -> Tensor:
    """One input [n, c] of ``integer.concat`` at the scale of its output."""
    stage = ConcatInput.from_quantizations(source, output)
    # Ranges of the same values have scales in simple ratios, which make halves frequent: they are
    # rounded as in integers only with all bits of the multiplier.
    exact = _rescaled_by_one(z.double(), stage.multiplier, stage.shift).to(z.dtype)
    lowest, highest = -128 - output.zero_point, 127 - output.zero_point
    return clamp(z * (source.scale / output.scale), exact, lowest, highest)


def _rescaled_by_one(sums: Tensor, multiplier: int, shift: int) -> Tensor:
    return rescaled(sums, np.array([multiplier]), np.array([shift]))


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, smooth: Tensor, exact: Tensor) -> Tensor:
        return exact.clone(memory_format=torch.preserve_format)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, smooth: Tensor, exact: Tensor, lowest: int, highest: int) -> Tensor:
        ctx.save_for_backward((smooth >= lowest) & (smooth <= highest))
        return exact.clamp(lowest, highest)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return gradients[0] * ctx.saved_tensors[0], None, None, None
