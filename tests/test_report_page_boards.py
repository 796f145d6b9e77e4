"""The board selector of a page in headless Chromium, against brute force."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import VIEWS, await_model, choose, console_messages, find, open_page, strong, texts
from report_runs import INSTRUCTIONS, made_run, nearest_misfit

from sparse_search.boards import BOARDS
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.pareto import ParetoFront
from sparse_search.record import StudyRecord
from sparse_search.report.page import write_page
from sparse_search.target import Limits, parse_size

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


@pytest.mark.parametrize(
    ("ram", "flash"), [(2048, 1024), (200, 4096), (1000, 1300), (120, 100), (10**6, 10**6)]
)
def test_other_limits_slice_the_front_and_name_the_bottleneck(
    page: "Chrome", page_record: StudyRecord, ram: int, flash: int
) -> None:
    """The front is that of the models that fit; the nearest misfit and its layer by brute force."""
    limits, evaluations = Limits(ram, flash), page_record.history().evaluations
    choose(page, str(ram), f"{flash / 1024:g} KB" if flash % 1024 == 0 else str(flash))
    expected = ParetoFront.of(evaluations, page_record.objectives, limits).evaluations
    for view in VIEWS:
        assert strong(page, view) == {e.candidate.id for e in expected}
    assert len(texts(page, "#front-table tbody tr")) == len(expected)
    nearest, said = nearest_misfit(evaluations, limits), find(page, "#nearest").text
    if nearest is None:
        assert said == "Every measured model fits."
        return
    assert f" is {nearest.candidate.id} (" in said
    plan = plan_memory(page_record.load_model(nearest.candidate.id))
    if plan.arena_bytes > ram:
        assert f"{plan.arena_bytes - ram:,} B ({plan.arena_bytes / ram - 1:.1%})" in said.replace(
            " %", "%"
        )
        assert f"operator {plan.peak.operator}, which needs {plan.peak.text}" in said
    if plan.flash_bytes > flash:
        largest = max(plan.layers, key=lambda layer: layer.flash_bytes)
        assert f"layer {largest.name} with {largest.flash_bytes:,} B" in said
        assert f"{plan.flash_bytes - flash:,} B (" in said


@pytest.mark.parametrize("text", ["2048", "2,048 B", "2KB", "2 kib", " 2 k "])
def test_a_size_may_be_written_in_many_ways(
    page: "Chrome", page_record: StudyRecord, text: str
) -> None:
    """As the command line reads it: all of these are 2048 bytes."""
    assert parse_size(text.replace(",", "")) == 2048
    choose(page, text, text)
    front = ParetoFront.of(
        page_record.history().evaluations, page_record.objectives, Limits(2048, 2048)
    )
    assert strong(page) == {e.candidate.id for e in front.evaluations}


def test_a_limit_of_another_size_is_sliced_by_it(chromium: "Chrome", tmp_path: Path) -> None:
    """Such as nonzeros: the front is the record's, and the layer with most of them is named."""
    record = made_run(tmp_path, count=12, limits=Limits(None, 60, "nonzeros"))
    write_page(record, (), tmp_path / "report.html")
    open_page(chromium, tmp_path / "report.html")
    assert strong(chromium) == {e.candidate.id for e in record.front().evaluations}
    nearest = nearest_misfit(record.history().evaluations, record.limits)
    assert nearest is not None
    plan = plan_memory(record.load_model(nearest.candidate.id))
    largest = max(plan.layers, key=lambda layer: layer.stored_numbers)
    words = f"{plan.nonzeros} of nonzeros are {plan.nonzeros - 60} "
    assert words in find(chromium, "#nearest").text
    words = f"layer {largest.name} with {largest.stored_numbers}."
    assert words in find(chromium, "#nearest").text


def test_the_model_that_is_shown_follows_the_limits(
    page: "Chrome", page_record: StudyRecord
) -> None:
    """The most accurate one that fits, until one is chosen; the nearest misfit is a click away."""
    limits = Limits(1000, 1300)
    choose(page, "1000", "1300")
    front = ParetoFront.of(page_record.history().evaluations, page_record.objectives, limits)
    first = front.evaluations[0].candidate.id
    await_model(page, f"Model {first}")
    nearest = nearest_misfit(page_record.history().evaluations, limits)
    assert nearest is not None
    find(page, "#nearest a").click()
    await_model(page, f"Model {nearest.candidate.id}")
    choose(page, "5000", "5000")
    await_model(page, f"Model {nearest.candidate.id}")


def test_a_board_sets_limits_core_and_kernels(page: "Chrome", page_record: StudyRecord) -> None:
    """What the board leaves; CMSIS-NN of its core needs scratch memory and dense weights."""
    from selenium.webdriver.support.select import Select

    uno = BOARDS["arduino-uno"]
    Select(find(page, "#choose-board")).select_by_value("arduino-uno")
    assert find(page, "#choose-ram").get_attribute("value") == f"{uno.arena_limit_bytes:,}\u00a0B"
    limits = Limits.of_target(uno)
    front = ParetoFront.of(page_record.history().evaluations, page_record.objectives, limits)
    assert strong(page) == {e.candidate.id for e in front.evaluations}
    assert texts(page, "#choose-kernels option") == ["exported C"]
    Select(find(page, "#choose-core")).select_by_value("cortex-m4")
    best = int(texts(page, "#front-table tbody th")[0])
    work = f"On emulated m4, an inference takes {INSTRUCTIONS + best:,} instructions."
    assert find(page, "#fits").text.endswith(work)
    boards = texts(page, "#choose-board option")[2:]
    assert len(boards) == sum(board.core.value == "cortex-m4" for board in BOARDS.values())
    Select(find(page, "#choose-board")).select_by_value("microbit-v2")
    Select(find(page, "#choose-kernels")).select_by_index(1)
    first = int(texts(page, "#front-table tbody th")[0])
    plan = plan_memory(page_record.load_model(first), KernelLibrary.CMSIS_DSP)
    cells = texts(page, "#front-table tbody tr:first-child td")
    assert (cells[3], cells[4]) == (f"{plan.flash_bytes:,}", f"{plan.arena_bytes:,}")


@pytest.mark.parametrize("text", ["lots", "1,5 KB", "-3", "0", "1.3"])
def test_what_is_no_size_is_refused_in_words(page: "Chrome", text: str) -> None:
    """The field is marked, the front stays, and the message says what is expected."""
    before = strong(page)
    choose(page, text, "2 KB")
    assert find(page, "#choose-ram").get_attribute("aria-invalid") == "true"
    assert "Expected a size such as 2048" in find(page, "#size-problem").text
    assert strong(page) <= before


def test_a_run_in_which_nothing_fits_shows_what_comes_closest(
    chromium: "Chrome", tmp_path: Path
) -> None:
    """The advice, no row, and the nearest model with its bottleneck, which is shown."""
    record = made_run(tmp_path, count=6, limits=Limits(40, 40))
    write_page(record, (), tmp_path / "report.html")
    open_page(chromium, tmp_path / "report.html")
    assert "No measured model keeps the limits" in find(chromium, ".advice").text
    assert texts(chromium, "#front-table tbody tr") == []
    nearest = nearest_misfit(record.history().evaluations, record.limits)
    assert nearest is not None
    words = f"The nearest model that does not fit is {nearest.candidate.id} ("
    assert find(chromium, "#nearest").text.startswith(words)
    await_model(chromium, f"Model {nearest.candidate.id}")
    assert console_messages(chromium) == []
