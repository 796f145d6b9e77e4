"""The plug points: Morphism, Objective, Pruner, Strategy.

Each has a contract test that runs over a registry (``MORPHISMS``, ``OBJECTIVES``, ``PRUNERS``,
``STRATEGIES``), so that every implementation passes it. An implementation is a small frozen class;
nothing is inherited.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .architecture import Architecture
from .candidate import Candidate, History, PruningStep
from .graph import Graph

if TYPE_CHECKING:
    import torch

    from .dataset import Dataset
    from .memory import MemoryPlan
    from .network import Network
    from .quantized import QuantizedModel
    from .space import SearchSpace
    from .training import Criterion, TrainingConfig


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """Where a morphism applies and what it sets there.

    Attributes:
        block: Index of the block, or -1.
        layer: Index of the layer in its block, or of the hidden layer, or -1.
        value: The new value of what the morphism edits.
    """

    block: int = -1
    layer: int = -1
    value: int | str = 0


class Morphism(Protocol):
    """A family of small edits of an architecture."""

    @property
    def name(self) -> str:
        """Unique name, as stored with a candidate's lineage."""
        ...

    def sites(self, architecture: Architecture, space: "SearchSpace") -> Sequence[Site]:
        """Every place and value to try, within the ranges of the space; cheap.

        An edit may still not fit the input, or spell the same network: ``morph`` tells.
        """
        ...

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """The edited architecture; pure, the argument is unchanged."""
        ...


def morph(
    morphism: Morphism, architecture: Architecture, site: Site, space: "SearchSpace"
) -> Architecture | None:
    """The canonical child of one edit; None if it leaves the space or changes nothing.

    Args:
        morphism: The edit.
        architecture: Canonical; the child of another spelling may be the same network.
        site: One of the morphism's sites in the architecture.
        space: What the child must be a member of.
    """
    child = space.canonical_member(morphism.apply(architecture, site))
    return None if child == architecture else child


class Objective(Protocol):
    """One number to be minimised."""

    @property
    def name(self) -> str:
        """Unique name, with the unit as its last word where there is one."""
        ...

    @property
    def unit(self) -> str:
        """Unit for axes and tables."""
        ...

    def measure(self, model: "QuantizedModel", plan: "MemoryPlan", dataset: "Dataset") -> float:
        """Value of the pruned int8 model. Reads the training and validation splits only."""
        ...

    def predict(self, plan: "MemoryPlan") -> float | None:
        """Value known before training, from the predicted plan; None if it must be measured."""
        ...


class Pruner(Protocol):
    """A pruning method."""

    @property
    def name(self) -> str:
        """Unique name, as stored in ``PruningStep.method``."""
        ...

    def predict(self, graph: Graph, step: PruningStep) -> tuple[Graph, Mapping[str, float]]:
        """What is known before training.

        Returns:
            The graph after pruning (fewer channels or the same), and the fraction of weights
            that will be zero by operator name; 0 where there is none. The number of zeros of the
            whole network is exact, if it has no masks yet. Where the step has a threshold, that
            is known of ``step.layers`` only: nothing else is predicted to go, which is a bound.

        Raises:
            ArchitectureError: ``step.layers`` names an operator that the graph lacks.
            PruningError: A sparsity is out of range, or the method knows no thresholds.
        """
        ...

    def prune(
        self,
        network: "Network",
        dataset: "Dataset",
        step: PruningStep,
        config: "TrainingConfig",
        generator: "torch.Generator",
        *,
        criterion: "Criterion | None" = None,
    ) -> "Network":
        """A pruned, fine-tuned copy: smaller, masked, or both. Masks of the argument are kept.

        Args:
            network: Trained.
            dataset: Its training split is learned from.
            step: What to remove.
            config: Of the fine-tuning, and of whatever the method trains before.
            generator: Source of everything random.
            criterion: What fine-tuning minimises; None for the cross-entropy of the labels.

        Raises:
            ArchitectureError, PruningError: As ``predict`` does.
            TrainingDivergedError: Fine-tuning produced a loss that is not finite.
        """
        ...


class Strategy(Protocol):
    """Decides what is evaluated next."""

    @property
    def name(self) -> str:
        """Name as given on the command line."""
        ...

    def propose(
        self, history: History, candidate_id: int, generator: np.random.Generator
    ) -> Candidate:
        """A candidate that fits the limits and is not in the history.

        The same history, id and generator state give the same candidate.

        Raises:
            InfeasibleError: No new candidate that fits was found with bounded effort; names the
                tightest limit.
        """
        ...
