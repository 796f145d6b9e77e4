"""align(child, parent): which operator of the parent each operator of the child continues.

No record of the morphisms is needed: the alignment is the cheapest edit script from one list of
weighted operators, in execution order, to the other (Levenshtein distance with a graded cost for a
substitution). Convolutions on the second path of a residual block only match their like.
"""

from math import log

import numpy as np

from .builder import GREY, OUTPUT
from .graph import (
    Add,
    AvgPool2d,
    Concat,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    WeightedOperator,
)

_UNMATCHED_COST = 2.0
_UNMATCHED_BRANCH_COST = 1.0
_NEVER = 1e6


def align(child: Graph, parent: Graph) -> dict[str, str]:
    """Which operator of the parent each weighted operator of the child continues.

    Returns:
        Names of the parent's operators by names of the child's; inserted operators are absent.
    """
    ours, theirs = _Side(child), _Side(parent)
    rows, columns = len(ours.operators), len(theirs.operators)
    change = [[_difference(ours, i, theirs, j) for j in range(columns)] for i in range(rows)]
    cost = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    cost[0][1:] = np.cumsum(theirs.unmatched).tolist()
    for i in range(1, rows + 1):
        cost[i][0] = cost[i - 1][0] + ours.unmatched[i - 1]
        for j in range(1, columns + 1):
            cost[i][j] = min(
                cost[i - 1][j] + ours.unmatched[i - 1],
                cost[i][j - 1] + theirs.unmatched[j - 1],
                cost[i - 1][j - 1] + change[i - 1][j - 1],
            )
    matched: dict[str, str] = {}
    i, j = rows, columns
    while i > 0 and j > 0:
        # Of equal scripts, the one is taken that inserts operators as late as possible.
        if _equal(cost[i][j], cost[i - 1][j] + ours.unmatched[i - 1]):
            i -= 1
        elif _equal(cost[i][j], cost[i][j - 1] + theirs.unmatched[j - 1]):
            j -= 1
        else:
            i, j = i - 1, j - 1
            matched[ours.operators[i].name] = theirs.operators[j].name
    return matched


def second_paths(graph: Graph) -> dict[str, str]:
    """Of every convolution on the second path of a residual block: its output and what it joins.

    Returns:
        The tensor that is added to, by the tensor that only the addition reads.
    """
    made = {op.output for op in graph.weighted}
    return {
        op.inputs[1]: op.inputs[0]
        for op in graph.operators
        if isinstance(op, Add) and op.inputs[1] in made and len(graph.consumers(op.inputs[1])) == 1
    }


class _Side:
    """What the alignment looks at of one graph."""

    def __init__(self, graph: Graph) -> None:
        second = second_paths(graph)
        self.operators = graph.weighted
        self.on_second_path = [op.output in second for op in self.operators]
        shapes = [(graph.shape(op.inputs[0]), graph.shape(op.output)) for op in self.operators]
        self.log_widths = [(log(read[2]), log(written[2])) for read, written in shapes]
        beside, sent = _beside_second_paths(graph), _sent_to_features(graph)
        self.beside = [op.output in beside for op in self.operators]
        # Small differences, which tell an inserted layer from its equal neighbours.
        self.traits = [
            (
                written[:2],
                op.inputs[0] in sent,
                *_window(op),
            )
            for op, (_, written) in zip(self.operators, shapes, strict=True)
        ]
        self.unmatched = [
            _UNMATCHED_BRANCH_COST if second else _UNMATCHED_COST for second in self.on_second_path
        ]


def _window(operator: WeightedOperator) -> tuple[object, object]:
    return (None, None) if isinstance(operator, Dense) else (operator.padding, operator.activation)


def _beside_second_paths(graph: Graph) -> set[str]:
    """Tensors on the main path of a block that has a second one."""
    producers = {op.output: op for op in graph.operators}
    found = set()
    for operator in graph.operators:
        if isinstance(operator, Add):
            tensor, other = operator.inputs
            starts = {other}
            if other in producers:
                starts.add(producers[other].inputs[0])
            while tensor not in starts and tensor in producers:
                found.add(tensor)
                tensor = producers[tensor].inputs[0]
    return found


def _sent_to_features(graph: Graph) -> set[str]:
    """Tensors that a concatenation reads, whole or pooled."""
    sent: set[str] = set()
    for operator in reversed(graph.operators):
        if isinstance(operator, Concat) or (
            isinstance(operator, MaxPool2d | AvgPool2d) and operator.output in sent
        ):
            sent.update(operator.inputs)
    return sent


def _difference(ours: _Side, i: int, theirs: _Side, j: int) -> float:
    """Cost of continuing the parent's operator as the child's: 0 for equal, high for unlike."""
    a, b = ours.operators[i], theirs.operators[j]
    if a.kind != b.kind or ours.on_second_path[i] != theirs.on_second_path[j] or _special(a, b):
        return _NEVER
    (read, written), (old_read, old_written) = ours.log_widths[i], theirs.log_widths[j]
    cost = 0.1 * abs(read - old_read)
    if not isinstance(a, DepthwiseConv2d):
        cost += abs(written - old_written)
    if not isinstance(a, Dense) and not isinstance(b, Dense):
        cost += 0.5 * abs(a.kernel[0] - b.kernel[0]) + 0.25 * (a.stride != b.stride)
    pairs = zip(ours.traits[i], theirs.traits[j], strict=True)
    # What a second path reads or joins would change if an operator went past it.
    cost += 0.5 * (ours.beside[i] != theirs.beside[j])
    cost += 0.1 * sum(trait != old for trait, old in pairs)
    # A convolution of one pixel and one of a neighbourhood rarely do the same work.
    return min(cost, 0.95 * (ours.unmatched[i] + theirs.unmatched[j]))


def _special(a: WeightedOperator, b: WeightedOperator) -> bool:
    """Whether one of two operators has a role that the other has not."""
    return a.name != b.name and bool({a.name, b.name} & {GREY, OUTPUT})


def _equal(a: float, b: float) -> bool:
    return abs(a - b) < 1e-9
