"""Hypervolume against evaluations: its reference point, and the curve against brute force."""

from dataclasses import replace

import numpy as np
import pytest
from report_data import OBJECTIVES, evaluations

from sparse_search.pareto import meets
from sparse_search.report.volume import reference_point, volume_curve
from sparse_search.target import Limits

LIMITS = Limits(2048, 2048)
CLASSES = 10


def test_the_reference_is_ten_times_the_best_error_and_the_limits() -> None:
    """Where there is no limit, the largest measured figure stands for it."""
    measured = evaluations(30)
    best = min(e.objectives["val_error"] for e in measured)
    corner = reference_point([(measured, Limits(ram_bytes=1500))], OBJECTIVES, CLASSES)
    assert corner == {
        "val_error": pytest.approx(min(0.9, 10 * best)),
        "flash_bytes": max(e.objectives["flash_bytes"] for e in measured),
        "arena_bytes": 1500,
    }


def test_several_studies_share_the_largest_corner() -> None:
    """Of the errors the best counts, of the sizes the largest; empty studies do not count."""
    first, second = evaluations(12, seed=1), evaluations(12, seed=2)
    studies = [(first, LIMITS), (second, Limits(4096, 1024)), ([], Limits(10**9, 10**9))]
    corner = reference_point(studies, OBJECTIVES, CLASSES)
    best = min(e.objectives["val_error"] for e in (*first, *second))
    assert corner["val_error"] == pytest.approx(min(0.9, 10 * best))
    assert (corner["flash_bytes"], corner["arena_bytes"]) == (2048, 4096)


def test_a_study_without_an_error_does_not_shut_another_out() -> None:
    """The box has room for the best model of each."""
    measured = evaluations(12)
    perfect = replace(measured[0], objectives={**measured[0].objectives, "val_error": 0.0})
    corner = reference_point([(measured, LIMITS), ([perfect], LIMITS)], OBJECTIVES, CLASSES)
    best = min(e.objectives["val_error"] for e in measured)
    assert corner["val_error"] == pytest.approx(max(0.01, 2 * best))


def test_without_models_there_is_still_a_box() -> None:
    """Of guessing and of one byte: nothing divides by zero."""
    corner = reference_point([([], LIMITS)], OBJECTIVES, CLASSES)
    assert corner == {"val_error": 0.9, "flash_bytes": 1.0, "arena_bytes": 1.0}
    assert volume_curve([], OBJECTIVES, LIMITS, corner).fractions == ()


def test_the_curve_is_the_share_of_the_box_by_counting_points() -> None:
    """A hundred thousand random points of the box: how many does a model so far dominate?"""
    measured = evaluations(30)
    corner = reference_point([(measured, LIMITS)], OBJECTIVES, CLASSES)
    curve = volume_curve(measured, OBJECTIVES, LIMITS, corner)
    scale = 1.001 * np.array([corner[name] for name in OBJECTIVES])
    darts = np.random.default_rng(0).random((100_000, 3)) * scale
    hit = np.zeros(len(darts), dtype=bool)
    for evaluation, fraction in zip(measured, curve.fractions, strict=True):
        if meets(evaluation, LIMITS):
            values = [evaluation.objectives[name] for name in OBJECTIVES]
            hit |= (darts >= values).all(axis=1)
        assert fraction == pytest.approx(hit.mean(), abs=0.006)
    assert curve.candidates == tuple(e.candidate.id for e in measured)
    assert curve.fractions[-1] > 0.2
