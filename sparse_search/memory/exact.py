"""Branch and bound for the smallest arena.

Some optimal placement can be built in order of offset, each buffer resting on the highest end of
those already placed that it coexists with: pushing every buffer of an optimal placement down until
it rests gives one. The search therefore branches over "which buffer comes next" and keeps a
skyline, the height already taken at each step of time.

Pruned is what cannot win:

* by bound: at some step, the lowest offset at which a waiting buffer can rest plus all bytes that
  wait there is no less than the best arena;
* by order: the next offset is below the last one (the same placement is found in order);
* by dominance: another waiting buffer fits entirely below the next offset. Placing it first
  disturbs nothing, so the branch that places it first is at least as good.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Buffer(NamedTuple):
    """An aligned size in bytes and the steps of time, both inclusive, at which it exists."""

    size: int
    first: int
    last: int


class _Search:
    """State of one depth-first search; undone step by step on the way back."""

    def __init__(self, buffers: Sequence[Buffer], best: int, bound: int, max_nodes: int) -> None:
        steps = 1 + max(b.last for b in buffers)
        self.buffers = buffers
        self.best = best
        self.bound = bound
        self.nodes_left = max_nodes
        self.skyline = [0] * steps
        self.waiting_bytes = [0] * steps
        for size, first, last in buffers:
            for step in range(first, last + 1):
                self.waiting_bytes[step] += size
        self.waiting = set(range(len(buffers)))
        self.offsets = [0] * len(buffers)
        self.found: list[int] | None = None
        self.complete = True

    def branch(self, last_offset: int, last_index: int, height: int) -> None:
        """Tries every useful next buffer; records complete placements that improve."""
        if not self.waiting:
            self.best = height
            self.found = list(self.offsets)
            return
        if self.nodes_left == 0:
            self.complete = False
            return
        self.nodes_left -= 1
        rest = {i: self._rest(self.buffers[i]) for i in self.waiting}
        if self._cannot_win(rest, last_offset):
            return
        # A buffer never ends at or below its own offset, so the minimum may include itself.
        lowest_end = min(offset + self.buffers[i].size for i, offset in rest.items())
        candidates = sorted((offset, i) for i, offset in rest.items() if offset < lowest_end)
        for offset, index in candidates:
            if (offset, index) > (last_offset, last_index):
                self._place(index, offset, height)
            if self.best == self.bound:
                return

    def _rest(self, buffer: Buffer) -> int:
        """The lowest offset at which ``buffer`` can rest on the skyline."""
        return max(self.skyline[buffer.first : buffer.last + 1])

    def _cannot_win(self, rest: dict[int, int], last_offset: int) -> bool:
        lowest: dict[int, int] = {}
        for index, offset in rest.items():
            _, first, last = self.buffers[index]
            base = max(offset, last_offset)
            for step in range(first, last + 1):
                if base < lowest.get(step, base + 1):
                    lowest[step] = base
        return any(base + self.waiting_bytes[step] >= self.best for step, base in lowest.items())

    def _place(self, index: int, offset: int, height: int) -> None:
        size, first, last = self.buffers[index]
        before = self.skyline[first : last + 1]
        self.skyline[first : last + 1] = [offset + size] * len(before)
        for step in range(first, last + 1):
            self.waiting_bytes[step] -= size
        self.waiting.remove(index)
        self.offsets[index] = offset
        self.branch(offset, index, max(height, offset + size))
        self.waiting.add(index)
        for step in range(first, last + 1):
            self.waiting_bytes[step] += size
        self.skyline[first : last + 1] = before


def search_offsets(
    buffers: Sequence[Buffer], best_bytes: int, bound_bytes: int, max_nodes: int
) -> tuple[list[int] | None, bool]:
    """Looks for a placement with a smaller arena than ``best_bytes``.

    Args:
        buffers: At least one; sizes are multiples of the alignment.
        best_bytes: Arena of the placement to beat.
        bound_bytes: A lower bound; the search ends when it is reached.
        max_nodes: Most nodes to visit.

    Returns:
        The offsets of the best placement found, or None where none beats ``best_bytes``; and
        whether the search was complete, so that the better of the two is optimal.
    """
    search = _Search(buffers, best_bytes, bound_bytes, max_nodes)
    search.branch(0, -1, 0)
    return search.found, search.complete
