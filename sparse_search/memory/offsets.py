"""Where each buffer lies in the arena, so that the arena is small.

Three methods, cheapest first, each stopping as soon as the lower bound is reached:

1. Alternating ends. In a chain of operators only consecutive tensors exist together: even ones
   lie at the bottom of the arena, odd ones at the top, scratch between. This always reaches the
   lower bound.
2. Greedy placement at the lowest free offset, in several orders (Pisarchyk and Lee 2020,
   arXiv:2001.03288, describe by size and by breadth).
3. Branch and bound (``exact``), with bounded effort; when it ends by itself the result is optimal.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import MemoryPlanError
from .cmsis_nn import round_up
from .exact import Buffer, search_offsets
from .lifetimes import Lifetime, live_bytes

DEFAULT_MAX_NODES = 1000
"""Nodes of the branch and bound search; one takes about 20 µs."""

_MAX_EXACT_BUFFERS = 64
"""The search recurses once per buffer; larger plans keep their greedy placement."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Offsets of buffers, in the order in which the buffers were given.

    Attributes:
        offsets_bytes: Multiples of the alignment.
        arena_bytes: A multiple of the alignment; every buffer ends at or below it.
        lower_bound_bytes: The most aligned bytes that exist at one time.
        optimal: Whether no smaller arena exists. False: not known.
    """

    offsets_bytes: tuple[int, ...]
    arena_bytes: int
    lower_bound_bytes: int
    optimal: bool


def place(
    lifetimes: Sequence[Lifetime],
    alignment_bytes: int = 4,
    max_nodes: int = DEFAULT_MAX_NODES,
) -> Placement:
    """Places buffers in an arena so that none overlaps another one that exists with it.

    Args:
        lifetimes: The buffers; sizes at least 1.
        alignment_bytes: Every offset is a multiple of it.
        max_nodes: Effort of the exact search; 0 leaves it out.

    Raises:
        MemoryPlanError: A size, lifetime or the alignment is impossible.
    """
    if alignment_bytes < 1:
        raise MemoryPlanError(f"expected an alignment of at least 1 byte, got {alignment_bytes}")
    for item in lifetimes:
        if item.size_bytes < 1 or not 0 <= item.first <= item.last:
            raise MemoryPlanError(f"expected a size >= 1 and 0 <= first <= last, got {item}")
    bound = max(live_bytes(lifetimes, alignment_bytes), default=0)
    buffers = [Buffer(round_up(x.size_bytes, alignment_bytes), x.first, x.last) for x in lifetimes]
    alternating = _alternate_ends(lifetimes, buffers, bound)
    if alternating is not None:
        return Placement(tuple(alternating), bound, bound, optimal=True)
    best_arena, best_offsets = _best_greedy(buffers, bound)
    if best_arena == bound:
        return Placement(tuple(best_offsets), bound, bound, optimal=True)
    if max_nodes == 0 or len(buffers) > _MAX_EXACT_BUFFERS:
        return Placement(tuple(best_offsets), best_arena, bound, optimal=False)
    found, complete = search_offsets(buffers, best_arena, bound, max_nodes)
    if found is not None:
        best_offsets = found
        best_arena = _arena(buffers, found)
    optimal = complete or best_arena == bound
    return Placement(tuple(best_offsets), best_arena, bound, optimal)


def _alternate_ends(
    lifetimes: Sequence[Lifetime], buffers: Sequence[Buffer], arena_bytes: int
) -> list[int] | None:
    """Offsets with tensors at both ends in turn; None where more than two exist at one time.

    Scratch memory belongs to one operator and lies on top of the tensor at the bottom.
    """
    offsets = [0] * len(buffers)
    bottom_end: dict[int, int] = {}
    at_top = False
    previous_last = before_previous_last = -1
    for index, (item, buffer) in enumerate(zip(lifetimes, buffers, strict=True)):
        if item.kind == "scratch":
            continue
        if buffer.first <= before_previous_last:
            return None
        before_previous_last, previous_last = previous_last, buffer.last
        if at_top:
            offsets[index] = arena_bytes - buffer.size
        else:
            bottom_end.update(dict.fromkeys(range(buffer.first, buffer.last + 1), buffer.size))
        at_top = not at_top
    has_scratch: set[int] = set()
    for index, (item, buffer) in enumerate(zip(lifetimes, buffers, strict=True)):
        if item.kind == "scratch":
            if buffer.first != buffer.last or buffer.first in has_scratch:
                return None
            has_scratch.add(buffer.first)
            offsets[index] = bottom_end.get(buffer.first, 0)
    return offsets


def _arena(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    return max((o + b.size for o, b in zip(offsets, buffers, strict=True)), default=0)


def _best_greedy(buffers: Sequence[Buffer], bound: int) -> tuple[int, list[int]]:
    """The smallest arena of several greedy orders, and its offsets."""
    live: dict[int, int] = {}
    for b in buffers:
        for step in range(b.first, b.last + 1):
            live[step] = live.get(step, 0) + b.size
    breadth = [max(live[step] for step in range(b.first, b.last + 1)) for b in buffers]
    keys = [
        [(-b.size, -(b.last - b.first), b.first) for b in buffers],
        [(-busy, -b.size, b.first) for busy, b in zip(breadth, buffers, strict=True)],
        [(-b.size * (b.last - b.first + 1), -b.size, b.first) for b in buffers],
        [(-(b.last - b.first), -b.size, b.first) for b in buffers],
        [(b.first, -b.last, -b.size) for b in buffers],
        [(-b.last, b.first, -b.size) for b in buffers],
    ]
    best_arena, best_offsets = -1, [0] * len(buffers)
    for key in keys:
        order = sorted(range(len(buffers)), key=key.__getitem__)
        offsets = _first_fit(buffers, order)
        arena = _arena(buffers, offsets)
        if best_arena < 0 or arena < best_arena:
            best_arena, best_offsets = arena, offsets
        if best_arena == bound:
            break
    return best_arena, best_offsets


def _first_fit(buffers: Sequence[Buffer], order: Sequence[int]) -> list[int]:
    """Each buffer in turn at the lowest offset that is free for its whole lifetime."""
    offsets = [0] * len(buffers)
    placed: list[tuple[int, int, int, int]] = []  # (offset, end, first, last), ascending.
    for index in order:
        buffer = buffers[index]
        position = 0
        for start, end, first, last in placed:
            if first <= buffer.last and buffer.first <= last:
                if start - position >= buffer.size:
                    break
                position = max(position, end)
        offsets[index] = position
        insort(placed, (position, position + buffer.size, buffer.first, buffer.last))
    return offsets
