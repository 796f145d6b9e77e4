"""Unstructured selection: how many weights of which layer go, and which, from any score.

Every unstructured method shares this, so that all of them leave exactly the number of zeros that
was asked for, keep the masks that a network already has, and never empty a layer. Methods differ
in the score of a weight only.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sparse_search.builder import is_compressible
from sparse_search.candidate import PruningStep
from sparse_search.graph import Graph
from sparse_search.network import Network, Unit

from .groups import exceptions


def prunable(network: Network) -> dict[str, Unit]:
    """The operators whose weights may go, by name, in execution order."""
    return {op.name: unit for op, unit in network if is_compressible(op)}


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


def predict_shared(graph: Graph, step: PruningStep) -> dict[str, float]:
    """Fractions of zeros, by operator name, where layers share one number of zeros.

    It is exact for exceptions. The zeros that the others share are known in number, which the sum
    of the predictions keeps, and taken to be spread evenly.
    """
    counts = {op.name: graph.weight_count(op) for op in graph.weighted if is_compressible(op)}
    zeros = zero_counts(counts, exceptions(graph, step), step.sparsity)
    shared = [name for name in counts if name not in zeros.own]
    ends = np.cumsum([0, *(counts[name] for name in shared)])
    even = np.diff(np.rint(zeros.shared * ends / max(1, ends[-1]))).tolist()
    predicted = {**zeros.own, **dict(zip(shared, even, strict=True))}
    return {name: count / counts[name] for name, count in predicted.items()}


@torch.no_grad()
def lowest_masked(
    units: Mapping[str, Unit],
    scores: Mapping[str, Tensor],
    own: Mapping[str, float],
    sparsity: float,
) -> dict[str, Tensor | None]:
    """Masks of exactly the given fractions of the weights, those of lowest score.

    The best weight of each layer stays, whatever its score. What is masked already stays masked,
    and counts.

    Args:
        units: Of the operators whose weights may go, by name.
        scores: Like the weights, by operator name; of any range.
        own: Sparsity of operators that have their own, by name.
        sparsity: Of all other operators together.

    Returns:
        A mask like the weight by operator name; None where nothing is masked.
    """
    zeros = zero_counts({n: u.weight.numel() for n, u in units.items()}, own, sparsity)
    masks: dict[str, Tensor | None] = {}
    for name, count in zeros.own.items():
        masks |= _mask_lowest({name: units[name]}, scores, count)
    rest = {name: unit for name, unit in units.items() if name not in zeros.own}
    return {**masks, **_mask_lowest(rest, scores, zeros.shared)}


def _mask_lowest(
    units: Mapping[str, Unit], scores: Mapping[str, Tensor], count: int
) -> dict[str, Tensor | None]:
    """Masks the ``count`` weights of lowest score of all units together."""
    if not units:
        return {}
    ranks = torch.cat([_rank(unit, scores[name]) for name, unit in units.items()])
    count = max(count, int((ranks == -torch.inf).sum()))
    keep = torch.ones(len(ranks), device=ranks.device)
    keep[torch.argsort(ranks, stable=True)[:count]] = 0.0
    parts = torch.split(keep, [unit.weight.numel() for unit in units.values()])
    masks = [p.reshape(u.weight.shape) for p, u in zip(parts, units.values(), strict=True)]
    return {
        name: mask.clone() if bool((mask == 0).any()) else None
        for name, mask in zip(units, masks, strict=True)
    }


def _rank(unit: Unit, score: Tensor) -> Tensor:
    """Scores [weights], of masked weights -inf and of the best one inf."""
    rank = score.detach().double().flatten()
    if unit.mask is not None:
        rank = rank.masked_fill(unit.mask.flatten() == 0, -torch.inf)
    return rank.index_fill(0, rank.argmax(), torch.inf)


@torch.no_grad()
def above_masked(
    units: Mapping[str, Unit], values: Mapping[str, Tensor], threshold: float
) -> dict[str, Tensor | None]:
    """Masks of every weight whose value is above the threshold; each layer keeps its lowest.

    Args:
        units: Of the operators whose weights may go, by name.
        values: Like the weights, by operator name.
        threshold: What is above goes.
    """
    masks: dict[str, Tensor | None] = {}
    for name, unit in units.items():
        rank = _rank(unit, -values[name])
        mask = (rank >= -threshold).to(unit.weight.dtype).reshape(unit.weight.shape)
        masks[name] = mask if bool((mask == 0).any()) else None
    return masks


def set_masks(network: Network, masks: Mapping[str, Tensor | None]) -> None:
    """Replaces masks by operator name, and sets what they mask to zero."""
    for name, mask in masks.items():
        network.unit(name).mask = mask
    network.apply_masks()
