"""Which operators of a network may have a sparsity of their own, under which pruning method."""

from collections.abc import Sequence
from dataclasses import replace

from .builder import is_compressible
from .candidate import PruningStep
from .graph import Graph
from .groups import channel_groups

STRUCTURED = frozenset({"channels", "taylor", "bayesian"})
"""The methods that remove whole channels; one operator stands for a group of channels."""


def sparsity_targets(graph: Graph, method: str) -> tuple[str, ...]:
    """Operators that a pruning step of this method may name, in execution order.

    Convolutions and fully connected operators; not the grey transform, and not depthwise
    convolutions, which have no channels of their own and few weights. Where operators must lose
    the same channels, because their outputs are added, the first one stands for all.
    """
    if method in STRUCTURED:
        groups = channel_groups(graph)
        return tuple(g.producers[0] for g in groups if g.producers and not g.frozen)
    return tuple(op.name for op in graph.operators if is_compressible(op))


def keep_targets(pruning: Sequence[PruningStep], graph: Graph) -> tuple[PruningStep, ...]:
    """The same steps without sparsities of operators that the graph does not have."""
    steps = []
    for step in pruning:
        known = sparsity_targets(graph, step.method) if step.layers else ()
        layers = tuple((name, fraction) for name, fraction in step.layers if name in known)
        if step.sparsity > 0 or step.threshold is not None or layers:
            steps.append(step if layers == step.layers else replace(step, layers=layers))
    return tuple(steps)
