"""Hypervolume improvement against brute force and against BoTorch."""

import numpy as np
import pytest
import torch

from sparse_search.pareto import hypervolume
from sparse_search.search import gpytorch_pieces
from sparse_search.search.improvement import expected_improvement, hypervolume_improvement


def volume_by_botorch(points, reference):
    """Hypervolume of points to be minimised; BoTorch maximises."""
    # Imported where the warnings of its first import are silenced.
    assert gpytorch_pieces.SingleTaskGP
    from botorch.utils.multi_objective.box_decompositions.dominated import DominatedPartitioning

    partitioning = DominatedPartitioning(
        ref_point=torch.from_numpy(-reference), Y=torch.from_numpy(-points)
    )
    return float(partitioning.compute_hypervolume())


def drawn(count, objectives, seed):
    """Random points, some of them beyond the reference, and copies."""
    points = np.random.default_rng(seed).random((count, objectives))
    return np.concatenate((points, points[:2]))


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_improvement_is_the_difference_of_two_hypervolumes(objectives):
    """Of the front with the point, and of the front without it."""
    front, points = 0.2 + drawn(14, objectives, 0), 1.2 * drawn(30, objectives, 1)
    reference = np.full(objectives, 0.9)
    before = hypervolume(front, reference)
    expected = [hypervolume(np.vstack((front, p)), reference) - before for p in points]
    found = hypervolume_improvement(front, points, reference)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert (found > 0).any()
    assert (found == 0).any()


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_improvement_is_botorchs(objectives):
    """An implementation by others agrees, and so does our hypervolume."""
    front, points = drawn(9, objectives, 2), drawn(8, objectives, 3)
    reference = np.full(objectives, 0.95)
    before = volume_by_botorch(front, reference)
    assert hypervolume(front, reference) == pytest.approx(before)
    expected = [volume_by_botorch(np.vstack((front, p)), reference) - before for p in points]
    np.testing.assert_allclose(
        hypervolume_improvement(front, points, reference), expected, atol=1e-12
    )


def test_an_empty_front_is_improved_by_whole_boxes():
    """Without a front a point adds all that it dominates."""
    points = np.array([[0.5, 0.5, 0.5], [0.9, 0.2, 0.1], [1.5, 0.1, 0.1]])
    found = hypervolume_improvement(np.empty((0, 3)), points, np.ones(3))
    np.testing.assert_allclose(found, [0.125, 0.1 * 0.8 * 0.9, 0.0])


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_expected_improvement_is_the_mean_over_the_cases(objectives):
    """Of the improvements in each case on its own."""
    rng = np.random.default_rng(5)
    front, others = drawn(8, objectives, 6), rng.random((20, objectives - 1))
    cases, reference = rng.random((7, 20)), np.ones(objectives)
    each = [hypervolume_improvement(front, np.column_stack((c, others)), reference) for c in cases]
    np.testing.assert_allclose(
        expected_improvement(front, cases, others, reference), np.mean(each, axis=0), atol=1e-12
    )
