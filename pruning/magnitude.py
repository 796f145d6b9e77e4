"""Unstructured pruning by magnitude, gradual, over all layers at once.

Notation:

    symbol   meaning                                              source
    s        final sparsity of the weights that may be pruned
    t        progress of the fine-tuning, in [0, 1]
    s_t      s (1 - (1 - t / t_e)^3), sparsity at t               Zhu & Gupta, arXiv:1710.01878
    t_e      progress at which the final sparsity is reached
    score    w_u^2 / sum of w_v^2 over |w_v| >= |w_u| in a layer  LAMP, arXiv:2010.07611

Plain magnitudes cannot be compared between layers with batch norm, whose scale is arbitrary; the
score can, and its largest value in each layer is 1, so that no layer is ever emptied. Depthwise
weights stay: they are few, and storing them sparsely would save no byte.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sparse_search.builder import GREY
from sparse_search.dataset import Dataset
from sparse_search.graph import DepthwiseConv2d, Graph, WeightedOperator
from sparse_search.network import Network, Unit
from sparse_search.training import TrainingConfig, train

_INTERVAL_STEPS = 8
_RAMP_END = 0.7


@dataclass(frozen=True, slots=True)
class MagnitudePruner:
    """Zeroes the weights with the lowest score while the network is fine-tuned."""

    name: str = "magnitude"

    def predict(self, graph: Graph, sparsity: float) -> tuple[Graph, float]:
        """The same graph, and the fraction of all its weights that will be zero."""
        total = sum(graph.weight_count(op) for op in graph.weighted)
        zeros = _pruned_count(
            sum(graph.weight_count(op) for op in graph.weighted if may_be_pruned(op)), sparsity
        )
        return graph, zeros / total

    def prune(
        self,
        network: Network,
        dataset: Dataset,
        sparsity: float,
        config: TrainingConfig,
        generator: torch.Generator,
    ) -> Network:
        """A fine-tuned copy whose masks leave the given fraction of weights at zero."""
        pruned = network.copy()

        def ramp(step: int, total: int) -> None:
            end = max(1, round(_RAMP_END * total))
            if step <= end and (step % _INTERVAL_STEPS == 0 or step == end):
                update_masks(pruned, cubic(sparsity, step / end))

        train(pruned, dataset, config, generator, after_step=ramp)
        update_masks(pruned, sparsity)  # Changes nothing unless there was no step at all.
        pruned.apply_masks()
        return pruned


def may_be_pruned(operator: WeightedOperator) -> bool:
    """Whether zero weights of this operator can save bytes."""
    return not isinstance(operator, DepthwiseConv2d) and operator.name != GREY


def cubic(sparsity: float, progress: float) -> float:
    """Sparsity at a progress in [0, 1].

    >>> [cubic(0.8, p) for p in (0.0, 0.5, 1.0)]
    [0.0, 0.7000000000000001, 0.8]
    """
    return sparsity * (1.0 - (1.0 - progress) ** 3)


def _pruned_count(weights: int, sparsity: float) -> int:
    return round(weights * sparsity)


def lamp_scores(weight: Tensor) -> Tensor:
    """Score of every weight, in (0, 1], of the same shape; zero weights score 0."""
    squares = weight.detach().double().square().flatten()
    order = torch.argsort(squares, stable=True)
    ascending = squares[order]
    # Sum over itself and everything larger.
    tail = ascending.flip(0).cumsum(0).flip(0)
    scores = torch.empty_like(squares)
    scores[order] = ascending / tail.clamp_min(torch.finfo(torch.float64).tiny)
    return scores.reshape(weight.shape)


@torch.no_grad()
def update_masks(network: Network, sparsity: float) -> None:
    """Masks exactly the given fraction of the prunable weights, those of lowest score.

    Pruned weights are zero and score 0, so masks only grow. At least one weight of each layer
    stays.
    """
    units: list[Unit] = [unit for op, unit in network if may_be_pruned(op)]
    if not units:
        return
    scores = [lamp_scores(unit.weight) for unit in units]
    flat = torch.cat([score.flatten() for score in scores])
    count = min(_pruned_count(len(flat), sparsity), len(flat) - len(units))
    keep = torch.ones(len(flat))
    keep[torch.argsort(flat, stable=True)[:count]] = 0.0
    start = 0
    for unit, score in zip(units, scores, strict=True):
        mask = keep[start : start + score.numel()].reshape(unit.weight.shape)
        start += score.numel()
        unit.mask = mask.contiguous() if bool((mask == 0).any()) else None
