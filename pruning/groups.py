"""Channel groups: which tensors of a graph must lose the same channels.

Convolutions and fully connected operators define the channels of their output; every other
operator passes channels on, and an addition joins those of its inputs. The groups are the
connected components of "has the same channels as". A group that holds the network's input or
output is frozen.
"""

from dataclasses import dataclass

from scipy.cluster.hierarchy import DisjointSet

from sparse_search.builder import GREY
from sparse_search.graph import Conv2d, Dense, Graph


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Tensors that share one set of channels.

    Attributes:
        tensors: Names, in graph order.
        producers: Names of the operators that define the channels.
        channels: Number of channels.
        frozen: Whether the channels are fixed from outside.
    """

    tensors: tuple[str, ...]
    producers: tuple[str, ...]
    channels: int
    frozen: bool


def channel_groups(graph: Graph) -> tuple[ChannelGroup, ...]:
    """The channel groups of a graph, in the order of their first tensor."""
    order = [t.name for t in graph.tensors]
    sets = DisjointSet(order)
    for operator in graph.operators:
        if not isinstance(operator, Conv2d | Dense):
            for name in operator.inputs:
                sets.merge(name, operator.output)
    outside = {graph.input.name, graph.output.name, GREY}
    groups = []
    for members in sorted(sets.subsets(), key=lambda names: min(map(order.index, names))):
        tensors = tuple(sorted(members, key=order.index))
        producers = tuple(
            op.name
            for op in graph.operators
            if isinstance(op, Conv2d | Dense) and op.output in members
        )
        channels = graph.shape(tensors[0])[2]
        groups.append(ChannelGroup(tensors, producers, channels, bool(outside & members)))
    return tuple(groups)


def kept_channels(channels: int, sparsity: float) -> int:
    """Channels that stay when a fraction ``sparsity`` is removed; never none.

    >>> [kept_channels(8, s) for s in (0.0, 0.25, 0.3, 0.99)]
    [8, 6, 6, 1]
    """
    return max(1, round(channels * (1.0 - sparsity) + 1e-9))
