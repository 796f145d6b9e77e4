"""What `sparse-search inspect` says: lines of text and two tables."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from ..dataset import Dataset, Split
from ..inspection import (
    NEAR_CORRELATION,
    OUTLIER_SCORE,
    Feasibility,
    Leak,
    Outlier,
    class_counts,
    constant_pixels,
    find_conflicts,
    find_leaks,
    find_outliers,
    flat_images,
    has_equal_channels,
)
from .tables import number_column, plain_table

_MOST_CLASSES = 20
_MOST_NAMES = 5
_MOST_CONFLICTS = 3
_UNBALANCED = 5.0


def balance_table(data: Dataset, splits: Mapping[str, Split]) -> Table:
    """Images of each class in each split; of many classes the largest and smallest."""
    counts = class_counts(splits, data.class_count)
    order = [*range(data.class_count)]
    title = f"Images of {data.class_count} classes"
    if len(order) > _MOST_CLASSES:
        by_size = np.argsort(-counts.sum(axis=1), kind="stable").tolist()
        order = by_size[: _MOST_CLASSES // 2] + by_size[-_MOST_CLASSES // 2 :]
        title += f", the {_MOST_CLASSES // 2} largest and smallest"
    table = plain_table(title)
    table.add_column("class", overflow="fold")
    for name in splits:
        number_column(table, name)
    for label in order:
        table.add_row(escape(data.class_names[label]), *(f"{n:,}" for n in counts[label]))
    table.add_section()
    table.add_row("all classes", *(f"{n:,}" for n in counts.sum(axis=0)))
    return table


def findings(data: Dataset, splits: Mapping[str, Split]) -> Iterator[tuple[str, str]]:
    """What was found, one line each, as ("good" or "warning", text).

    Args:
        data: The data set.
        splits: By name, in the order train, validation, test.
    """
    yield _balance(class_counts(splits, data.class_count), data)
    for leak in find_leaks(splits):
        yield _leak(leak)
    conflicts = find_conflicts(splits)
    if conflicts:
        named = "; ".join(_conflict(conflict, data) for conflict in conflicts[:_MOST_CONFLICTS])
        more = "; …" if len(conflicts) > _MOST_CONFLICTS else ""
        text = f"labels: {_images(len(conflicts))} there under more than one class"
        yield "warning", f"{text}: {named}{more}"
    else:
        yield "good", f"labels: {_images(0)} there under two classes"
    yield _outliers(find_outliers(splits), data)
    constant = constant_pixels(data.train)
    numbers = int(np.prod(data.input_shape))
    level = "warning" if constant > numbers / 2 else "good"
    yield level, f"constant: {constant:,} of the {numbers:,} numbers of an image never change"
    flat = flat_images(splits)
    if flat:
        yield "warning", f"flat: {_images(len(flat))} of one colour only: {_listed(flat)}"
    if has_equal_channels(data.train):
        yield "warning", "colour: all images are grey in truth; --grey takes a third of the RAM"


def feasibility_lines(found: Feasibility) -> Iterator[str]:
    """The smallest networks, and which boards hold one."""
    yield "the smallest networks of the search space for this input and these classes:"
    plans = {"flash": found.least_flash, "RAM": found.least_arena}
    if found.least_flash == found.least_arena:
        plans = {"flash and RAM": found.least_flash}
    for what, plan in plans.items():
        yield (
            f"  least {what}: {plan.flash_bytes:,} B of flash, {plan.arena_bytes:,} B of RAM "
            f"(arena), {plan.macs:,} MACs"
        )
    yield f"boards that hold one: {', '.join(b.name for b in found.boards) or 'none'}"
    if found.too_small:
        yield f"too small: {', '.join(board.name for board in found.too_small)}"


def _balance(counts: NDArray[np.int64], data: Dataset) -> tuple[str, str]:
    total = counts.sum(axis=1)
    largest, smallest = int(total.argmax()), int(total.argmin())
    ratio = total[largest] / max(1, total[smallest])
    guess = 1.0 - counts[:, 1].max() / counts[:, 1].sum()
    text = (
        f"balance: the largest class, {data.class_names[largest]!r}, has {ratio:.1f} times the "
        f"images of the smallest, {data.class_names[smallest]!r}; always guessing one class has "
        f"{guess:.1%} validation error"
    )
    return ("warning" if ratio > _UNBALANCED else "good"), text


def _leak(leak: Leak) -> tuple[str, str]:
    text = f"leaks: {_images(leak.exact, f'of {leak.second} ')} in {leak.first} too"
    if not leak.exact and not leak.near:
        near = "" if leak.near is None else ", exactly or nearly"
        return "good", text + near
    near = (
        ""
        if leak.near is None
        else f"; of {leak.compared:,} others, {leak.near:,} nearly (correlation of the pixels at "
        f"least {NEAR_CORRELATION})"
    )
    pairs = "; ".join(f"{second} = {first}" for first, second in leak.examples)
    return "warning", f"{text}{near}: {pairs}"


def _conflict(names: Mapping[int, str], data: Dataset) -> str:
    return " = ".join(f"{name} ({data.class_names[label]})" for label, name in names.items())


def _images(count: int, what: str = "") -> str:
    if count == 0:
        return f"no image {what}is"
    return f"1 image {what}is" if count == 1 else f"{count:,} images {what}are"


def _outliers(found: tuple[Outlier, ...], data: Dataset) -> tuple[str, str]:
    rule = (
        f"distance to the mean of the class at least {OUTLIER_SCORE:g} scaled median deviations "
        "above the median"
    )
    if not found:
        return "good", f"outliers: none ({rule})"
    shown = _listed(
        [f"{o.image} of {o.split} ({data.class_names[o.label]}, {o.score:.1f})" for o in found]
    )
    return "warning", f"outliers: {len(found):,} ({rule}): {shown}"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
