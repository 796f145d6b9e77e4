"""inherit(child, parent): a child starts from its parent's weights.

The operators of both graphs are aligned in order; what the parent has, the child takes over,
channel by channel. Widened layers copy channels and split what reads them, inserted layers start
as the identity, so a wider or deeper child computes exactly what its parent computed. Narrowed
layers keep the most important channels, larger kernels are padded and smaller ones cropped.

The alignment needs no record of the morphisms: it finds the cheapest edit script from one list of
operators to the other (Levenshtein distance with a graded cost for a substitution).
"""

import numpy as np
import torch

from .builder import GREY, OUTPUT
from .graph import (
    Add,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    WeightedOperator,
)
from .network import Network, Unit
from .transfer import (
    ChannelMap,
    copy_channel_parameters,
    copy_weights,
    duplicate,
    fit_kernel,
    fit_positions,
    importance,
    weight_map,
)

_UNMATCHED_COST = 2.0
_NEVER = 1e6


def align(child: Graph, parent: Graph) -> dict[str, str]:
    """Which operator of the parent each weighted operator of the child continues.

    Returns:
        Names of the parent's operators by names of the child's; inserted operators are absent.
    """
    ours, theirs = child.weighted, parent.weighted
    cost = np.zeros((len(ours) + 1, len(theirs) + 1))
    cost[:, 0] = _UNMATCHED_COST * np.arange(len(ours) + 1)
    cost[0, :] = _UNMATCHED_COST * np.arange(len(theirs) + 1)
    for i, a in enumerate(ours, start=1):
        for j, b in enumerate(theirs, start=1):
            cost[i, j] = min(
                cost[i - 1, j] + _UNMATCHED_COST,
                cost[i, j - 1] + _UNMATCHED_COST,
                cost[i - 1, j - 1] + _difference(child, a, parent, b),
            )
    matched: dict[str, str] = {}
    i, j = len(ours), len(theirs)
    while i > 0 and j > 0:
        a, b = ours[i - 1], theirs[j - 1]
        if np.isclose(cost[i, j], cost[i - 1, j - 1] + _difference(child, a, parent, b)):
            matched[a.name] = b.name
            i, j = i - 1, j - 1
        elif np.isclose(cost[i, j], cost[i - 1, j] + _UNMATCHED_COST):
            i -= 1
        else:
            j -= 1
    return matched


def _difference(child: Graph, a: WeightedOperator, parent: Graph, b: WeightedOperator) -> float:
    """Cost of continuing operator ``b`` as ``a``: 0 for equal ones, high for other types."""
    special = {GREY, OUTPUT}
    if a.kind != b.kind or ({a.name, b.name} & special and a.name != b.name):
        return _NEVER
    widths = child.shape(a.output)[2], parent.shape(b.output)[2]
    cost = 0.0 if isinstance(a, DepthwiseConv2d) else abs(float(np.log(widths[0] / widths[1])))
    if not isinstance(a, Dense) and not isinstance(b, Dense):
        cost += 0.5 * abs(a.kernel[0] - b.kernel[0]) + 0.25 * (a.stride != b.stride)
        # Of two equal layers, an inserted one is told apart by its place.
        cost += 0.1 * (a.padding != b.padding)
    # A convolution of one pixel and one of a neighbourhood rarely do the same work.
    return min(cost, 1.9 * _UNMATCHED_COST)


@torch.no_grad()
def inherit(child: Network, parent: Network, rng: np.random.Generator) -> Network:
    """Overwrites the child's initial weights with what it can take over from its parent.

    Args:
        child: Freshly initialised; changed in place.
        parent: Trained; unchanged.
        rng: Chooses the channels that are copied when a layer widens.

    Returns:
        The child. Masks are not inherited: a child is pruned anew.
    """
    _Inheritance(child, parent, rng).run()
    return child


class _Inheritance:
    """The maps of channels, from the input of the child to its output."""

    def __init__(self, child: Network, parent: Network, rng: np.random.Generator) -> None:
        self.child, self.parent, self.rng = child, parent, rng
        self.matched = align(child.graph, parent.graph)
        self.parent_operators = {op.name: op for op in parent.graph.operators}
        self.roots = _roots(parent.graph)
        image = child.graph.input
        self.maps = {image.name: ChannelMap.identity(parent.graph.input.name, image.shape[2])}

    def run(self) -> None:
        for operator in self.child.graph.operators:
            if not isinstance(operator, Conv2d | DepthwiseConv2d | Dense):
                self.maps[operator.output] = self.maps[operator.inputs[0]]
            elif operator.name in self.matched:
                self._continue(operator)
            else:
                self._insert(operator)

    def _continue(self, operator: WeightedOperator) -> None:
        """Copies the weights of the parent's operator."""
        graph = self.child.graph
        old = self.parent_operators[self.matched[operator.name]]
        old_input = self.parent.graph.tensor(old.inputs[0])
        incoming = self.maps[operator.inputs[0]]
        root = self.roots[old_input.name]
        if incoming.root != root:
            # A layer between was removed or could not start as the identity.
            channels = graph.shape(operator.inputs[0])[2]
            incoming = ChannelMap.overlap(root, channels, old_input.shape[2])
        ours, theirs = self.child.unit(operator.name), self.parent.unit(old.name)
        if isinstance(operator, DepthwiseConv2d):
            outgoing, inputs = incoming, None
        else:
            source_count = self.parent.graph.shape(old.output)[2]
            outgoing = self._outgoing(operator, theirs, old.name, source_count)
            inputs = incoming
        if isinstance(operator, Dense):
            shape = graph.shape(operator.inputs[0])
            weight = fit_positions(weight_map(theirs, old_input.shape), shape[:2])
            target = weight_map(ours, shape)
        else:
            weight = fit_kernel(weight_map(theirs, None), operator.kernel)
            target = weight_map(ours, None)
        copy_weights(target, weight, outgoing.source, inputs)
        copy_channel_parameters(ours, theirs, outgoing.source)
        self.maps[operator.output] = outgoing

    def _outgoing(
        self, operator: WeightedOperator, unit: Unit, root: str, source_count: int
    ) -> ChannelMap:
        """The map of an operator's outputs: all channels and copies, or the most important."""
        count = self.child.graph.shape(operator.output)[2]
        if count >= source_count:
            return ChannelMap(root, *duplicate(source_count, count, self.rng))
        keep = np.sort(np.argsort(-importance(unit), kind="stable")[:count])
        return ChannelMap(root, keep, np.ones(count))

    def _insert(self, operator: WeightedOperator) -> None:
        """Starts as the identity where there is one; else keeps its initial weights."""
        graph = self.child.graph
        incoming = self.maps[operator.inputs[0]]
        in_shape, out_shape = graph.shape(operator.inputs[0]), graph.shape(operator.output)
        positions = in_shape[0] * in_shape[1] if isinstance(operator, Dense) else 1
        if positions > 1 or out_shape[2] < in_shape[2]:
            self.maps[operator.output] = ChannelMap.identity(operator.name, out_shape[2])
            return
        unit = self.child.unit(operator.name)
        source, share = np.arange(in_shape[2]), np.ones(in_shape[2])
        if not isinstance(operator, DepthwiseConv2d):
            source, share = duplicate(in_shape[2], out_shape[2], self.rng)
        weight = weight_map(unit, in_shape if isinstance(operator, Dense) else None)
        weight.zero_()
        row, column = (0, 0) if isinstance(operator, Dense) else _centre(operator)
        inputs = 0 if isinstance(operator, DepthwiseConv2d) else torch.from_numpy(source)
        weight[torch.arange(out_shape[2]), inputs, row, column] = 1.0
        if unit.norm is not None:
            assert unit.norm.running_mean is not None
            assert unit.norm.running_var is not None
            unit.norm.running_mean.zero_()
            unit.norm.running_var.fill_(1.0 - unit.norm.eps)
            unit.norm.weight.fill_(1.0)
            unit.norm.bias.zero_()
        self.maps[operator.output] = incoming.then(source, share)


def _centre(operator: Conv2d | DepthwiseConv2d) -> tuple[int, int]:
    """The tap that reads the pixel at the window's own position."""
    top, bottom, left, right = operator.padding
    if (top, bottom, left, right) == (0, 0, 0, 0):
        return operator.kernel[0] // 2, operator.kernel[1] // 2
    return top, left


def _roots(graph: Graph) -> dict[str, str]:
    """By tensor: the operator, or the input, that made its channels."""
    roots = {graph.input.name: graph.input.name}
    for operator in graph.operators:
        keeps = not isinstance(operator, Conv2d | Dense | Add)
        roots[operator.output] = roots[operator.inputs[0]] if keeps else operator.name
    return roots
