"""Unstructured pruning by magnitude, gradual, over all layers at once.

Notation:

    symbol   meaning                                              source
    s        final sparsity of the weights that may be pruned
    t        progress of the fine-tuning, in [0, 1]
    s_t      s (1 - (1 - t / t_e)^3), sparsity at t               Zhu & Gupta, arXiv:1710.01878
    t_e      progress at which the final sparsity is reached
    score    w_u^2 / sum of w_v^2 over |w_v| >= |w_u| in a layer  LAMP, arXiv:2010.07611

Layers that are exceptions of the step have an s of their own and zeros of their own; the others
share theirs.

Plain magnitudes cannot be compared between layers with batch norm, whose scale is arbitrary; the
score can, and its largest value in each layer is 1, so that no layer is ever emptied. Depthwise
weights stay: they are few, and storing them sparsely would save no byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sparse_search.builder import GREY
from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset
from sparse_search.graph import DepthwiseConv2d, Graph, WeightedOperator
from sparse_search.network import Network, Unit
from sparse_search.training import Criterion, TrainingConfig, train

from .groups import exceptions

_INTERVAL_STEPS = 8
_RAMP_END = 0.7


@dataclass(frozen=True, slots=True)
class MagnitudePruner:
    """Zeroes the weights with the lowest score while the network is fine-tuned."""

    name: str = "magnitude"

    def predict(self, graph: Graph, step: PruningStep) -> tuple[Graph, Mapping[str, float]]:
        """The same graph, and the fraction of each operator's weights that will be zero.

        It is exact for exceptions. The zeros that the others share are known in number, which the
        sum of the predictions keeps, and taken to be spread evenly.
        """
        counts = {op.name: graph.weight_count(op) for op in graph.weighted if may_be_pruned(op)}
        zeros = zero_counts(counts, exceptions(graph, step), step.sparsity)
        shared = [name for name in counts if name not in zeros.own]
        ends = np.cumsum([0, *(counts[name] for name in shared)])
        even = np.diff(np.rint(zeros.shared * ends / max(1, ends[-1]))).tolist()
        predicted = {**zeros.own, **dict(zip(shared, even, strict=True))}
        return graph, {name: count / counts[name] for name, count in predicted.items()}

    def prune(
        self,
        network: Network,
        dataset: Dataset,
        step: PruningStep,
        config: TrainingConfig,
        generator: torch.Generator,
        *,
        criterion: Criterion | None = None,
    ) -> Network:
        """A fine-tuned copy whose masks leave the asked number of weights at zero."""
        own = exceptions(network.graph, step)
        pruned = network.copy()

        def ramp(number: int, total: int) -> None:
            end = max(1, round(_RAMP_END * total))
            if number <= end and (number % _INTERVAL_STEPS == 0 or number == end):
                progress = number / end
                update_masks(
                    pruned,
                    {name: cubic(sparsity, progress) for name, sparsity in own.items()},
                    cubic(step.sparsity, progress),
                )

        train(pruned, dataset, config, generator, after_step=ramp, criterion=criterion)
        update_masks(pruned, own, step.sparsity)  # Changes nothing unless there was no step.
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


@dataclass(frozen=True, slots=True)
class ZeroCounts:
    """Numbers of weights that are zero.

    Attributes:
        own: Of the layers that have their own, by operator name.
        shared: Of all other layers together.
    """

    own: Mapping[str, int]
    shared: int


def zero_counts(counts: Mapping[str, int], own: Mapping[str, float], sparsity: float) -> ZeroCounts:
    """How many weights become zero; at least one of each layer stays.

    Args:
        counts: Weights of each layer that may be pruned, by operator name.
        own: Sparsity of layers that have their own; names of other layers change nothing.
        sparsity: Of all other layers together.

    >>> zero_counts({"a": 10, "b": 90, "c": 10}, {"a": 0.99}, 0.5)
    ZeroCounts(own={'a': 9}, shared=50)
    """
    rest = [count for name, count in counts.items() if name not in own]
    return ZeroCounts(
        {
            name: min(round(count * own[name]), count - 1)
            for name, count in counts.items()
            if name in own
        },
        min(round(sum(rest) * sparsity), sum(rest) - len(rest)),
    )


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
def update_masks(network: Network, own: Mapping[str, float], sparsity: float) -> None:
    """Masks exactly the given fractions of the prunable weights, those of lowest score.

    Pruned weights are zero and score 0, so masks only grow. At least one weight of each layer
    stays.

    Args:
        network: Its masks are replaced.
        own: Sparsity of operators that have their own, by name.
        sparsity: Of all other operators together.
    """
    units = {op.name: unit for op, unit in network if may_be_pruned(op)}
    zeros = zero_counts({n: u.weight.numel() for n, u in units.items()}, own, sparsity)
    for name, count in zeros.own.items():
        _mask_lowest([units.pop(name)], count)
    _mask_lowest(list(units.values()), zeros.shared)


def _mask_lowest(units: list[Unit], count: int) -> None:
    """Masks the ``count`` weights of lowest score of all units together."""
    if not units:
        return
    scores = torch.cat([lamp_scores(unit.weight).flatten() for unit in units])
    keep = torch.ones(len(scores), device=scores.device)
    keep[torch.argsort(scores, stable=True)[:count]] = 0.0
    start = 0
    for unit in units:
        mask = keep[start : start + unit.weight.numel()].reshape(unit.weight.shape)
        start += unit.weight.numel()
        unit.mask = mask.clone() if bool((mask == 0).any()) else None
