"""Batch norm in rows is batch norm, and so is that which pools."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from sparse_search.batch_norm import batch_norm, batch_norm_in_rows, batch_norm_pooled

SHAPES = [(16, 3, 28, 28), (128, 6, 14, 14), (5, 7, 3, 9), (3, 1, 2, 1), (64, 12, 7, 7)]


def norms(channels: int, generator: torch.Generator) -> tuple[nn.BatchNorm2d, nn.BatchNorm2d]:
    """Two of equal random parameters, the second one in double precision."""
    one, other = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels).double()
    with torch.no_grad():
        one.weight.copy_(torch.rand(channels, generator=generator) * 2 - 0.5)
        one.bias.copy_(torch.randn(channels, generator=generator))
    other.load_state_dict(one.state_dict())
    return one, other


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_that_of_torch_in_double_precision(shape: tuple[int, ...], relu: bool) -> None:
    """Results, gradients and running statistics, for any number of channels and positions."""
    generator = torch.Generator().manual_seed(0)
    ours, theirs = norms(shape[1], generator)
    x = torch.randn(shape, generator=generator) * 2 + 3
    weights = torch.randn(shape, generator=generator)
    x1, x2 = x.clone().requires_grad_(), x.double().requires_grad_()
    y1, y2 = batch_norm_in_rows(x1, ours, relu), theirs(x2)
    running = [theirs.running_mean.clone(), theirs.running_var.clone()]
    y2 = functional.relu(y2) if relu else y2
    (y1 * weights).sum().backward()
    (y2 * weights.double()).sum().backward()
    assert x1.grad is not None
    assert x2.grad is not None
    # Where the ReLU bends, rounding decides which way the gradient goes.
    clear = (y2.detach().abs() > 1e-3) | (theirs(x2).detach() < -1e-3)
    pairs = [(y1, y2), (x1.grad[clear], x2.grad[clear])]
    pairs += [(a.grad, b.grad) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)]
    pairs += zip([ours.running_mean, ours.running_var], running, strict=True)
    for found, expected in pairs:
        assert found is not None
        assert expected is not None
        atol = 1e-4 * float(expected.detach().abs().max().clamp_min(1e-2))
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=atol)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("window", [(2, 2), (3, 3), (1, 4), (2, 1)])
@pytest.mark.parametrize("shape", [(16, 3, 28, 28), (5, 7, 3, 9), (3, 1, 2, 4), (8, 12, 7, 7)])
def test_pooled_it_is_that_of_torch_in_double_precision(
    shape: tuple[int, ...], window: tuple[int, int], relu: bool
) -> None:
    """Results, gradients, statistics, for scales of either sign and windows that leave a rest."""
    if window[0] > shape[2]:
        window = (1, window[1])
    generator = torch.Generator().manual_seed(2)
    ours, theirs = norms(shape[1], generator)
    x = torch.randn(shape, generator=generator) * 2 + 3
    x1, x2 = x.clone().requires_grad_(), x.double().requires_grad_()
    y1 = batch_norm_pooled(x1, ours, relu, window)
    y2 = functional.max_pool2d(theirs(x2), window)
    y2 = functional.relu(y2) if relu else y2
    assert y1.shape == y2.shape
    # Where the ReLU bends, rounding decides which way the gradient goes.
    weights = torch.randn(y1.shape, generator=generator) * (y2.abs() > 1e-3)
    (y1 * weights).sum().backward()
    (y2 * weights.double()).sum().backward()
    pairs = [(y1, y2), (x1.grad, x2.grad)]
    pairs += [(a.grad, b.grad) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)]
    pairs += [(ours.running_mean, theirs.running_mean), (ours.running_var, theirs.running_var)]
    for found, expected in pairs:
        assert found is not None
        assert expected is not None
        atol = 1e-4 * float(expected.detach().abs().max().clamp_min(1e-2))
        torch.testing.assert_close(found.double(), expected.double(), rtol=1e-4, atol=atol)


def test_equal_numbers_of_a_window_share_no_gradient() -> None:
    """One of them has it all, as in torch: on a dark background most windows are constant."""
    norm = nn.BatchNorm2d(1)
    x = torch.tensor([[1.0, 1.0, 2.0, 0.0], [1.0, 1.0, 2.0, 2.0]]).view(1, 1, 2, 4)
    one, other = (x.clone().requires_grad_() for _ in range(2))
    weights = torch.tensor([1.0, 3.0])
    (batch_norm_pooled(one, norm, False, (2, 2)).flatten() * weights).sum().backward()
    (functional.max_pool2d(norm(other), 2).flatten() * weights).sum().backward()
    assert one.grad is not None
    torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(128, 6, 28, 28), (128, 8, 28, 28), (4, 6, 2, 2), (32, 6)])
@pytest.mark.parametrize("training", [True, False])
def test_whichever_way_is_taken_the_result_is_the_same(
    shape: tuple[int, ...], training: bool
) -> None:
    """Many and few channels, large and small maps, vectors, training and evaluation."""
    generator = torch.Generator().manual_seed(1)
    kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    ours, theirs = (kind(shape[1]).train(training) for _ in range(2))
    x = torch.randn(shape, generator=generator)
    expected = functional.relu(theirs(x))
    torch.testing.assert_close(batch_norm(x.clone(), ours, True), expected)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    if len(shape) == 4:
        pooled = functional.max_pool2d(functional.relu(theirs(x)), 2)
        torch.testing.assert_close(batch_norm(x.clone(), ours, True, (2, 2)), pooled)


def test_a_constant_channel_stays_finite() -> None:
    """Rounding could make its variance negative."""
    norm = nn.BatchNorm2d(2)
    x = torch.full((8, 2, 5, 5), 0.1).requires_grad_()
    y = batch_norm_in_rows(x, norm, relu=False)
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
