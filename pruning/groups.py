"""Structured selection: which channels of every tensor stay; ``cut`` removes the others.

Every structured method shares this; methods differ in the choice that they make for each channel
group. A group that a step does not reach is left whole: see ``ChannelGroup.frozen``.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sparse_search.candidate import PruningStep
from sparse_search.errors import ArchitectureError
from sparse_search.graph import Graph, WeightedOperator
from sparse_search.groups import ChannelGroup, channel_groups

Choice = Callable[[ChannelGroup, int | None], NDArray[np.int64]]
"""The channels of a group that stay, ascending and at least one, given how many; None where a
threshold decides."""


def kept_channels(channels: int, sparsity: float) -> int:
    """Channels that stay when a fraction ``sparsity`` is removed; never none.

    >>> [kept_channels(8, s) for s in (0.0, 0.25, 0.3, 0.99)]
    [8, 6, 6, 1]
    """
    return max(1, round(channels * (1.0 - sparsity) + 1e-9))


def exceptions(graph: Graph, step: PruningStep) -> dict[str, float]:
    """The fractions of operators that lose another fraction than the rest, by operator name.

    Raises:
        ArchitectureError: An operator is not in the graph, or has no weights.
    """
    known = {op.name for op in graph.weighted}
    unknown = [name for name, _ in step.layers if name not in known]
    if unknown:
        raise ArchitectureError(
            f"{step.method}: expected exceptions among {', '.join(sorted(known))}, "
            f"got {', '.join(unknown)}; name operators of this network that have weights"
        )
    return dict(step.layers)


def written_by(graph: Graph, group: ChannelGroup) -> tuple[WeightedOperator, ...]:
    """The weighted operators that write a tensor of the group, in execution order."""
    return tuple(op for op in graph.weighted if op.output in group.tensors)


def predict_channels(graph: Graph, step: PruningStep) -> Graph:
    """The graph with as few channels as a step will leave; with a threshold, at most as many."""

    def first(group: ChannelGroup, count: int | None) -> NDArray[np.int64]:
        return np.arange(group.channels if count is None else count)

    kept = keep(graph, step, first)
    return graph.with_channels({tensor: len(channels) for tensor, channels in kept.items()})


def most_salient(saliency: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The ``count`` channels of largest saliency [channels], ascending."""
    return np.sort(np.argsort(-saliency, kind="stable")[:count])


def keep(graph: Graph, step: PruningStep, choose: Choice) -> dict[str, NDArray[np.int64]]:
    """The channels of each tensor that stay, ascending.

    A group loses the fraction of the step, or that of the operators of the group which are
    exceptions: the largest of them where there are several. Frozen groups lose nothing. Of a
    concatenation, the positions of the channels stay that its inputs keep.

    Args:
        graph: Before pruning.
        step: What to remove.
        choose: What stays of a group.
    """
    own = exceptions(graph, step)
    fractions = {op.output: own[op.name] for op in graph.weighted if op.name in own}
    kept: dict[str, NDArray[np.int64]] = {}
    for group in channel_groups(graph):
        if group.frozen:
            channels = np.arange(group.channels)
        elif group.parts:
            channels = _positions(graph, group.parts, kept)
        else:
            own_fractions = [fractions[tensor] for tensor in group.tensors if tensor in fractions]
            sparsity = max(own_fractions, default=step.sparsity)
            learned = step.threshold is not None and not own_fractions
            count = None if learned else kept_channels(group.channels, sparsity)
            channels = choose(group, count)
        kept.update(dict.fromkeys(group.tensors, channels))
    return kept


def _positions(
    graph: Graph, parts: tuple[str, ...], kept: dict[str, NDArray[np.int64]]
) -> NDArray[np.int64]:
    """Where the kept channels of tensors lie in their concatenation."""
    found, start = [], 0
    for name in parts:
        height, width, channels = graph.shape(name)
        pixels = start + channels * np.arange(height * width)
        found.append((pixels[:, None] + kept[name]).ravel())
        start += height * width * channels
    return np.concatenate(found)
