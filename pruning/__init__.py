"""Pruning: one method per file, all behind the ``Pruner`` protocol.

To add one, copy a file, edit it, and add one line to ``PRUNERS``; the contract test picks it up.
"""

from collections.abc import Mapping
from types import MappingProxyType

import torch

from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset
from sparse_search.errors import PruningError
from sparse_search.evaluation import EvaluationConfig
from sparse_search.interfaces import Pruner
from sparse_search.network import Network
from sparse_search.training import Criterion, TrainingConfig

from .bayesian import BayesianPruner
from .channels import ChannelPruner
from .feedback import FeedbackPruner
from .layerwise import LayerwisePruner
from .magnitude import MagnitudePruner
from .taylor import TaylorPruner
from .variational import VariationalPruner

PRUNERS: tuple[Pruner, ...] = (
    # Structured: whole channels go.
    ChannelPruner(),
    TaylorPruner(),
    BayesianPruner(),
    # Unstructured: single weights go.
    MagnitudePruner(),
    LayerwisePruner(),
    FeedbackPruner(),
    VariationalPruner(),
)

__all__ = ["PRUNERS", "prune"]


def prune(
    network: Network,
    dataset: Dataset,
    method: str | Pruner,
    *,
    sparsity: float = 0.0,
    threshold: float | None = None,
    layers: Mapping[str, float] = MappingProxyType({}),
    config: TrainingConfig | None = None,
    generator: torch.Generator | None = None,
    criterion: Criterion | None = None,
) -> Network:
    """Prunes one trained network, outside of any search.

    Several calls, one after another, combine methods: structured ones first. What is pruned
    already stays pruned.

    Args:
        network: Trained; unchanged.
        dataset: Its training split is learned from.
        method: Name of one of ``PRUNERS``, or a pruner with settings of its own.
        sparsity: Fraction removed, in [0, 1): of the channels of every group, or of the weights.
        threshold: In place of it, for methods that learn how much can go ("bayesian",
            "variational"): what has a larger log alpha goes. Usual are -3 to 0, and 3.
        layers: Fractions of operators that lose another fraction, by name.
        config: Of the fine-tuning, and of the training with noise before it, if the method has
            one; None for what a search does with the models of its front.
        generator: Source of everything random; None for one with seed 0.
        criterion: What fine-tuning minimises; None for the cross-entropy of the labels.

    Returns:
        A smaller network, one with masks, or both.

    Raises:
        PruningError: There is no such method, or it cannot do what is asked.
        ArchitectureError: ``layers`` names an operator that the network lacks.
        TrainingDivergedError: Fine-tuning produced a loss that is not finite.

    >>> from sparse_search import SearchSpace, load_dataset
    >>> from sparse_search.architecture import Architecture, Conv2D, ConvBlock
    >>> from sparse_search.training import train
    >>> data, seed = load_dataset("digits"), torch.Generator().manual_seed(0)
    >>> space = SearchSpace(data.input_shape, data.class_count)
    >>> network = Network(space.build(Architecture((ConvBlock((Conv2D(8, 3, 2),)),))), seed)
    >>> brief = TrainingConfig(epochs=2, batch_size=64)
    >>> result = train(network, data, brief, seed)
    >>> smaller = prune(network, data, "channels", sparsity=0.5, config=brief)
    >>> smaller.graph.shape("conv1"), network.graph.shape("conv1")
    ((4, 4, 4), (4, 4, 8))
    >>> sparse = prune(smaller, data, "magnitude", sparsity=0.75, config=brief)
    >>> sum(unit.weight.numel() for _, unit in sparse)
    676
    >>> sum(int((unit.weight != 0).sum()) for _, unit in sparse)
    169
    """
    if isinstance(method, str):
        by_name = {pruner.name: pruner for pruner in PRUNERS}
        if method not in by_name:
            raise PruningError(
                f"expected a pruning method among {', '.join(by_name)}, got {method!r}"
            )
        method = by_name[method]
    if config is None:
        defaults = EvaluationConfig.for_dataset(dataset)
        rate = defaults.training.learning_rate * defaults.fine_tuning_rate
        config = defaults.training.with_epochs(defaults.final_fine_tuning_epochs)
        config = config.with_learning_rate(rate)
    step = PruningStep(method.name, sparsity, tuple(sorted(layers.items())), threshold)
    generator = generator or torch.Generator().manual_seed(0)
    return method.prune(network, dataset, step, config, generator, criterion=criterion)
