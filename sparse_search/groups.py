"""Channel groups: which tensors of a graph have the same channels.

Convolutions and fully connected operators define the channels of their output, and a
concatenation lists those of its inputs. Every other operator passes channels on, and an addition
joins those of its inputs, so that both paths of a residual block are one group. The groups are the
connected components of "has the same channels as".
"""

from dataclasses import dataclass

from .builder import GREY
from .graph import Concat, Conv2d, Dense, Graph


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Tensors that share one set of channels.

    Attributes:
        tensors: Names, in graph order.
        producers: Names of the convolutions and fully connected operators that define the
            channels.
        parts: Names of the tensors that are concatenated to these channels, each flattened in
            (height, width, channel) order; empty where no concatenation makes them.
        channels: Number of channels.
        frozen: Whether the channels are fixed from outside: those of the network's input and
            output, of the conversion of colour to grey, and whatever is added to them.
    """

    tensors: tuple[str, ...]
    producers: tuple[str, ...]
    parts: tuple[str, ...]
    channels: int
    frozen: bool


def channel_groups(graph: Graph) -> tuple[ChannelGroup, ...]:
    """The channel groups of a graph, in the order of their first tensor."""
    label = _labels(graph)
    members: dict[str, list[str]] = {}
    for tensor, name in label.items():
        members.setdefault(name, []).append(tensor)
    makers = {op.output: op for op in graph.operators if isinstance(op, Conv2d | Dense | Concat)}
    frozen = {label[t] for t in (graph.input.name, graph.output.name, GREY) if t in label}
    for operator in reversed(graph.operators):
        if isinstance(operator, Concat):
            name = label[operator.output]
            # What is added to a concatenation would have to follow its inputs.
            if sum(tensor in makers for tensor in members[name]) > 1:
                frozen.add(name)
            if name in frozen:
                frozen.update(label[tensor] for tensor in operator.inputs)
    groups = []
    for name, tensors in members.items():
        made = [makers[t] for t in tensors if t in makers]
        groups.append(
            ChannelGroup(
                tensors=tuple(tensors),
                producers=tuple(op.name for op in made if not isinstance(op, Concat)),
                parts=tuple(t for op in made if isinstance(op, Concat) for t in op.inputs),
                channels=graph.shape(tensors[0])[2],
                frozen=name in frozen,
            )
        )
    return tuple(groups)


def _labels(graph: Graph) -> dict[str, str]:
    """One name for each group, by tensor in graph order."""
    label = {graph.input.name: graph.input.name}
    for operator in graph.operators:
        if isinstance(operator, Conv2d | Dense | Concat):
            label[operator.output] = operator.output
            continue
        joined = {label[tensor] for tensor in operator.inputs}
        name = label[operator.inputs[0]]
        label[operator.output] = name
        if len(joined) > 1:
            label = {tensor: name if old in joined else old for tensor, old in label.items()}
    return label
