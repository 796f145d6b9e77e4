"""Labels stay in their area, hide neither each other nor points, and are placed the same again."""

from itertools import combinations

import numpy as np
import pytest

from sparse_search.report.labels import Box, PlacedLabel, place_labels, text_size_points

AREA = (0.0, 0.0, 800.0, 600.0)
SIZE = (60.0, 14.0)


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share an area, spelled out."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def place(points: np.ndarray, taken: tuple[Box, ...] = ()) -> list[PlacedLabel]:
    """Labels of one size for points in the area."""
    return place_labels(points, [SIZE] * len(points), AREA, taken=taken)


@pytest.mark.parametrize("seed", range(4))
def test_labels_hide_neither_labels_nor_points(seed: int) -> None:
    """Twenty points anywhere, each with a label of its own."""
    points = np.random.default_rng(seed).uniform((40, 40), (760, 560), (20, 2))
    boxes = [label.box for label in place(points)]
    assert not any(overlap(a, b) for a, b in combinations(boxes, 2))
    assert not any(b[0] < x < b[2] and b[1] < y < b[3] for b in boxes for x, y in points)
    assert all(b[0] >= 0 and b[1] >= 0 and b[2] <= 800 and b[3] <= 600 for b in boxes)


def test_column_of_points_is_labelled_without_overlap() -> None:
    """Equal arena sizes put points above each other, closer than a label is high."""
    points = np.array([(400.0, 300.0 + 9 * i) for i in range(8)])
    boxes = [label.box for label in place(points)]
    assert not any(overlap(a, b) for a, b in combinations(boxes, 2))


def test_equal_points_get_labels_side_by_side() -> None:
    """Models with equal figures are all labelled."""
    boxes = [label.box for label in place(np.full((3, 2), 300.0))]
    assert not any(overlap(a, b) for a, b in combinations(boxes, 2))


def test_taken_boxes_are_left_free() -> None:
    """A label goes around a box that covers the places right of its point."""
    box = (300.0, 200.0, 500.0, 400.0)
    (label,) = place(np.array([(295.0, 300.0)]), (box,))
    assert not overlap(label.box, box)


def test_lonely_point_has_its_label_beside_it_and_no_leader() -> None:
    """Up and to the right, as is usual."""
    (label,) = place(np.array([(100.0, 100.0)]))
    assert label.leader is None
    assert label.box[0] > 100
    assert label.box[1] > 100


def test_distant_label_has_a_leader_to_its_edge() -> None:
    """Where a box forbids all places nearby, a line leads to the label."""
    (label,) = place(np.array([(400.0, 300.0)]), ((360.0, 260.0, 440.0, 340.0),))
    assert label.leader is not None
    x, y = label.leader
    assert label.box[0] <= x <= label.box[2]
    assert label.box[1] <= y <= label.box[3]


def test_no_labels() -> None:
    """Nothing to place is fine."""
    assert place(np.empty((0, 2))) == []


def test_lines_of_a_text_add_to_its_height() -> None:
    """The widest line counts; two lines are twice as high as one."""
    wide, one = text_size_points("conv12", 8), text_size_points("8 B", 8)
    assert text_size_points("8 B\nconv12", 8) == (wide[0], 2 * one[1])
