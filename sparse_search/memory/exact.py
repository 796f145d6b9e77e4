"""Branch and bound for the smallest arena.

Some optimal placement can be built in order of offset, each buffer resting on those already placed
that it exists with: pushing every buffer of an optimal placement down until it rests gives one. The
search therefore branches over "which buffer comes next" and keeps the offset at which each waiting
buffer would rest. At equal offsets an output comes before the input that it lies over.

Pruned is what cannot win:

* by bound: at some step, the lowest offset at which a waiting buffer can rest plus the fewest bytes
  that those waiting there can take is no less than the best arena;
* by order: the next offset is below the last one (the same placement is found in order);
* by dominance: another waiting buffer fits entirely below the next offset. Placing it first
  disturbs nothing, so the branch that places it first is at least as good.
"""

from .buffers import Buffers


class _Search:
    """State of one depth-first search; undone step by step on the way back."""

    def __init__(self, buffers: Buffers, best: int, bound: int, max_nodes: int) -> None:
        items = buffers.items
        self.buffers = buffers
        self.best = best
        self.bound = bound
        self.nodes_left = max_nodes
        # By buffer, (other, how far above it the other must begin) of those that exist with it.
        self.distances = [
            [(other, buffers.distance(index, other)) for other in others]
            for index, others in enumerate(buffers.together)
        ]
        self.rest = [0] * len(items)
        self.placed = [False] * len(items)
        self.waiting_bytes = [0] * (1 + max(b.last for b in items))
        for size, first, last in items:
            for step in range(first, last + 1):
                self.waiting_bytes[step] += size
        self.offsets = [0] * len(items)
        self.found: list[int] | None = None
        self.complete = True

    def branch(self, last: tuple[int, int], height: int) -> None:
        """Tries every useful next buffer; records complete placements that improve.

        Args:
            last: (offset, -index) of the buffer that was placed last.
            height: Of what is placed.
        """
        waiting = [i for i, placed in enumerate(self.placed) if not placed]
        if not waiting:
            self.best = height
            self.found = list(self.offsets)
            return
        if self.nodes_left == 0:
            self.complete = False
            return
        self.nodes_left -= 1
        if self._cannot_win(waiting, last[0]):
            return
        # A buffer never ends at or below its own offset, so the minimum may include itself.
        lowest_end = min(self.rest[i] + self.buffers.items[i].size for i in waiting)
        candidates = sorted((self.rest[i], -i) for i in waiting if self.rest[i] < lowest_end)
        for candidate in candidates:
            if candidate > last:
                self._place(candidate, height)
            if self.best == self.bound:
                return

    def _cannot_win(self, waiting: list[int], last_offset: int) -> bool:
        items, rest, waiting_bytes = self.buffers.items, self.rest, self.waiting_bytes
        lowest = [self.best] * len(waiting_bytes)
        for index in waiting:
            _, first, last = items[index]
            base = max(rest[index], last_offset)
            for step in range(first, last + 1):
                if base < lowest[step]:
                    lowest[step] = base
        # What is saved is looked up only where it can matter.
        return any(
            base + size >= self.best
            and size > 0
            and base + size - self.buffers.saved_bytes(step, self.placed) >= self.best
            for step, (base, size) in enumerate(zip(lowest, waiting_bytes, strict=True))
        )

    def _place(self, candidate: tuple[int, int], height: int) -> None:
        offset, index = candidate[0], -candidate[1]
        size, first, last = self.buffers.items[index]
        before = list(self.rest)
        for other, distance in self.distances[index]:
            if offset + distance > self.rest[other] and not self.placed[other]:
                self.rest[other] = offset + distance
        for step in range(first, last + 1):
            self.waiting_bytes[step] -= size
        self.placed[index] = True
        self.offsets[index] = offset
        self.branch(candidate, max(height, offset + size))
        self.placed[index] = False
        for step in range(first, last + 1):
            self.waiting_bytes[step] += size
        self.rest = before


def search_offsets(
    buffers: Buffers, best_bytes: int, bound_bytes: int, max_nodes: int
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
    search.branch((0, -len(buffers.items)), 0)
    return search.found, search.complete
