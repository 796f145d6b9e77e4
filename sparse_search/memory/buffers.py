"""Buffers to be placed, and how far apart two that exist together must lie.

| symbol | meaning |
|---|---|
| s_i | aligned bytes of buffer i |
| d(i, j) | least distance from the offset of i to that of j where j lies above: s_i, or less |

Two buffers that exist together may not overlap, so d(i, j) = s_i; but an output i may lie over its
own input j as far as ``overlap`` says, and then d(i, j) is the lead of the output.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple


class Buffer(NamedTuple):
    """An aligned size in bytes and the steps of time, both inclusive, at which it exists."""

    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Buffers:
    """Buffers and their overlaps.

    Attributes:
        items: What is placed.
        leads: By (output, input), indices of ``items`` with output > input: how many bytes before
            the input the output must begin, less than its size; a multiple of the alignment. No
            step has more than one such output.
    """

    items: Sequence[Buffer]
    leads: Mapping[tuple[int, int], int]

    def distance(self, below: int, above: int) -> int:
        """d(below, above) of two that exist together."""
        return self.leads.get((below, above), self.items[below].size)

    @cached_property
    def together(self) -> Sequence[Sequence[int]]:
        """Of each buffer, the others that exist at some step with it, ascending."""
        items = self.items
        return [
            [j for j, b in enumerate(items) if j != i and a.first <= b.last and b.first <= a.last]
            for i, a in enumerate(items)
        ]

    @cached_property
    def outputs(self) -> Mapping[int, tuple[int, Sequence[tuple[int, int]]]]:
        """By step, the output that may overlap, and (input, most bytes in common) of its inputs."""
        found: dict[int, tuple[int, list[tuple[int, int]]]] = {}
        for (output, source), lead in self.leads.items():
            common = min(self.items[source].size, self.items[output].size - lead)
            found.setdefault(self.items[output].first, (output, []))[1].append((source, common))
        return found

    def saved_bytes(self, step: int, placed: Sequence[bool] | None = None) -> int:
        """The most bytes that two buffers can have in common at a step.

        Args:
            step: Of time.
            placed: By buffer, whether its offset is fixed: it has nothing in common then.
        """
        if step not in self.outputs:
            return 0
        output, sources = self.outputs[step]
        if placed is None:
            return min(self.items[output].size, sum(common for _, common in sources))
        if placed[output]:
            return 0
        free = sum(common for source, common in sources if not placed[source])
        return min(self.items[output].size, free)

    def step_bytes(self) -> list[int]:
        """The fewest bytes that must exist at each step; no arena is smaller than the most.

        >>> Buffers([Buffer(8, 0, 0), Buffer(8, 0, 1)], {(1, 0): 4}).step_bytes()
        [12, 8]
        """
        steps = 1 + max((item.last for item in self.items), default=-1)
        change = [0] * (steps + 1)
        for size, first, last in self.items:
            change[first] += size
            change[last + 1] -= size
        return [live - self.saved_bytes(step) for step, live in enumerate(accumulate(change[:-1]))]

    def arena_bytes(self, offsets: Sequence[int]) -> int:
        """The highest end of a placement."""
        return max((o + b.size for o, b in zip(offsets, self.items, strict=True)), default=0)
