"""Scalarizations against their definitions, and the boxes that they aim at."""

import numpy as np
import pytest

from sparse_search.search.scalarization import AugmentedChebyshev, Boxes, WeightedMax, choose_boxes


def test_weighted_max_is_its_definition():
    """max_k λ_k f_k, one candidate and one objective at a time."""
    rng = np.random.default_rng(0)
    values, weights = rng.random((30, 3)), rng.random(3)
    expected = [max(w * f for w, f in zip(weights, row, strict=True)) for row in values]
    np.testing.assert_array_equal(WeightedMax(weights)(values), expected)


def test_augmented_chebyshev_is_its_definition():
    """The largest weighted distance from the lower corner, plus a little of the sum."""
    rng = np.random.default_rng(1)
    values, weights = rng.random((30, 2)) + 1, np.array([0.3, 0.7])
    low, high = np.array([1.0, 0.5]), np.array([2.0, 3.0])
    expected = []
    for row in values:
        terms = [w * (f - a) / (b - a) for w, f, a, b in zip(weights, row, low, high, strict=True)]
        expected.append(max(terms) + 0.05 * sum(terms))
    found = AugmentedChebyshev(weights, low, high)(values)
    np.testing.assert_allclose(found, expected)


def test_thresholds_are_uniform_in_the_boxes():
    """1/λ is drawn uniformly from [a, b], afresh each time."""
    boxes, rng = Boxes(np.array([0.02, 500.0]), np.array([0.1, 2000.0])), np.random.default_rng(2)
    thresholds = np.array([1 / boxes.draw("max", rng).weights for _ in range(4000)])
    shares = (thresholds - boxes.low) / (boxes.high - boxes.low)
    assert shares.min() >= 0
    assert shares.max() <= 1
    for share in shares.T:
        quantiles = np.quantile(share, np.linspace(0.1, 0.9, 9))
        np.testing.assert_allclose(quantiles, np.linspace(0.1, 0.9, 9), atol=0.04)
    assert abs(np.corrcoef(shares.T)[0, 1]) < 0.05


def test_chebyshev_weights_are_on_the_simplex():
    """Weights are not negative and sum to 1."""
    boxes, rng = Boxes(np.zeros(3) + 1, np.zeros(3) + 2), np.random.default_rng(3)
    for _ in range(20):
        weights = boxes.draw("chebyshev", rng).weights
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["max", "chebyshev"])
def test_every_pareto_point_of_a_concave_front_can_win(kind):
    """Other than a weighted sum, both find the middle of a front that bulges inward."""
    front = np.array([[0.1, 1.0], [0.7, 0.7], [1.0, 0.1]])
    boxes, rng = Boxes(np.array([0.1, 0.1]), np.array([1.0, 1.0])), np.random.default_rng(4)
    winners = {int(np.argmin(boxes.draw(kind, rng)(front))) for _ in range(200)}
    assert winners == {0, 1, 2}


NAMES = ("val_error", "flash_bytes", "macs")
SEEN = np.array([[0.10, 900, 5e4], [0.02, 1900, 9e4], [0.40, 300, 1e4], [0.06, 1000, 2e4]])


def test_boxes_come_from_limits_and_from_what_was_seen():
    """Error: the best three quarters; limited: up to the limit; else the range that was seen."""
    boxes = choose_boxes(NAMES, SEEN, {"flash_bytes": 2048, "arena_bytes": 7}, ["val_error"])
    np.testing.assert_allclose(boxes.low, [0.02, 0.05 * 2048, 1e4])
    np.testing.assert_allclose(boxes.high, [0.175, 2048, 9e4])


def test_boxes_are_never_empty():
    """One evaluation, or an error of 0, still leaves room to draw from."""
    boxes = choose_boxes(NAMES, np.array([[0.0, 500, 1e4]]), {}, ["val_error"])
    assert (boxes.low > 0).all()
    assert (boxes.high > boxes.low).all()
