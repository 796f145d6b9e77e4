"""Gradual unstructured pruning: what methods share that mask more and more weights for good."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

import torch

from sparse_search.dataset import Dataset
from sparse_search.network import Network
from sparse_search.training import Criterion, TrainingConfig, train

from .schedule import Ramp

_INTERVAL_STEPS = 8

UpdateMasks: TypeAlias = Callable[[Network, Mapping[str, float], float], None]
"""Masks fractions of the weights: those of operators with a sparsity of their own, and that of all
others. Masks only grow."""


def prune_gradually(
    network: Network,
    own: Mapping[str, float],
    sparsity: float,
    update: UpdateMasks,
    dataset: Dataset,
    config: TrainingConfig,
    generator: torch.Generator,
    criterion: Criterion | None,
) -> Network:
    """A copy that is fine-tuned while its sparsity rises as in ``schedule``.

    Args:
        network: Not changed.
        own: Final sparsity of operators that have their own, by name.
        sparsity: Final sparsity of all others.
        update: Called every few steps.
        dataset: What is learned from.
        config: Of the fine-tuning.
        generator: Of its randomness.
        criterion: What is minimised; None for the cross-entropy.
    """
    pruned = network.copy()
    ramp = Ramp(own, sparsity, _INTERVAL_STEPS, partial(update, pruned))
    train(pruned, dataset, config, generator, after_step=ramp, criterion=criterion)
    update(pruned, own, sparsity)  # Changes nothing unless there was no step.
    return pruned
