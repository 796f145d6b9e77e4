"""Pareto dominance and hypervolume against brute force and BoTorch; the front of evaluations."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sparse_search.architecture import Architecture
from sparse_search.candidate import Candidate, Evaluation
from sparse_search.pareto import ParetoFront, hypervolume, meets, non_dominated, objective_values
from sparse_search.target import Limits


def small_grids():
    """Points [n, k] on a coarse grid, so that ties and copies are common."""
    return st.tuples(st.integers(1, 25), st.integers(1, 4)).flatmap(
        lambda shape: arrays(np.int64, shape, elements=st.integers(0, 5))
    )


def dominates(a, b):
    """The definition of dominance, one pair at a time."""
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(
        x < y for x, y in zip(a, b, strict=True)
    )


def counted_volume(points, side):
    """Number of unit cells of the cube [0, side]^k that integer points dominate."""
    cells = np.indices((side,) * points.shape[1]).reshape(points.shape[1], -1).T
    return int((cells[:, None, :] >= points[None]).all(axis=2).any(axis=1).sum())


@given(small_grids())
def test_non_dominated_is_the_definition(values):
    """The mask equals the definition applied to every pair; all copies are kept."""
    expected = [not any(dominates(rival, point) for rival in values) for point in values]
    assert non_dominated(values).tolist() == expected


@settings(deadline=None)
@given(small_grids())
def test_hypervolume_equals_counted_cells(values):
    """On a grid of integers the volume is the number of dominated unit cells."""
    assert hypervolume(values, [6] * values.shape[1]) == counted_volume(values, 6)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_hypervolume_equals_botorch(objectives):
    """Random real points, some beyond the reference, give BoTorch's volume."""
    with warnings.catch_warnings():
        # A dependency of BoTorch uses torch.jit, which torch deprecates.
        warnings.filterwarnings("ignore", message="`torch.jit", category=DeprecationWarning)
        from botorch.utils.multi_objective.hypervolume import Hypervolume
    rng = np.random.default_rng(objectives)
    for count in (1, 5, 40):
        values = rng.random((count, objectives))
        reference = np.full(objectives, 0.8)
        optimal = values[non_dominated(values)]
        theirs = Hypervolume(torch.tensor(-reference)).compute(torch.tensor(-optimal))
        assert hypervolume(values, reference) == pytest.approx(theirs, abs=1e-12)


def test_hypervolume_of_nothing_is_zero():
    """No points, or none below the reference, dominate nothing."""
    assert hypervolume([], [1.0, 1.0]) == 0.0
    assert hypervolume([[1.0, 0.5]], [1.0, 1.0]) == 0.0


def test_values_that_were_not_measured_are_refused():
    """A NaN says what to do; a wrong number of objectives says what was expected."""
    with pytest.raises(ValueError, match="leave out what was not measured"):
        non_dominated([[0.1, np.nan]])
    with pytest.raises(ValueError, match="expected points"):
        hypervolume([[1.0, 2.0]], [3.0])


def evaluation(number, error, size, arena=100):
    """An evaluation with the given figures."""
    objectives = {"val_error": error, "flash_bytes": size}
    return Evaluation(Candidate(number, Architecture()), objectives, {"arena_bytes": arena})


NAMES = ("val_error", "flash_bytes")


def test_front_is_sorted_and_keeps_equal_evaluations():
    """Dominated evaluations are left out; the rest comes by error, copies by id."""
    evaluations = [
        evaluation(0, 0.3, 100),
        evaluation(1, 0.1, 300),
        evaluation(2, 0.2, 300),
        evaluation(3, 0.1, 300),
    ]
    front = ParetoFront.of(evaluations, NAMES)
    assert [e.candidate.id for e in front.evaluations] == [1, 3, 0]
    assert front.values.tolist() == [[0.1, 300], [0.1, 300], [0.3, 100]]
    assert evaluations[0] in front
    assert evaluations[2] not in front
    assert front.hypervolume([1.0, 400]) == pytest.approx(0.7 * 300 + 0.2 * 100)


def test_front_inside_limits_ignores_what_breaks_them():
    """An evaluation over a limit neither joins the front nor dominates one that keeps it."""
    evaluations = [evaluation(0, 0.1, 50, arena=900), evaluation(1, 0.2, 60, arena=100)]
    front = ParetoFront.of(evaluations, NAMES, Limits(ram_bytes=500))
    assert [e.candidate.id for e in front.evaluations] == [1]
    assert len(ParetoFront.of(evaluations, NAMES, Limits(ram_bytes=50))) == 0


def test_missing_figures_are_named():
    """What an evaluation lacks is an error, not a zero."""
    with pytest.raises(ValueError, match="candidate 4 has no macs"):
        objective_values([evaluation(4, 0.1, 1)], ["macs"])
    with pytest.raises(ValueError, match="candidate 4 has no nonzeros, which is limited"):
        meets(evaluation(4, 0.1, 1), Limits(model_bytes=9, model_definition="nonzeros"))
