"""The Pareto front as a data frame, as ``front.csv`` and in one sentence."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ..candidate import Evaluation
from ..errors import StudyError
from ..pareto import ParetoFront
from ..target import Limits
from .files import write_atomically

COUNT_COLUMNS = (
    "nonzeros",
    "flash_bytes",
    "arena_bytes",
    "in_weights_bytes",
    "in_out_bytes",
    "macs",
    "parameters",
)
"""Columns of ``front.csv`` that are whole numbers, by the name of the evaluation's figure."""

FRONT_COLUMNS = ("candidate", "val_error", "test_error", *COUNT_COLUMNS)
"""Columns of ``front.csv`` in order."""


def figure_of(evaluation: Evaluation, name: str) -> float:
    """An objective or metric of an evaluation.

    Raises:
        StudyError: It was not measured.
    """
    for figures in (evaluation.objectives, evaluation.metrics):
        if name in figures:
            return figures[name]
    raise StudyError(
        f"expected candidate {evaluation.candidate.id} to have {name}, got "
        f"{', '.join([*evaluation.objectives, *evaluation.metrics])}; evaluate it again"
    )


def front_frame(front: ParetoFront, test_errors: Mapping[int, float]) -> pd.DataFrame:
    """One row per Pareto-optimal model, the most accurate on validation images first.

    Models of equal validation error are in the order of flash, arena and candidate.

    Args:
        front: The models.
        test_errors: Test error (fraction) of integer models by candidate; NaN where missing.

    Raises:
        StudyError: A model lacks one of the figures.
    """
    rows = [
        {
            "candidate": e.candidate.id,
            "val_error": figure_of(e, "val_error"),
            "test_error": test_errors.get(e.candidate.id, float("nan")),
            **{name: int(figure_of(e, name)) for name in COUNT_COLUMNS},
        }
        for e in front.evaluations
    ]
    types = {name: "float64" if "error" in name else "int64" for name in FRONT_COLUMNS}
    frame = pd.DataFrame(rows, columns=list(FRONT_COLUMNS)).astype(types)
    order = ["val_error", "flash_bytes", "arena_bytes", "candidate"]
    return frame.sort_values(order, ignore_index=True)


def write_front_csv(path: str | Path, frame: pd.DataFrame) -> None:
    """Writes ``front_frame``'s frame: errors with 6 significant digits, empty if not measured."""
    text = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_atomically(path, text.encode())


def summary(frame: pd.DataFrame, limits: Limits, measured: int | None = None) -> str:
    """What a run found, in one sentence of plain text.

    The most accurate model is the one of lowest validation error: the test split never chooses.

    Args:
        frame: ``front_frame``'s.
        limits: What models must keep; a limit of a figure that the frame lacks is taken as kept.
        measured: How many models were measured, on the front or not; None where it is not known.
    """
    bounds = limits.by_figure
    within = ", ".join(f"{name} ≤ {bound:,}" for name, bound in bounds.items())
    fits = frame
    for name, bound in bounds.items():
        if name in frame:
            fits = fits[fits[name] <= bound]
    if fits.empty:
        if measured == 0 or not bounds:
            return "No model was measured."
        return f"No model keeps the limits ({within})."
    best = fits.sort_values("val_error", kind="stable").iloc[0]
    split = "validation" if pd.isna(best["test_error"]) else "test"
    error = best["val_error" if split == "validation" else "test_error"]
    plural = "" if len(frame) == 1 else "s"
    return (
        f"{len(frame)} Pareto-optimal model{plural}; the most accurate on validation images"
        f"{f' within the limits ({within})' if bounds else ''}, candidate "
        f"{best['candidate']:.0f}, has {100 * error:.2f} % {split} error in "
        f"{best['flash_bytes']:,.0f} B of flash and {best['arena_bytes']:,.0f} B of arena."
    )
