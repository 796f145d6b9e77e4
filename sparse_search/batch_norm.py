"""Batch norm with what follows it, ReLU and max pooling, fast for few channels and large maps.

Feature maps lie in memory as (image, row, column, channel). On a map of less than eight channels
torch works with vectors that are mostly empty. Such a map is read here as long rows that repeat the
channels many times, so that every operation is one pass over memory at full width: a training with
three channels takes a third of the time, with six two thirds. Small networks have few channels
exactly where their maps are large.

Notation, for one channel of m values:

    x      input                         mean, var   of x over batch and positions
    r      1 / sqrt(var + eps)           w, b        scale and shift that are learned
    a      w r                           y           a x + b - a mean, before the ReLU
    g      gradient of the loss by y     dw, db      gradients by w and b

    db = sum(g)     dw = r sum(g (x - mean))     dx = a (g - db / m - r dw (x - mean) / m)

Where a max pooling follows, g is 0 but for the largest number of each window, or the smallest where
w < 0. So the window is looked for in x, and all but the statistics and dx happens on the small map:
a training whose time goes into its pooled maps takes three quarters.
"""

from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

_FEW_CHANNELS = 8
_MANY_NUMBERS = 50_000
_ROW = 256

Norm = nn.BatchNorm1d | nn.BatchNorm2d
Window: TypeAlias = tuple[int, int]
"""Height and width."""


def batch_norm(x: Tensor, norm: Norm, relu: bool, window: Window | None = None) -> Tensor:
    """What calling the module does, then ReLU and max pooling if asked for.

    Args:
        x: [n, c, h, w] or [n, c]; not needed by anything else afterwards.
        norm: Its running statistics change in training. Its momentum is not None.
        relu: Whether negative results become 0.
        window: Of the pooling, which is its stride, too; None for none.
    """
    in_training_on_cpu = norm.training and x.device.type == "cpu"
    if window is not None:
        if in_training_on_cpu:
            return batch_norm_pooled(x, norm, relu, window)
        return functional.max_pool2d(batch_norm(x, norm, relu), window)
    few = x.dim() == 4 and x.shape[1] < _FEW_CHANNELS and x.numel() >= _MANY_NUMBERS
    if few and in_training_on_cpu:
        return batch_norm_in_rows(x, norm, relu)
    # Calling the module would count batches, which takes as long as the work on a small map.
    y = functional.batch_norm(
        x,
        norm.running_mean,
        norm.running_var,
        norm.weight,
        norm.bias,
        norm.training,
        cast(float, norm.momentum),
        norm.eps,
    )
    return functional.relu_(y) if relu else y


def batch_norm_in_rows(x: Tensor, norm: Norm, relu: bool) -> Tensor:
    """The same in training for maps [n, c, h, w] of any size."""
    result = _BatchNormInRows.apply(  # type: ignore[no-untyped-call]
        x.contiguous(memory_format=torch.channels_last),
        norm.weight,
        norm.bias,
        norm.running_mean,
        norm.running_var,
        norm.momentum,
        norm.eps,
        relu,
    )
    return cast(Tensor, result)


def batch_norm_pooled(x: Tensor, norm: Norm, relu: bool, window: Window) -> Tensor:
    """Batch norm in training, then ReLU if asked for, then max pooling.

    Args:
        x: [n, c, h, w]; not needed by anything else afterwards.
        norm: Its running statistics change. Its momentum is not None.
        relu: Whether negative results become 0.
        window: Of the pooling, which is its stride, too; a rest of the map is dropped.

    Returns:
        [n, c, h // window, w // window].
    """
    result = _BatchNormPooled.apply(  # type: ignore[no-untyped-call]
        x.contiguous(memory_format=torch.channels_last),
        norm.weight,
        norm.bias,
        norm.running_mean,
        norm.running_var,
        norm.momentum,
        norm.eps,
        relu,
        window,
    )
    return cast(Tensor, result)


class _Rows:
    """How a channels-last map is read as rows of t pixels, [m / t, t c]."""

    def __init__(self, x: Tensor) -> None:
        self.channels = x.shape[1]
        self.m = x.numel() // self.channels
        self.t = 1
        while self.t * self.channels < _ROW and self.m % (2 * self.t) == 0:
            self.t *= 2

    def of(self, x: Tensor) -> Tensor:
        return x.as_strided((self.m // self.t, self.t * self.channels), (self.t * self.channels, 1))

    def means(self, *rows: Tensor) -> Tensor:
        """Mean of each channel of each argument, [arguments, c]; products are the fastest sums."""
        weights = rows[0].new_full((1, self.m // self.t), 1.0 / self.m)
        sums = torch.cat([weights @ part for part in rows])
        return sums.view(len(rows), self.t, self.channels).sum(1)

    def mean_and_var(self, x: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
        """Each [c], of rows; ``out`` is like them and is overwritten."""
        mean, square = self.means(x, torch.mul(x, x, out=out)).unbind()
        # Rounding matters only where a channel is practically constant.
        return mean, torch.addcmul(square, mean, mean, value=-1.0).clamp_min_(0.0)

    def row(self, values: Tensor) -> Tensor:
        """[c] as one row [t c]."""
        return values.repeat(self.t)

    def update(
        self, running_mean: Tensor, running_var: Tensor, mean: Tensor, var: Tensor, momentum: float
    ) -> None:
        """The running statistics, by those of a batch."""
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * (self.m / (self.m - 1)), momentum)

    def through_statistics(
        self, x: Tensor, saved: tuple[Tensor, Tensor, Tensor], mean_g: Tensor, mean_dw: Tensor
    ) -> Tensor:
        """The part of dx through mean and variance, all but a g; ``saved`` is a, mean and r."""
        a, mean, r = saved
        slope = -a * r * mean_dw
        shift = -torch.addcmul(a * mean_g, slope, mean)
        dx = torch.empty_like(x)
        torch.addcmul(self.row(shift), self.of(x), self.row(slope), out=self.of(dx))
        return dx


class _BatchNormInRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        momentum: float,
        eps: float,
        relu: bool,
    ) -> Tensor:
        y = torch.empty_like(x)
        rows = _Rows(x)
        x_rows, y_rows = rows.of(x), rows.of(y)
        mean, var = rows.mean_and_var(x_rows, y_rows)
        r = (var + eps).rsqrt_()
        a = weight * r
        shift = torch.addcmul(bias, a, mean, value=-1.0)
        torch.addcmul(rows.row(shift), x_rows, rows.row(a), out=y_rows)
        if relu:
            y_rows.relu_()
        rows.update(running_mean, running_var, mean, var, momentum)
        ctx.save_for_backward(x, y, a, mean, r)
        ctx.relu = relu
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, y, a, mean, r = ctx.saved_tensors
        rows = _Rows(x)
        g = rows.of(gradients[0].contiguous(memory_format=torch.channels_last))
        if ctx.relu:
            g = torch.ops.aten.threshold_backward(g, rows.of(y), 0)
        mean_g, mean_gx = rows.means(g, g * rows.of(x)).unbind()
        mean_dw = torch.addcmul(mean_gx, mean, mean_g, value=-1.0).mul_(r)
        dx = rows.through_statistics(x, (a, mean, r), mean_g, mean_dw)
        rows.of(dx).addcmul_(g, rows.row(a))
        return dx, mean_dw * rows.m, mean_g * rows.m, None, None, None, None, None


class _BatchNormPooled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        momentum: float,
        eps: float,
        relu: bool,
        window: Window,
    ) -> Tensor:
        rows = _Rows(x)
        scratch = torch.empty_like(x)
        mean, var = rows.mean_and_var(rows.of(x), rows.of(scratch))
        r = (var + eps).rsqrt_()
        a = weight * r
        sign = None
        if bool((weight < 0).any()):
            sign = torch.where(weight < 0, -1.0, 1.0)
            torch.mul(rows.of(x), rows.row(sign), out=rows.of(scratch))
        found, places = functional.max_pool2d_with_indices(x if sign is None else scratch, window)
        if sign is not None:
            found *= _per_channel(sign)
        shift = torch.addcmul(bias, a, mean, value=-1.0)
        y = torch.addcmul(_per_channel(shift), found, _per_channel(a))
        if relu:
            y.relu_()
        rows.update(running_mean, running_var, mean, var, momentum)
        ctx.save_for_backward(x, y, found, places, a, mean, r)
        ctx.relu = relu
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, y, found, places, a, mean, r = ctx.saved_tensors
        rows = _Rows(x)
        g = gradients[0]
        if ctx.relu:
            g = torch.ops.aten.threshold_backward(g, y, 0)
        db = g.sum((0, 2, 3))
        dw = torch.addcmul((g * found).sum((0, 2, 3)), mean, db, value=-1.0).mul_(r)
        dx = rows.through_statistics(x, (a, mean, r), db / rows.m, dw / rows.m)
        # In the order of memory, n h w c; windows do not overlap, so no place is there twice.
        n, c, h, w = x.shape
        images = torch.arange(0, n * h * w * c, h * w * c).view(-1, 1, 1, 1)
        at = torch.add(images + torch.arange(c), places.permute(0, 2, 3, 1), alpha=c)
        largest = (g * _per_channel(a)).permute(0, 2, 3, 1)
        dx.permute(0, 2, 3, 1).view(-1).scatter_add_(0, at.flatten(), largest.flatten())
        return dx, dw, db, None, None, None, None, None, None


def _per_channel(values: Tensor) -> Tensor:
    """[c] as [1, c, 1, 1]."""
    return values.view(1, -1, 1, 1)
