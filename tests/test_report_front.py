"""The front as a data frame, as a CSV file and in one sentence."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from report_data import OBJECTIVES, evaluations

from sparse_search.errors import StudyError
from sparse_search.pareto import ParetoFront
from sparse_search.report import FRONT_COLUMNS, front_frame, summary, write_front_csv
from sparse_search.target import Limits

HEADER = (
    "candidate,val_error,test_error,nonzeros,flash_bytes,arena_bytes,"
    "in_weights_bytes,in_out_bytes,macs,parameters"
)
LIMITS = Limits(2048, 2048)


def small_front() -> ParetoFront:
    """The front of forty models."""
    return ParetoFront.of(evaluations(40), OBJECTIVES, LIMITS)


def known_frame(rows: int = 2) -> pd.DataFrame:
    """Two models in round figures, only the first of which was tested."""
    values = [
        (3, 1 / 3, 0.0212345678, 900, 1804, 1568, 400, 1000, 12345, 1000),
        (1, 0.5, float("nan"), 20, 300, 100, 90, 80, 70, 60),
    ]
    return pd.DataFrame(values[:rows], columns=list(FRONT_COLUMNS))


def test_columns_are_the_published_ones_in_order() -> None:
    """The frame has exactly the columns of front.csv; counts are integers."""
    frame = front_frame(small_front(), {})
    assert ",".join(frame.columns) == HEADER
    assert all(frame[name].dtype == "int64" for name in FRONT_COLUMNS if "error" not in name)


def test_one_row_per_model_with_its_own_figures() -> None:
    """Every figure is the evaluation's; the test error is the one that was passed in."""
    front = small_front()
    tested = {e.candidate.id: 0.25 for e in front.evaluations[1:]}
    frame = front_frame(front, tested).set_index("candidate")
    assert len(frame) == len(front) > 3
    for e in front.evaluations:
        row = frame.loc[e.candidate.id]
        assert row["val_error"] == e.objectives["val_error"]
        assert row["macs"] == e.metrics["macs"]
        assert row["in_out_bytes"] == e.metrics["in_out_bytes"]
    assert frame["test_error"].isna().sum() == 1
    assert frame["test_error"].isna()[front.evaluations[0].candidate.id]


def test_most_accurate_model_comes_first() -> None:
    """Rows are in the order of error, then flash, then arena, whatever the objectives are."""
    front = small_front()
    by_size = replace(front, evaluations=tuple(reversed(front.evaluations)))
    frame = front_frame(by_size, {})
    keys = list(zip(frame["val_error"], frame["flash_bytes"], frame["arena_bytes"], strict=True))
    assert keys == sorted(keys)


def test_csv_text_is_stable(tmp_path: Path) -> None:
    """Integers as integers, errors with six significant digits, an empty cell if not tested."""
    write_front_csv(tmp_path / "run" / "front.csv", known_frame())
    assert (tmp_path / "run" / "front.csv").read_bytes().decode() == (
        f"{HEADER}\n"
        "3,0.333333,0.0212346,900,1804,1568,400,1000,12345,1000\n"
        "1,0.5,,20,300,100,90,80,70,60\n"
    )


def test_csv_round_trip(tmp_path: Path) -> None:
    """What is read is what was written, the column types included; nothing else is left."""
    front = small_front()
    frame = front_frame(front, {e.candidate.id: 0.03125 for e in front.evaluations[:-1]})
    write_front_csv(tmp_path / "front.csv", frame)
    write_front_csv(tmp_path / "front.csv", frame)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "front.csv"), frame)
    assert [p.name for p in tmp_path.iterdir()] == ["front.csv"]


def test_empty_front_has_a_header_and_no_rows(tmp_path: Path) -> None:
    """A run that found nothing still has a readable file."""
    frame = front_frame(ParetoFront(OBJECTIVES, ()), {})
    write_front_csv(tmp_path / "front.csv", frame)
    assert (tmp_path / "front.csv").read_text() == HEADER + "\n"
    assert frame["macs"].dtype == "int64"


def test_missing_figure_is_named() -> None:
    """An evaluation without MACs cannot be a row."""
    front = small_front()
    first = front.evaluations[0]
    metrics = {name: value for name, value in first.metrics.items() if name != "macs"}
    broken = replace(front, evaluations=(replace(first, metrics=metrics),))
    with pytest.raises(StudyError, match=rf"candidate {first.candidate.id} to have macs"):
        front_frame(broken, {})


def test_summary_names_the_best_model() -> None:
    """Count, limits, the error of the best model on validation images, its flash and arena."""
    assert summary(known_frame(), LIMITS) == (
        "2 Pareto-optimal models; the most accurate on validation images within the limits "
        "(arena_bytes ≤ 2,048, flash_bytes ≤ 2,048), candidate 3, has 2.12 % test error in "
        "1,804 B of flash and 1,568 B of arena."
    )
    assert summary(known_frame(1), Limits()).startswith("1 Pareto-optimal model; the most ")


def test_summary_takes_the_best_that_fits() -> None:
    """A model over a limit is not the one; without a test error the validation error is given."""
    text = summary(known_frame(), Limits(ram_bytes=1567))
    assert "candidate 1, has 50.00 % validation error in 300 B of flash" in text


def test_summary_without_models() -> None:
    """Says that nothing fits, or that nothing was measured."""
    assert summary(known_frame(), Limits(50)) == "No model keeps the limits (arena_bytes ≤ 50)."
    assert summary(known_frame(0), Limits()) == "No model was measured."
    assert summary(known_frame(0), LIMITS, 0) == "No model was measured."
    assert summary(known_frame(0), LIMITS, 3).startswith("No model keeps the limits")
