"""Offsets in the arena: valid always, optimal where it is said, by brute force."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse_search.errors import MemoryPlanError
from sparse_search.memory.buffers import Buffer, Buffers
from sparse_search.memory.exact import search_offsets
from sparse_search.memory.lifetimes import Lifetime
from sparse_search.memory.offsets import Placement, place

GREEDY_FAILS = [
    (3, 1, 4),
    (2, 1, 1),
    (6, 0, 4),
    (1, 2, 3),
    (2, 0, 1),
    (6, 0, 0),
    (6, 3, 4),
]
"""(size, first, last); every greedy order needs 17 units, the optimum is 16."""

BOUND_FAILS = [
    (2, 2, 5),
    (2, 2, 4),
    (1, 4, 5),
    (3, 6, 6),
    (3, 5, 6),
    (1, 4, 4),
    (3, 0, 3),
    (3, 1, 1),
    (1, 5, 6),
]
"""At most 7 units exist at one time, yet 8 are needed."""


def tensors(rows: Sequence[tuple[int, int, int]]) -> list[Lifetime]:
    """Lifetimes from (size, first, last)."""
    return [Lifetime(f"t{i}", "tensor", *row) for i, row in enumerate(rows)]


def live_bytes(items: Sequence[Lifetime], alignment: int) -> list[int]:
    """Aligned bytes that exist at each step, counted one by one."""
    return [
        sum(-(-i.size_bytes // alignment) * alignment for i in items if i.first <= step <= i.last)
        for step in range(1 + max((item.last for item in items), default=-1))
    ]


@st.composite
def lifetimes(draw: st.DrawFn, most: int = 5, largest: int = 4) -> list[Lifetime]:
    """Buffers with arbitrary lifetimes; equal ones are frequent."""
    pairs = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(sorted)
    rows = draw(st.lists(st.tuples(st.integers(1, largest), pairs), min_size=1, max_size=most))
    return tensors([(size, first, last) for size, (first, last) in rows])


@st.composite
def chains(draw: st.DrawFn) -> list[Lifetime]:
    """Tensors of a chain of operators, the input first, and scratch of some operators."""
    sizes = draw(st.lists(st.integers(1, 3000), min_size=2, max_size=12))
    scratch = draw(st.lists(st.integers(0, 3000), min_size=len(sizes) - 1, max_size=len(sizes) - 1))
    end = len(sizes) - 2
    items = [
        Lifetime(f"t{i}", "tensor", size, max(i - 1, 0), min(i, end))
        for i, size in enumerate(sizes)
    ]
    items += [Lifetime(f"s{i}", "scratch", size, i, i) for i, size in enumerate(scratch) if size]
    return items


Leads = Mapping[tuple[str, str], int]


@st.composite
def with_leads(draw: st.DrawFn, items: Sequence[Lifetime]) -> Leads:
    """The output of a step may lie over earlier buffers that are used last in this step."""
    leads = {}
    outputs = {item.first: index for index, item in enumerate(items)}
    for index, output in enumerate(items):
        for source in items[:index]:
            ends = source.last == output.first and outputs[output.first] == index
            if ends and draw(st.booleans()):
                leads[output.name, source.name] = draw(st.integers(0, output.size_bytes))
    return leads


def apart(start: int, item: Lifetime, other_start: int, other: Lifetime, leads: Leads) -> bool:
    """Whether two buffers, the first of them earlier in the list, may lie as they do."""
    if item.last < other.first or other.last < item.first:
        return True
    lead = leads.get((other.name, item.name), other.size_bytes)
    return start + item.size_bytes <= other_start or other_start + lead <= start


def check_valid(
    items: Sequence[Lifetime], placement: Placement, alignment: int, leads: Leads | None = None
) -> None:
    """No two buffers that exist together harm each other; all lie aligned inside the arena."""
    spans = [
        (offset, offset + item.size_bytes, item)
        for offset, item in zip(placement.offsets_bytes, items, strict=True)
    ]
    for index, (start, end, item) in enumerate(spans):
        assert start % alignment == 0
        assert 0 <= start < end <= placement.arena_bytes
        for other_start, _, other in spans[:index]:
            assert apart(other_start, other, start, item, leads or {})
    assert placement.arena_bytes % alignment == 0
    assert placement.arena_bytes >= placement.lower_bound_bytes
    if not leads:
        assert list(placement.step_bytes) == live_bytes(items, alignment)


def smallest_arena(items: Sequence[Lifetime], leads: Leads | None = None) -> int:
    """The smallest arena by trying every offset of every buffer (alignment 1)."""

    def fits(arena: int, placed: list[tuple[int, Lifetime]]) -> bool:
        if len(placed) == len(items):
            return True
        item = items[len(placed)]
        return any(
            fits(arena, [*placed, (offset, item)])
            for offset in range(arena - item.size_bytes + 1)
            if all(apart(start, other, offset, item, leads or {}) for start, other in placed)
        )

    arena = max(item.size_bytes for item in items)
    while not fits(arena, []):
        arena += 1
    return arena


@settings(max_examples=200, deadline=None)
@given(lifetimes())
def test_small_plans_are_optimal(items: list[Lifetime]) -> None:
    """The arena is the smallest of all possible placements, and is said to be."""
    placement = place(items, 1, 100_000)
    check_valid(items, placement, 1)
    assert placement.optimal
    assert placement.arena_bytes == smallest_arena(items)


@settings(max_examples=200, deadline=None)
@given(lifetimes())
def test_the_exact_search_alone_finds_the_optimum(items: list[Lifetime]) -> None:
    """Without a greedy start and without the lower bound, branch and bound still proves it."""
    buffers = Buffers([Buffer(x.size_bytes, x.first, x.last) for x in items], {})
    offsets, complete = search_offsets(buffers, sum(x.size_bytes for x in items) + 1, 0, 1_000_000)
    assert complete
    assert offsets is not None
    arena = buffers.arena_bytes(offsets)
    assert arena == smallest_arena(items)
    check_valid(items, Placement(tuple(offsets), arena, tuple(live_bytes(items, 1)), True), 1)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_small_plans_with_overlaps_are_optimal(data: st.DataObject) -> None:
    """Outputs may lie over their inputs; still no placement is smaller, and the bound is one."""
    items = data.draw(lifetimes())
    leads = data.draw(with_leads(items))
    placement = place(items, 1, 100_000, leads)
    check_valid(items, placement, 1, leads)
    assert placement.optimal
    assert placement.arena_bytes == smallest_arena(items, leads)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_short_chain_with_overlaps_is_optimal(data: st.DataObject) -> None:
    """Without any search: its arena is that of brute force."""
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=5))
    end = len(sizes) - 2
    items = tensors([(size, max(i - 1, 0), min(i, end)) for i, size in enumerate(sizes)])
    leads = data.draw(with_leads(items))
    placement = place(items, 1, 0, leads)
    check_valid(items, placement, 1, leads)
    assert placement.optimal
    assert placement.arena_bytes == smallest_arena(items, leads)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from([1, 4, 16]), st.sampled_from([0, 50]))
def test_any_plan_with_overlaps_is_valid(
    data: st.DataObject, alignment: int, max_nodes: int
) -> None:
    """Large plans too, whatever the alignment and the effort."""
    items = data.draw(lifetimes(most=20, largest=500))
    leads = data.draw(with_leads(items))
    check_valid(items, place(items, alignment, max_nodes, leads), alignment, leads)


@settings(max_examples=100, deadline=None)
@given(lifetimes(most=30, largest=500), st.sampled_from([1, 4, 16]), st.sampled_from([0, 50]))
def test_any_plan_is_valid(items: list[Lifetime], alignment: int, max_nodes: int) -> None:
    """Large plans never overlap, whatever the alignment and the effort."""
    check_valid(items, place(items, alignment, max_nodes), alignment)


@settings(max_examples=200, deadline=None)
@given(chains(), st.sampled_from([1, 4, 16]))
def test_a_chain_always_reaches_the_lower_bound(items: list[Lifetime], alignment: int) -> None:
    """With or without scratch memory, without any search."""
    placement = place(items, alignment, max_nodes=0)
    check_valid(items, placement, alignment)
    assert placement.arena_bytes == placement.lower_bound_bytes
    assert placement.optimal


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8))
def test_buffers_with_equal_lifetimes_lie_side_by_side(sizes: list[int]) -> None:
    """The arena of buffers that all exist together is the sum of their sizes."""
    items = tensors([(size, 2, 5) for size in sizes])
    placement = place(items, alignment_bytes=1)
    check_valid(items, placement, 1)
    assert placement.arena_bytes == sum(sizes)


def test_the_search_improves_on_every_greedy_order() -> None:
    """An instance on which all greedy orders need 17 and the optimum is 16."""
    items = tensors(GREEDY_FAILS)
    greedy = place(items, 1, max_nodes=0)
    assert (greedy.arena_bytes, greedy.optimal) == (17, False)
    exact = place(items, 1, 1000)
    check_valid(items, exact, 1)
    assert (exact.arena_bytes, exact.optimal) == (16, True)


def test_the_optimum_may_lie_above_the_lower_bound() -> None:
    """The search proves that no placement reaches the bound; brute force agrees."""
    items = tensors(BOUND_FAILS)
    placement = place(items, 1, 1000)
    check_valid(items, placement, 1)
    assert (placement.lower_bound_bytes, placement.arena_bytes) == (7, 8)
    assert placement.optimal
    assert smallest_arena(items) == 8


def test_the_effort_is_bounded_and_optimality_is_not_claimed_then() -> None:
    """With one node the search cannot finish; the greedy result stays."""
    items = tensors(BOUND_FAILS)
    placement = place(items, 1, max_nodes=1)
    check_valid(items, placement, 1)
    assert not placement.optimal


def test_many_buffers_are_placed_without_the_search() -> None:
    """A plan too large for the exact search keeps a valid greedy placement."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 60, 150)
    rows = zip(rng.integers(1, 999, 150), first, first + rng.integers(0, 9, 150), strict=True)
    items = tensors([(int(size), int(a), int(b)) for size, a, b in rows])
    placement = place(items)
    check_valid(items, placement, 4)
    assert placement.arena_bytes <= 1.1 * placement.lower_bound_bytes


def test_no_buffers_need_no_arena() -> None:
    """The empty plan is empty."""
    assert place([]) == Placement((), 0, (), optimal=True)


@pytest.mark.parametrize("row", [(0, 0, 1), (4, 2, 1), (4, -1, 1)])
def test_impossible_buffers_are_errors(row: tuple[int, int, int]) -> None:
    """Sizes below 1, lifetimes that end before they begin, and negative times."""
    with pytest.raises(MemoryPlanError, match="expected a size >= 1"):
        place(tensors([row]))


def test_an_impossible_alignment_is_an_error() -> None:
    """Alignment is at least one byte."""
    with pytest.raises(MemoryPlanError, match="alignment of at least 1"):
        place(tensors([(1, 0, 0)]), 0)
