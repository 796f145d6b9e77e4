"""The smallest arena of a chain, where no more than an output and its input exist together.

| symbol | meaning |
|---|---|
| i | number of a tensor of the chain; s[i] its bytes, A those of the arena |
| d[i] | bytes by which tensor i must begin before tensor i - 1 if it lies below (its lead) |
| l, h | lowest and highest offset that tensor i can have, given that all before it have one |

    below  offset[i] <= h[i-1] - d[i]
    above  offset[i] >= l[i-1] + s[i-1]

The offsets that a tensor can have depend on l and h of the tensor before it alone, so whether a
chain fits an arena takes one pass, and the smallest arena a binary search. Without overlaps tensors
lie at both ends in turn, which always reaches the lower bound.
"""

from collections.abc import Sequence

from .buffers import Buffers


def is_chain(buffers: Buffers) -> bool:
    """Whether each buffer exists only with the one before it and the one after it."""
    return all(abs(i - j) == 1 for i, others in enumerate(buffers.together) for j in others)


def place_chain(buffers: Buffers, alignment_bytes: int) -> list[int]:
    """Offsets of the buffers of a chain in the smallest arena."""
    low = max(buffers.step_bytes(), default=0) // alignment_bytes
    pairs = zip(buffers.items, buffers.items[1:], strict=False)
    high = max([low, *((a.size + b.size) // alignment_bytes for a, b in pairs)])
    while low < high:
        middle = (low + high) // 2
        if _ranges(buffers, middle * alignment_bytes) is None:
            low = middle + 1
        else:
            high = middle
    ranges = _ranges(buffers, low * alignment_bytes)
    assert ranges is not None
    return _offsets(buffers, ranges)


def _ranges(buffers: Buffers, arena_bytes: int) -> list[tuple[int, int]] | None:
    """(l, h) of every buffer; None where the chain does not fit."""
    found: list[tuple[int, int]] = []
    for i, buffer in enumerate(buffers.items):
        low, high = 0, arena_bytes - buffer.size
        if found and i - 1 in buffers.together[i]:
            highest_below = min(found[-1][1] - buffers.distance(i, i - 1), high)
            lowest_above = found[-1][0] + buffers.items[i - 1].size
            low = 0 if highest_below >= 0 else lowest_above
            high = high if lowest_above <= high else highest_below
        if low > high:
            return None
        found.append((low, high))
    return found


def _offsets(buffers: Buffers, ranges: Sequence[tuple[int, int]]) -> list[int]:
    """From the last buffer back to the first: each at an end of its range that allows the next."""
    offsets = [ranges[-1][0]] if ranges else []
    for i in range(len(ranges) - 1, 0, -1):
        low, high = ranges[i - 1]
        apart = i - 1 not in buffers.together[i]
        below = offsets[-1] <= high - buffers.distance(i, i - 1)
        offsets.append(low if apart or not below else high)
    return offsets[::-1]


def alternate_ends(scratch: Sequence[bool], buffers: Buffers, arena_bytes: int) -> list[int] | None:
    """Offsets with tensors at both ends in turn; None where more than two exist at one time.

    Args:
        scratch: By buffer, whether it is scratch memory, which belongs to one operator and lies on
            top of the tensor at the bottom.
        buffers: Without overlaps; scratch after the tensors.
        arena_bytes: The lower bound, which is always reached.
    """
    offsets = [0] * len(scratch)
    bottom_end: dict[int, int] = {}
    at_top = False
    previous_last = before_previous_last = -1
    for index, buffer in enumerate(buffers.items):
        if scratch[index]:
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
    for index, buffer in enumerate(buffers.items):
        if scratch[index]:
            if buffer.first != buffer.last or buffer.first in has_scratch:
                return None
            has_scratch.add(buffer.first)
            offsets[index] = bottom_end.get(buffer.first, 0)
    return offsets
