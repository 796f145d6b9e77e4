"""The order of execution in which a graph needs least memory.

| symbol | meaning |
|---|---|
| op | what one kernel does: an operator, or a convolution with its pooling (``fusion``) |
| S | a set of these that have run, closed: whoever reads what they wrote may run |
| m(S) | the least peak of all orders that run S first |

    m(S + op) = min over op of max(m(S), bytes while op runs after S)

The bytes while an operator runs are those of ``buffers``: all that is still read by an operator
that has not run, and the output, less what output and inputs that end here can have in common. Sets
of one size are known before those of the next. Graphs of the space are sequences of a few short
branches, so there are few sets and the result is exact; where there are many, the most promising
ones are kept. An order that is no better than the given one is not taken; most often none can be,
because some operator needs as much by itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ..graph import Graph
from .cmsis_nn import round_up
from .fusion import Run, runs
from .kernels import ALIGNMENT_BYTES
from .overlap import lead_of

_MOST_SETS = 500
"""Of each size; a set takes about 10 µs."""


class _Best(NamedTuple):
    """The best order that runs a set of operators first; compared by peak, then by order."""

    peak: int
    order: tuple[int, ...]


@lru_cache(maxsize=4096)
def in_best_order(graph: Graph, alignment_bytes: int = ALIGNMENT_BYTES) -> Graph:
    """The same operators in an order that needs less memory, or the same graph.

    Args:
        graph: Any; chains have one order.
        alignment_bytes: Of the arena.
    """
    order = runs(graph)
    readers = _readers(graph, order)
    if all(len(found) <= 1 for found in readers.values()):
        return graph
    steps = _Steps(graph, order, readers, alignment_bytes)
    given = steps.peak(range(len(order)))
    if given <= steps.floor():
        return graph
    best = _search(steps, len(order), given)
    if best is None:
        return graph
    operators = tuple(op for i in best.order for op in order[i].operators)
    tensors = (graph.input, *(graph.tensor(op.output) for op in operators))
    return Graph(tensors, operators)


def _readers(graph: Graph, order: Sequence[Run]) -> dict[str, set[int]]:
    """By tensor that exists, the numbers of those that read it."""
    found: dict[str, set[int]] = {graph.input.name: set()}
    for number, run in enumerate(order):
        found[run.output] = set()
        for name in run.operator.inputs:
            found[name].add(number)
    return found


@dataclass(frozen=True)
class _Tensor:
    """A tensor: who writes it (a bit, 0 for the input), who reads it (bits), aligned bytes."""

    writer: int
    readers: int
    size: int


class _Steps:
    """What runs when, and how many bytes it takes; sets of operators are bits of an int."""

    def __init__(
        self,
        graph: Graph,
        order: Sequence[Run],
        readers: Mapping[str, set[int]],
        alignment_bytes: int,
    ) -> None:
        self._graph = graph
        self._runs = order
        self._alignment = alignment_bytes
        writers = {run.output: 1 << number for number, run in enumerate(order)}
        self._tensors = {
            name: _Tensor(
                writers.get(name, 0),
                sum(1 << number for number in numbers),
                round_up(graph.tensor(name).size, alignment_bytes),
            )
            for name, numbers in readers.items()
        }
        self._needs = [
            sum(self._tensors[name].writer for name in dict.fromkeys(run.operator.inputs))
            for run in order
        ]
        self._common = [dict(self._overlaps(run)) for run in order]

    def _overlaps(self, run: Run) -> Iterator[tuple[str, int]]:
        """(input, most bytes in common with the output) of a kernel, where both may overlap."""
        output = self._tensors[run.output].size
        for name in dict.fromkeys(run.operator.inputs):
            lead = lead_of(self._graph, run, name)
            if lead is not None:
                room = output - round_up(lead, self._alignment)
                yield name, max(0, min(self._tensors[name].size, room))

    def ready(self, done: int) -> Iterator[int]:
        """Operators that can run after a set; the graph's last one comes last."""
        last = len(self._needs) - 1
        for number, needs in enumerate(self._needs):
            waits = number == last and done != (1 << last) - 1
            if not done >> number & 1 and needs & ~done == 0 and not waits:
                yield number

    def bytes_of(self, done: int, number: int) -> int:
        """Bytes that must exist while an operator runs after a set."""
        output = self._runs[number].output
        after = done | 1 << number
        total = common = 0
        for name, tensor in self._tensors.items():
            exists = tensor.writer & ~done == 0
            # The output of the graph is read by nobody, and stays.
            wanted = not tensor.readers or tensor.readers & ~done != 0
            if name == output or (exists and wanted):
                total += tensor.size
            if tensor.readers and tensor.readers & ~after == 0:
                common += self._common[number].get(name, 0)
        return total - min(self._tensors[output].size, common)

    def floor(self) -> int:
        """No order needs less: what an operator reads and writes exists while it runs."""
        return max(self._own_bytes(number) for number in range(len(self._needs)))

    def _own_bytes(self, number: int) -> int:
        run = self._runs[number]
        output = self._tensors[run.output].size
        inputs = dict.fromkeys(run.operator.inputs)
        total = output + sum(self._tensors[name].size for name in inputs)
        return total - min(output, sum(self._common[number].values()))

    def peak(self, order: range) -> int:
        """The most bytes that an order needs at one time."""
        done = peak = 0
        for number in order:
            peak = max(peak, self.bytes_of(done, number))
            done |= 1 << number
        return peak


def _search(steps: _Steps, count: int, given: int) -> _Best | None:
    """The best order that was found that needs less than ``given``; None if there is none."""
    level = {0: _Best(0, ())}
    for _ in range(count):
        following: dict[int, _Best] = {}
        for done, best in level.items():
            for number in steps.ready(done):
                after = done | 1 << number
                peak = max(best.peak, steps.bytes_of(done, number))
                if peak >= given:
                    continue
                found = _Best(peak, (*best.order, number))
                if after not in following or found < following[after]:
                    following[after] = found
        kept = sorted(following.items(), key=lambda item: item[1])[:_MOST_SETS]
        level = dict(kept)
    return next(iter(level.values()), None)
