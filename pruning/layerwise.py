"""Unstructured pruning by magnitude, gradual, with the same fraction in every layer.

Within a layer the weights of least magnitude go (Zhu & Gupta, arXiv:1710.01878); the sparsity
rises as in ``schedule``. No layer is favoured, so the zeros of each are known beforehand, and with
them the bytes, exactly. ``magnitude`` lets layers compete, which mostly costs less accuracy.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from sparse_search.builder import is_compressible
from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset
from sparse_search.graph import Graph
from sparse_search.network import Network
from sparse_search.training import Criterion, TrainingConfig

from .gradual import prune_gradually
from .groups import exceptions
from .selection import lowest_masked, prunable, set_masks, zero_counts
from .steps import require_sparsity


@dataclass(frozen=True, slots=True)
class LayerwisePruner:
    """Zeroes the smallest weights of each layer while the network is fine-tuned."""

    name: str = "layerwise"

    def predict(self, graph: Graph, step: PruningStep) -> tuple[Graph, Mapping[str, float]]:
        """The same graph, and the fraction of each operator's weights that will be zero; exact."""
        require_sparsity(step)
        counts = {op.name: graph.weight_count(op) for op in graph.weighted if is_compressible(op)}
        zeros = zero_counts(counts, _fractions(graph, step), 0.0).own
        return graph, {name: zeros[name] / counts[name] for name in counts}

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
        """A fine-tuned copy whose masks leave the asked fraction of each layer at zero."""
        require_sparsity(step)
        return prune_gradually(
            *(network, _fractions(network.graph, step), 0.0, _mask_smallest),
            *(dataset, config, generator, criterion),
        )


def _mask_smallest(network: Network, own: Mapping[str, float], sparsity: float) -> None:
    units = prunable(network)
    scores = {name: unit.weight.abs() for name, unit in units.items()}
    set_masks(network, lowest_masked(units, scores, own, sparsity))


def _fractions(graph: Graph, step: PruningStep) -> dict[str, float]:
    """Sparsity of every operator whose weights may go, by name."""
    own = exceptions(graph, step)
    return {
        op.name: own.get(op.name, step.sparsity) for op in graph.weighted if is_compressible(op)
    }
