"""Several runs: joint front, common reference point, and what makes them hard to compare."""

import io
from pathlib import Path
from typing import Any

import pytest
from browser import console_messages, open_browser, open_page, requests, resize
from PIL import Image
from report_runs import OBJECTIVES, empty_run, made_run
from rich.console import Console

from sparse_search.errors import StudyError
from sparse_search.record import StudyRecord
from sparse_search.report import compare, comparison_figure, comparison_table, save_figure
from sparse_search.report.comparison import Comparison
from sparse_search.report.page import write_comparison
from sparse_search.target import Limits


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[StudyRecord]:
    """A longer run, a shorter one with limits, and one that has measured nothing."""
    folder = tmp_path_factory.mktemp("runs")
    return [
        made_run(folder / "long", count=20),
        made_run(folder / "short", count=8, limits=Limits(3000, 3000)),
        StudyRecord.open(empty_run(folder / "empty").folder),
    ]


@pytest.fixture(scope="module")
def comparison(records: list[StudyRecord]) -> Comparison:
    """Of all three."""
    return compare(records)


def test_the_joint_front_is_that_of_all_fronts_together(
    comparison: Comparison, records: list[StudyRecord]
) -> None:
    """By brute force: a model counts if no model of any front dominates it."""
    fronts = [[e.objectives for e in record.front().evaluations] for record in records]
    everything = [values for front in fronts for values in front]

    def dominated(values: Any) -> bool:
        return any(
            all(other[n] <= values[n] for n in OBJECTIVES)
            and any(other[n] < values[n] for n in OBJECTIVES)
            for other in everything
        )

    expected = [sum(not dominated(values) for values in front) for front in fronts]
    assert [run.joint for run in comparison.runs] == expected
    assert expected[0] > 0


def test_the_reference_is_common(comparison: Comparison, records: list[StudyRecord]) -> None:
    """Ten times the best error of all; the largest limit, or size where there is no limit."""
    measured = [e for record in records for e in record.history().evaluations]
    best = min(e.objectives["val_error"] for e in measured)
    assert comparison.reference["val_error"] == pytest.approx(min(0.75, 10 * best))
    for name in ("flash_bytes", "arena_bytes"):
        largest = max(e.objectives[name] for e in records[0].history().evaluations)
        assert comparison.reference[name] == max(largest, 3000)
    long, short, empty = comparison.runs
    assert len(long.curve.fractions) == len(long.evaluations)
    assert min(long.curve.fractions[-1], short.curve.fractions[-1]) > 0
    assert empty.curve.fractions == ()


def test_differing_limits_are_said(comparison: Comparison) -> None:
    """In one sentence."""
    (note,) = comparison.notes
    assert "different limits" in note


def test_one_run_is_not_compared(records: list[StudyRecord]) -> None:
    """Two are needed."""
    with pytest.raises(StudyError, match="expected two or more runs to compare, got 1"):
        compare(records[:1])


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """By the folder above."""
    records = [StudyRecord.open(empty_run(tmp_path / name / "digits").folder) for name in "ab"]
    assert [run.name for run in compare(records).runs] == ["a/digits", "b/digits"]


def test_the_table_has_a_row_for_each_run(comparison: Comparison) -> None:
    """Names, counts, and the hypervolume in percent."""
    file = io.StringIO()
    Console(width=110, file=file).print(comparison_table(comparison))
    text = file.getvalue()
    for run in comparison.runs:
        last = run.curve.fractions[-1] if run.curve.fractions else 0.0
        row = next(line for line in text.splitlines() if line.startswith(run.name))
        assert row.split()[-1] == f"{100 * last:.1f}"
        assert f" {len(run.evaluations)} " in row


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture_shows_every_front(comparison: Comparison, tmp_path: Path, suffix: str) -> None:
    """Each with as many points as it has models; as PNG and as SVG, the same bytes again."""
    figure = comparison_figure(comparison)
    for axes in figure.axes[:2]:
        found = [len(group.get_offsets()) for group in axes.collections]
        assert found == [len(run.front) for run in comparison.runs]
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for path in paths:
        save_figure(comparison_figure(comparison), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    if suffix == "png":
        with Image.open(paths[0]) as image:
            assert image.size == (2340, 780)


def test_the_page_compares_without_a_request(comparison: Comparison, tmp_path: Path) -> None:
    """A point for each model of each front in each view, a line for each run, a row for each."""
    write_comparison(comparison, tmp_path / "page.html")
    with open_browser() as browser:
        open_page(browser, tmp_path / "page.html")
        count = sum(len(run.front) for run in comparison.runs)
        assert len(browser.find_elements("css selector", ".chart .point")) == 3 * count
        assert len(browser.find_elements("css selector", "#volume .curve")) == 2
        rows = browser.find_elements("css selector", "#table tbody tr")
        assert [row.text.split()[0] for row in rows] == [run.name for run in comparison.runs]
        # Of points at one place, the last one lies on top.
        browser.find_elements("css selector", ".chart .point path")[-1].click()
        resize(browser, 360, 800)
        script = "return document.documentElement.scrollWidth"
        assert browser.execute_script(script) <= 360
        assert console_messages(browser) == []
        assert requests(browser) == []
