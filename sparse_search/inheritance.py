"""inherit(child, parent): a child starts from its parent's weights.

The operators of both graphs are aligned in order; what the parent has, the child takes over,
channel by channel. What can be kept of the parent's function is kept:

* Widened layers copy channels and split what reads them, on both paths of a residual block alike.
* Inserted layers start as the identity; a new residual block adds nothing to its input.
* New second paths add nothing at first, and new features of the first fully connected layer are
  not read at first; both learn from the first step on.

Where that is impossible, what remains is taken over: narrowed layers keep the most important
channels, larger kernels are padded and smaller ones cropped, and a layer whose input is new reads
it like the old one.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from .alignment import align
from .builder import GREY
from .graph import (
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    PoolOperator,
    WeightedOperator,
)
from .groups import channel_groups
from .network import Network
from .residual import ResidualBlocks
from .starting import calibrate, first_index, start_as_identity, start_at_zero
from .transfer import (
    ChannelMap,
    Part,
    copy_channel_parameters,
    copy_dense,
    copy_weights,
    duplicate,
    fit_kernel,
    saliency,
)


@torch.no_grad()
def inherit(
    child: Network,
    parent: Network,
    rng: np.random.Generator,
    images: NDArray[np.uint8] | None = None,
) -> Network:
    """Overwrites the child's initial weights with what it can take over from its parent.

    Args:
        child: Freshly initialised; changed in place.
        parent: Trained; unchanged.
        rng: Chooses the channels that are copied when a layer widens, and how they are read.
        images: Some training images [n, h, w, c]. With them, inserted layers pass on their input
            also in training, where batches are normalised; without, only in evaluation.

    Returns:
        The child. Masks are not inherited: a child is pruned anew.
    """
    inheritance = _Inheritance(child, parent, rng)
    inheritance.run()
    if images is not None and inheritance.identities:
        calibrate(child, inheritance.identities, images)
    return child


class _Inheritance:
    """The maps of channels, from the input of the child to its output.

    Attributes:
        maps: Where the channels of the child's tensors come from.
        origins: The tensor of the parent that each tensor of the child continues, pooling set
            aside; empty where there is none.
        parts: What vectors consist of whose numbers come from several tensors.
        identities: Output channels of inserted operators that pass on a channel, by name.
        layouts: The map that all tensors of a group of the child use for a group of the parent:
            what is added must have its channels in one order.
    """

    def __init__(self, child: Network, parent: Network, rng: np.random.Generator) -> None:
        self.child, self.parent, self.rng = child, parent, rng
        self.matched = align(child.graph, parent.graph)
        self.blocks = ResidualBlocks(child.graph, parent.graph, self.matched)
        self.parent_operators = {op.name: op for op in parent.graph.weighted}
        self.parent_sums = {
            op.inputs[0]: op.output for op in parent.graph.operators if isinstance(op, Add)
        }
        self.parent_groups = {g.tensors[0]: g for g in channel_groups(parent.graph)}
        self.roots = {t: name for name, g in self.parent_groups.items() for t in g.tensors}
        self.groups = {t: g.tensors[0] for g in channel_groups(child.graph) for t in g.tensors}
        image, root = child.graph.input, self.roots[parent.graph.input.name]
        identity = ChannelMap.overlap(root, image.shape[2], parent.graph.input.shape[2])
        self.maps = {image.name: identity}
        self.origins = {image.name: parent.graph.input.name}
        self.parts: dict[str, tuple[Part, ...]] = {}
        self.identities: dict[str, NDArray[np.int64]] = {}
        self.layouts = {(self.groups[image.name], root): identity}

    def run(self) -> None:
        for operator in self.child.graph.operators:
            output = operator.output
            if isinstance(operator, Concat):
                self.parts[output] = tuple(p for t in operator.inputs for p in self._parts(t))
                self._set(output, ChannelMap.new(self._channels(output)), "")
            elif not isinstance(operator, Conv2d | DepthwiseConv2d | Dense):
                self._pass_on(operator)
            elif operator.name in self.matched:
                self._continue(operator)
            elif isinstance(operator, Dense):
                self._insert_dense(operator)
            else:
                self._insert(operator)

    def _set(self, tensor: str, channels: ChannelMap, origin: str) -> None:
        self.maps[tensor], self.origins[tensor] = channels, origin

    def _pass_on(self, operator: PoolOperator | Add) -> None:
        """Of two paths, the first one with a source counts: the other one starts at zero."""
        known = [tensor for tensor in operator.inputs if self.maps[tensor].root]
        tensor = (known or operator.inputs)[0]
        origin = self.origins[tensor]
        if isinstance(operator, Add):
            origin = self.parent_sums.get(origin, origin)
        self._set(operator.output, self.maps[tensor], origin)

    def _channels(self, tensor: str) -> int:
        return self.child.graph.shape(tensor)[2]

    def _parts(self, tensor: str) -> tuple[Part, ...]:
        if tensor in self.parts:
            return self.parts[tensor]
        shape = self.child.graph.shape(tensor)
        return (Part(shape, self.maps[tensor], self.origins[tensor]),)

    def _continue(self, operator: WeightedOperator) -> None:
        """Copies the weights of the parent's operator."""
        old = self.parent_operators[self.matched[operator.name]]
        ours, theirs = self.child.unit(operator.name), self.parent.unit(old.name)
        tensor, root = operator.inputs[0], self.roots[old.inputs[0]]
        incoming = self.maps[tensor]
        if incoming.root != root:
            # A layer between was removed or could not start as the identity.
            channels = self.parent_groups[root].channels
            incoming = ChannelMap.overlap(root, self._channels(tensor), channels)
        outgoing = incoming
        if not isinstance(operator, DepthwiseConv2d):
            outgoing = self._layout(operator.output, self.roots[old.output])
        target, source = ours.weight.detach(), theirs.weight.detach()
        if isinstance(operator, Dense):
            old_parts = _source_parts(self.parent.graph, old.inputs[0], self.roots)
            copy_dense(target, source, self._parts(tensor), old_parts, outgoing.source, self.rng)
        else:
            inputs = incoming if isinstance(operator, Conv2d) else None
            weight = fit_kernel(source, operator.kernel)
            copy_weights(target, weight, outgoing.source, inputs, self.rng)
        copy_channel_parameters(ours, theirs, outgoing.source)
        self._set(operator.output, outgoing, old.output)

    def _layout(self, tensor: str, root: str) -> ChannelMap:
        """The map to a group of the parent: all channels and copies, or the most important."""
        key = (self.groups[tensor], root)
        if key not in self.layouts:
            group, count = self.parent_groups[root], self._channels(tensor)
            if count >= group.channels:
                source = duplicate(group.channels, count, self.rng)
            else:
                order = np.argsort(-saliency(self.parent, group), kind="stable")
                source = np.sort(order[:count])
            self.layouts[key] = ChannelMap(root, source)
        return self.layouts[key]

    def _insert(self, operator: Conv2d | DepthwiseConv2d) -> None:
        """Starts at zero or as the identity where that keeps what the parent computed.

        Else the operator keeps its initial weights.
        """
        unit, output = self.child.unit(operator.name), operator.output
        incoming, count = self.maps[operator.inputs[0]], self._channels(output)
        key = (self.groups[output], incoming.root)
        layout = self.layouts.get(key)
        self._set(output, ChannelMap.new(count), "")
        foreign = layout is None and self.blocks.on_second_path(output)
        if foreign or self.blocks.starts_at_zero(output):
            start_at_zero(unit)
            return
        if operator.name == GREY:
            return
        if isinstance(operator, DepthwiseConv2d):
            layout, columns = incoming, np.arange(count)
        elif layout is not None:
            columns = first_index(incoming.source, layout.source)
        elif count >= len(incoming.source):
            columns = duplicate(len(incoming.source), count, self.rng)
            layout = incoming.then(columns)
            if incoming.root:
                self.layouts[key] = layout
        else:
            return
        start_as_identity(operator, unit, columns)
        self.identities[operator.name] = np.flatnonzero(columns >= 0)
        self._set(output, layout, self.origins[operator.inputs[0]])

    def _insert_dense(self, operator: Dense) -> None:
        """Starts as the identity of its inputs; units beyond them are not read at first."""
        parts, units = self._parts(operator.inputs[0]), self._channels(operator.output)
        self._set(operator.output, ChannelMap.new(units), "")
        inputs = self.child.graph.tensor(operator.inputs[0]).size
        if units < inputs:
            return
        columns = np.where(np.arange(units) < inputs, np.arange(units), -1)
        start_as_identity(operator, self.child.unit(operator.name), columns)
        self.identities[operator.name] = np.arange(inputs)
        if units > inputs:
            extra = units - inputs
            parts = (*parts, Part((1, 1, extra), ChannelMap.new(extra), ""))
        self.parts[operator.output] = parts


def _source_parts(graph: Graph, tensor: str, roots: Mapping[str, str]) -> tuple[Part, ...]:
    """What a fully connected operator of the parent reads from ``tensor``, part by part."""
    producers = {op.output: op for op in graph.operators}
    operator = producers.get(tensor)
    parts = []
    for name in operator.inputs if isinstance(operator, Concat) else (tensor,):
        shape, channels = graph.shape(name), ChannelMap.identity(roots[name], graph.shape(name)[2])
        while isinstance(producers.get(name), MaxPool2d | AvgPool2d):
            name = producers[name].inputs[0]
        parts.append(Part(shape, channels, name))
    return tuple(parts)
