"""Where each buffer lies in the arena, so that the arena is small.

Three methods, cheapest first, each stopping as soon as the lower bound is reached:

1. Chains, where only consecutive tensors exist together, have an exact answer (``chain``).
2. Greedy placement at the lowest free offset, in several orders (Pisarchyk and Lee 2020,
   arXiv:2001.03288, describe by size and by breadth).
3. Branch and bound (``exact``), with bounded effort; when it ends by itself the result is optimal.
"""

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import MemoryPlanError
from .buffers import Buffer, Buffers
from .chain import alternate_ends, is_chain, place_chain
from .cmsis_nn import round_up
from .exact import search_offsets
from .lifetimes import Lifetime

DEFAULT_MAX_NODES = 60
"""Nodes of the branch and bound search; one takes about 20 µs.

A search plans thousands of networks for a proposal; four hundred nodes would make arenas 0.03 %
smaller in the mean.
"""

_MAX_EXACT_BUFFERS = 64
"""The search recurses once per buffer; larger plans keep their greedy placement."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Offsets of buffers, in the order in which the buffers were given.

    Attributes:
        offsets_bytes: Multiples of the alignment.
        arena_bytes: A multiple of the alignment; every buffer ends at or below it.
        step_bytes: The fewest bytes that must exist at each step; the most of them is a lower
            bound of every arena.
        optimal: Whether no smaller arena exists. False: not known.
    """

    offsets_bytes: tuple[int, ...]
    arena_bytes: int
    step_bytes: tuple[int, ...]
    optimal: bool

    @property
    def lower_bound_bytes(self) -> int:
        """No arena is smaller."""
        return max(self.step_bytes, default=0)


def place(
    lifetimes: Sequence[Lifetime],
    alignment_bytes: int = 4,
    max_nodes: int = DEFAULT_MAX_NODES,
    leads: Mapping[tuple[str, str], int] | None = None,
) -> Placement:
    """Places buffers in an arena so that none harms another one that exists with it.

    Args:
        lifetimes: The buffers; sizes at least 1.
        alignment_bytes: Every offset is a multiple of it.
        max_nodes: Effort of the exact search; 0 leaves it out.
        leads: By (output, input), bytes before the input at which the output must begin to lie
            over it; the output comes after the input in ``lifetimes``. None for no overlaps.

    Raises:
        MemoryPlanError: A size, lifetime or the alignment is impossible.
    """
    if alignment_bytes < 1:
        raise MemoryPlanError(f"expected an alignment of at least 1 byte, got {alignment_bytes}")
    for item in lifetimes:
        if item.size_bytes < 1 or not 0 <= item.first <= item.last:
            raise MemoryPlanError(f"expected a size >= 1 and 0 <= first <= last, got {item}")
    buffers = _buffers(lifetimes, alignment_bytes, leads or {})
    steps = tuple(buffers.step_bytes())
    bound = max(steps, default=0)
    certain = _certain(lifetimes, buffers, bound, alignment_bytes)
    if certain is not None:
        return Placement(tuple(certain), buffers.arena_bytes(certain), steps, optimal=True)
    best_arena, best_offsets = _best_greedy(buffers, bound)
    if best_arena == bound:
        return Placement(tuple(best_offsets), bound, steps, optimal=True)
    if max_nodes == 0 or len(lifetimes) > _MAX_EXACT_BUFFERS:
        return Placement(tuple(best_offsets), best_arena, steps, optimal=False)
    found, complete = search_offsets(buffers, best_arena, bound, max_nodes)
    if found is not None:
        best_offsets = found
        best_arena = buffers.arena_bytes(found)
    optimal = complete or best_arena == bound
    return Placement(tuple(best_offsets), best_arena, steps, optimal)


def _buffers(
    lifetimes: Sequence[Lifetime], alignment_bytes: int, leads: Mapping[tuple[str, str], int]
) -> Buffers:
    """Aligned sizes and leads; leads that allow no overlap once aligned are left out."""
    items = [Buffer(round_up(x.size_bytes, alignment_bytes), x.first, x.last) for x in lifetimes]
    index = {x.name: i for i, x in enumerate(lifetimes)}
    aligned = {
        (index[output], index[source]): round_up(lead, alignment_bytes)
        for (output, source), lead in leads.items()
    }
    return Buffers(items, {pair: d for pair, d in aligned.items() if d < items[pair[0]].size})


def _certain(
    lifetimes: Sequence[Lifetime], buffers: Buffers, bound: int, alignment_bytes: int
) -> list[int] | None:
    """Optimal offsets that need no search, where the buffers form a chain."""
    if not buffers.leads:
        return alternate_ends([x.kind == "scratch" for x in lifetimes], buffers, bound)
    return place_chain(buffers, alignment_bytes) if is_chain(buffers) else None


def _best_greedy(buffers: Buffers, bound: int) -> tuple[int, list[int]]:
    """The smallest arena of several greedy orders, and its offsets."""
    items = buffers.items
    live: dict[int, int] = {}
    for b in items:
        for step in range(b.first, b.last + 1):
            live[step] = live.get(step, 0) + b.size
    breadth = [max(live[step] for step in range(b.first, b.last + 1)) for b in items]
    keys: list[list[tuple[int, ...]]] = [
        [(-b.size, -(b.last - b.first), b.first) for b in items],
        [(-busy, -b.size, b.first) for busy, b in zip(breadth, items, strict=True)],
        [(-b.size * (b.last - b.first + 1), -b.size, b.first) for b in items],
        [(-(b.last - b.first), -b.size, b.first) for b in items],
        [(b.first, -b.last, -b.size) for b in items],
        [(-b.last, b.first, -b.size) for b in items],
        # Outputs before the inputs that may lie over them.
        [(-b.first, -b.size) for b in items],
    ]
    best_arena, best_offsets = -1, [0] * len(items)
    for key in keys:
        order = sorted(range(len(items)), key=key.__getitem__)
        offsets = _first_fit(buffers, order)
        arena = buffers.arena_bytes(offsets)
        if best_arena < 0 or arena < best_arena:
            best_arena, best_offsets = arena, offsets
        if best_arena == bound:
            break
    return best_arena, best_offsets


def _first_fit(buffers: Buffers, order: Sequence[int]) -> list[int]:
    """Each buffer in turn at the lowest offset that those placed before allow."""
    offsets = [0] * len(buffers.items)
    placed: set[int] = set()
    for index in order:
        position = 0
        # Offsets between (low, high) are taken, ascending by low.
        taken: list[tuple[int, int]] = []
        for other in buffers.together[index]:
            if other in placed:
                low = offsets[other] - buffers.distance(index, other)
                insort(taken, (low, offsets[other] + buffers.distance(other, index)))
        for low, high in taken:
            if low < position < high:
                position = high
        offsets[index] = position
        placed.add(index)
    return offsets
