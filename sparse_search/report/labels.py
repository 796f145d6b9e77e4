"""Where labels of points go, so that they hide neither each other nor a point.

Each label has some hundred places around its point. A place costs by its distance, by what it
hides, and by how its leader, the line from the point to a distant label, crosses others. Labels
choose one after another, the most crowded first, and choose again while that lowers the cost.

All coordinates are pixels; a box is (left, bottom, right, top).

Notation:
    options  [n, 4]     boxes that a label may take
    ends     [n, 2]     where the leader of each option ends: its point nearest to the anchor
    boxes    [m, 4]     boxes that are taken
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from matplotlib.textpath import TextPath
from numpy.typing import ArrayLike, NDArray

Box: TypeAlias = tuple[float, float, float, float]
_Array: TypeAlias = NDArray[np.float64]

_ANGLES_DEGREES = tuple((45.0 + 15.0 * i) % 360 for i in range(24))
_DISTANCES = (5.0, 8.0, 12.0, 18.0, 26.0, 36.0, 48.0, 64.0, 85.0, 110.0, 140.0)
_MARGIN_POINTS = 2.0
_LEADER_FROM = 8.0
_ROUNDS = 6

_OUTSIDE_COST = 3000.0
_OVERLAP_COST = 300.0
_POINT_COST = 150.0
_CROSSING_COST = 80.0
_AMBIGUOUS_COST = 25.0
_PALE_POINT_COST = 10.0


@dataclass(frozen=True, slots=True)
class PlacedLabel:
    """The place of one label.

    Attributes:
        box: What the text takes.
        leader: Where a line from the point to the text ends; None where none is needed.
    """

    box: Box
    leader: tuple[float, float] | None

    @property
    def center(self) -> tuple[float, float]:
        """Of the text."""
        left, bottom, right, top = self.box
        return ((left + right) / 2, (bottom + top) / 2)


@lru_cache(maxsize=4096)
def text_size_points(text: str, size_points: float) -> tuple[float, float]:
    """Width and height of a text in points (1/72 inch); newlines separate its lines.

    >>> text_size_points("8", 10)[1] < text_size_points("8", 20)[1]
    True
    """
    lines = text.split("\n")
    widths = [TextPath((0, 0), line, size=size_points).get_extents().x1 for line in lines if line]
    return float(max(widths, default=0.0)), 1.2 * size_points * len(lines)


def label_size(text: str, size_points: float, scale: float) -> tuple[float, float]:
    """Width and height in pixels of a text with a small margin.

    Args:
        text: One or more lines.
        size_points: Of the font.
        scale: Pixels per point.
    """
    width, height = text_size_points(text, size_points)
    return (width + 2 * _MARGIN_POINTS) * scale, height * scale


def place_labels(
    anchors: ArrayLike,
    sizes: Sequence[tuple[float, float]],
    area: Box,
    *,
    scale: float = 1.0,
    pale_points: ArrayLike = (),
    taken: Sequence[Box] = (),
    angles_degrees: Sequence[float] = _ANGLES_DEGREES,
) -> list[PlacedLabel]:
    """A place for each label, in the order of the anchors; the same for the same arguments.

    Args:
        anchors: [n, 2], the points that are labelled.
        sizes: Width and height of each label.
        area: Labels stay inside this box if they can.
        scale: Pixels per point (1/72 inch): distances grow with it.
        pale_points: [m, 2], less important points.
        taken: Boxes that labels must not hide.
        angles_degrees: Directions from a point to its label, anticlockwise from the right; of
            equally good places the first one is taken.
    """
    points = np.asarray(anchors, dtype=np.float64).reshape(-1, 2)
    pale = np.asarray(pale_points, dtype=np.float64).reshape(-1, 2)
    fixed = np.array(taken, dtype=np.float64).reshape(-1, 4)
    choices = []
    for i, size in enumerate(sizes):
        options, distances = _options(points[i], size, scale, angles_degrees)
        ends = np.clip(points[i], options[:, :2], options[:, 2:])
        others = np.delete(points, i, axis=0)
        cost = (
            distances
            + _OUTSIDE_COST * _outside(options, area)
            + _OVERLAP_COST * _overlaps(options, fixed)
            + _POINT_COST * _points_inside(options, others, 5 * scale)
            + _PALE_POINT_COST * _points_inside(options, pale, 2 * scale)
            + _AMBIGUOUS_COST * _nearer_points(options, ends, points[i], others)
            + _AMBIGUOUS_COST * _nearer_to_center(options, points[i], others)
            + _CROSSING_COST * _points_on_lines(points[i], ends, others, 5 * scale)
        )
        choices.append((options, ends, cost))
    chosen = _choose(points, choices, _most_crowded_first(points, scale))
    result = []
    for i, option in enumerate(chosen):
        left, bottom, right, top = choices[i][0][option].tolist()
        x, y = choices[i][1][option].tolist()
        far = np.hypot(*(points[i] - (x, y))) > _LEADER_FROM * scale
        result.append(PlacedLabel((left, bottom, right, top), (x, y) if far else None))
    return result


def _most_crowded_first(points: _Array, scale: float) -> list[int]:
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    order: list[int] = np.argsort(-(distances < 60 * scale).sum(axis=1), kind="stable").tolist()
    return order


def _choose(
    points: _Array, choices: Sequence[tuple[_Array, _Array, _Array]], order: Sequence[int]
) -> list[int]:
    """Index of the option of each label: each the cheapest beside what the others chose."""
    chosen: dict[int, int] = {}
    for _ in range(_ROUNDS):
        before = dict(chosen)
        for i in order:
            options, ends, own_cost = choices[i]
            others = [j for j in chosen if j != i]
            boxes = np.array([choices[j][0][chosen[j]] for j in others]).reshape(-1, 4)
            starts = points[others]
            leaders = np.array([choices[j][1][chosen[j]] for j in others]).reshape(-1, 2)
            cost = (
                own_cost
                + _OVERLAP_COST * _overlaps(options, boxes)
                + _CROSSING_COST * _boxes_on_lines(points[i], ends, boxes)
                + _CROSSING_COST * _lines_in_boxes(options, starts, leaders)
                + _CROSSING_COST * _line_crossings(points[i], ends, starts, leaders)
            )
            chosen[i] = int(np.argmin(cost))
        if chosen == before:
            break
    return [chosen[i] for i in range(len(points))]


def _options(
    anchor: _Array, size: tuple[float, float], scale: float, angles_degrees: Sequence[float]
) -> tuple[_Array, _Array]:
    """Boxes [n, 4] around an anchor, and the distance of each in points [n]."""
    angles = np.deg2rad(angles_degrees)
    direction = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # Direction on a square: the box touches the ring with its nearest side or corner.
    toward = direction / np.abs(direction).max(axis=1, keepdims=True)
    half = np.array(size) / 2
    distances = np.repeat(_DISTANCES, len(angles))
    repeats = (len(_DISTANCES), 1)
    offset = distances[:, None] * scale * np.tile(direction, repeats)
    centers = anchor + offset + np.tile(toward, repeats) * half
    return np.hstack([centers - half, centers + half]), distances


def _outside(options: _Array, area: Box) -> _Array:
    """1 for options that leave the area, else 0 [n]."""
    inside = (options[:, :2] >= area[:2]).all(axis=1) & (options[:, 2:] <= area[2:]).all(axis=1)
    return np.where(inside, 0.0, 1.0)


def _overlaps(options: _Array, boxes: _Array) -> _Array:
    """By how many boxes, and by how much of its area, each option is hidden [n]."""
    low = np.maximum(options[:, None, :2], boxes[None, :, :2])
    high = np.minimum(options[:, None, 2:], boxes[None, :, 2:])
    area = np.clip(high - low, 0, None).prod(axis=2)
    own = (options[:, 2:] - options[:, :2]).prod(axis=1, keepdims=True)
    share: _Array = (area / own).sum(axis=1)
    return _count(area > 0) + share


def _inside(points: _Array, boxes: _Array, margin: float = 0.0) -> NDArray[np.bool_]:
    """Whether points [..., 2] are in boxes [..., 4], which are widened by a margin."""
    above = points > boxes[..., :2] - margin
    below = points < boxes[..., 2:] + margin
    return np.asarray((above & below).all(axis=-1))


def _points_inside(options: _Array, points: _Array, margin: float) -> _Array:
    """How many points lie in each option, widened by a margin [n]."""
    return _count(_inside(points[None], options[:, None], margin))


def _nearer_points(options: _Array, ends: _Array, anchor: _Array, others: _Array) -> _Array:
    """How many other points are nearer to an option than its anchor: they seem to be meant [n]."""
    nearest = np.clip(others[None], options[:, None, :2], options[:, None, 2:])
    distances = np.linalg.norm(nearest - others[None], axis=2)
    own = np.linalg.norm(ends - anchor, axis=1, keepdims=True)
    return _count(distances < own)


def _nearer_to_center(options: _Array, anchor: _Array, others: _Array) -> _Array:
    """How many other points are nearer to the middle of an option than its anchor [n]."""
    centers = (options[:, :2] + options[:, 2:]) / 2
    distances = np.linalg.norm(centers[:, None] - others[None], axis=2)
    own = np.linalg.norm(centers - anchor, axis=1, keepdims=True)
    return _count(distances < own)


def _samples(starts: _Array, ends: _Array) -> _Array:
    """Points on lines: [n, 16, 2]; ``starts`` may be one point."""
    steps = np.linspace(0, 1, 16)[:, None]
    lines: _Array = np.atleast_2d(starts)[:, None] + steps * (ends - starts)[:, None]
    return lines


def _points_on_lines(start: _Array, ends: _Array, points: _Array, margin: float) -> _Array:
    """How many points the line from ``start`` to each end passes [n]."""
    samples = _samples(start, ends)
    distances = np.linalg.norm(samples[:, :, None] - points[None, None], axis=3)
    return _count((distances < margin).any(axis=1))


def _boxes_on_lines(start: _Array, ends: _Array, boxes: _Array) -> _Array:
    """How many boxes the line from ``start`` to each end crosses [n]."""
    samples = _samples(start, ends)
    return _count(_inside(samples[:, :, None], boxes[None, None]).any(axis=1))


def _lines_in_boxes(options: _Array, starts: _Array, ends: _Array) -> _Array:
    """How many of the lines each option hides [n]."""
    samples = _samples(starts, ends)
    return _count(_inside(samples[None], options[:, None, None]).any(axis=2))


def _line_crossings(start: _Array, ends: _Array, starts: _Array, others: _Array) -> _Array:
    """How many of the lines ``starts``-``others`` the line to each end crosses [n]."""

    def side(a: _Array, b: _Array, c: _Array) -> _Array:
        ab, ac = b - a, c - a
        return np.asarray(np.sign(ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0]))

    end, first, second = ends[:, None], starts[None], others[None]
    crossed = side(start, end, first) * side(start, end, second) < 0
    crossed &= side(first, second, start) * side(first, second, end) < 0
    return _count(crossed)


def _count(found: ArrayLike) -> _Array:
    """Number of true values in each row of a matrix of truth values."""
    count: _Array = np.asarray(found, dtype=np.float64).sum(axis=1)
    return count
