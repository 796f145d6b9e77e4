"""Dynamic pruning with feedback: a weight that was pruned by mistake comes back.

Notation (Lin et al. 2020, arXiv:2006.07253, algorithm 1):

    symbol   meaning
    w        dense weights, all of which are kept until the end
    m        mask, recomputed from w every 16 steps
    g(m w)   gradient of the loss at the masked weights; it changes all of w

The network computes with m w throughout, but what is masked goes on learning, so that the mask may
let go of it again. Scores are those of ``magnitude``, the sparsity rises as in ``schedule``, and
the mask stays open until the last steps. At the end masked weights are gone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset
from sparse_search.graph import Graph, WeightedOperator
from sparse_search.network import Linear, Network, Unit
from sparse_search.training import Criterion, TrainingConfig, train

from .groups import exceptions
from .magnitude import lamp_scores
from .schedule import Ramp
from .selection import lowest_masked, predict_shared, prunable, set_masks
from .steps import require_sparsity

_INTERVAL_STEPS = 16


@dataclass(frozen=True, slots=True)
class FeedbackPruner:
    """Masks the weights with the lowest score in the forward pass only, while fine-tuning."""

    name: str = "feedback"

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
        own = exceptions(network.graph, step)
        pruned = network.copy()
        masked = MaskedForward()

        def update(own: Mapping[str, float], sparsity: float) -> None:
            units = prunable(pruned)
            scores = {name: lamp_scores(unit.weight) for name, unit in units.items()}
            masked.masks = lowest_masked(units, scores, own, sparsity)

        ramp = Ramp(own, step.sparsity, _INTERVAL_STEPS, update, after=True)
        train(
            pruned, dataset, config, generator, after_step=ramp, criterion=criterion, noise=masked
        )
        if not masked.masks:
            update(own, step.sparsity)
        set_masks(pruned, {n: None if m is None else m.cpu() for n, m in masked.masks.items()})
        return pruned


@dataclass
class MaskedForward:
    """Computes with masked weights and passes their gradient on to the dense ones.

    Attributes:
        masks: By operator name; what has none is not masked.
        learning_rate: Of parameters, which there are none of.
    """

    masks: dict[str, Tensor | None] = field(default_factory=dict)
    learning_rate: float = 0.0

    def parameters(self) -> Iterable[nn.Parameter]:
        """None: the weights themselves learn."""
        return ()

    def sums(self, operator: WeightedOperator, unit: Unit, x: Tensor, linear: Linear) -> Tensor:
        """The sums of the masked weights."""
        weight: Tensor = unit.weight
        mask = self.masks.get(operator.name)
        if mask is not None:
            # The value of m w, the derivative of w.
            weight = weight + (weight * mask - weight).detach()
        return linear(x, weight)

    def output(self, operator: WeightedOperator, y: Tensor) -> Tensor:
        """As it is."""
        return y

    def penalty(self, progress: float) -> Tensor:
        """Nothing."""
        return torch.zeros(())
