"""Unstructured pruning by magnitude, gradual, over all layers at once.

Notation:

    symbol   meaning                                              source
    score    w_u^2 / sum of w_v^2 over |w_v| >= |w_u| in a layer  LAMP, arXiv:2010.07611

Layers that are exceptions of the step have a sparsity of their own and zeros of their own; the
others share theirs. The sparsity rises as in ``schedule``.

Plain magnitudes cannot be compared between layers with batch norm, whose scale is arbitrary; the
score can, and its largest value in each layer is 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset
from sparse_search.graph import Graph
from sparse_search.network import Network
from sparse_search.training import Criterion, TrainingConfig

from .gradual import prune_gradually
from .groups import exceptions
from .selection import lowest_masked, predict_shared, prunable, set_masks
from .steps import require_sparsity


@dataclass(frozen=True, slots=True)
class MagnitudePruner:
    """Zeroes the weights with the lowest score while the network is fine-tuned."""

    name: str = "magnitude"

    def predict(self, graph: Graph, step: PruningStep) -> tuple[Graph, Mapping[str, float]]:
        """The same graph, and the fraction of each operator's weights that will be zero.

        It is exact for exceptions and for the others together, taken to be spread evenly.
        """
        require_sparsity(step)
        return graph, predict_shared(graph, step)

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
        require_sparsity(step)
        return prune_gradually(
            *(network, exceptions(network.graph, step), step.sparsity, update_masks),
            *(dataset, config, generator, criterion),
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


def update_masks(network: Network, own: Mapping[str, float], sparsity: float) -> None:
    """Masks exactly the given fractions of the prunable weights, those of lowest score.

    Masks only grow. At least one weight of each layer stays.

    Args:
        network: Its masks are replaced, and what they mask is set to zero.
        own: Sparsity of operators that have their own, by name.
        sparsity: Of all other operators together.
    """
    units = prunable(network)
    scores = {name: lamp_scores(unit.weight) for name, unit in units.items()}
    set_masks(network, lowest_masked(units, scores, own, sparsity))
