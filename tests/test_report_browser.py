"""The page of a run in headless Chromium: by pointer, by keyboard, on a phone, on paper."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from browser import console_messages, open_browser, open_page, requests, resize
from report_runs import INSTRUCTIONS, SPACE, empty_run, made_run

from sparse_search.candidate import Candidate, Evaluation
from sparse_search.pareto import ParetoFront, meets
from sparse_search.record import StudyRecord
from sparse_search.report import front_frame, write_front_csv
from sparse_search.report.page import write_page
from sparse_search.target import Limits

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

NASTY = '</script><img src="http://localhost/x" onerror="document.title=1"> & $style'
LIMITS = Limits(4096, 4096)
VIEWS = ("val_error-flash_bytes", "val_error-arena_bytes", "flash_bytes-arena_bytes")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> StudyRecord:
    """A run with its page, on a data set of a nasty name."""
    record = made_run(tmp_path_factory.mktemp("page"), limits=LIMITS, name=NASTY)
    write_front_csv(record.folder / "front.csv", front_frame(record.front(), record.test_errors()))
    write_page(record, (), record.folder / "report.html")
    return record


@pytest.fixture(scope="module")
def chromium() -> Iterator["Chrome"]:
    """One browser for all tests."""
    with open_browser() as browser:
        yield browser


@pytest.fixture
def page(chromium: "Chrome", record: StudyRecord) -> Iterator["Chrome"]:
    """The page, freshly opened; nothing that a test does may make the console complain."""
    resize(chromium, 1280, 900)
    open_page(chromium, record.folder / "report.html")
    yield chromium
    assert console_messages(chromium) == []
    assert requests(chromium) == []


def find(page: "Chrome", selector: str) -> "WebElement":
    """The first element that a CSS selector matches."""
    return page.find_element("css selector", selector)


def texts(page: "Chrome", selector: str) -> list[str]:
    """Texts of all elements that a CSS selector matches."""
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
    found: list[str] = page.execute_script(script, selector)
    return found


def point(view: str, candidate: int) -> str:
    """Selector of a model's point in a view."""
    return f'[data-view="{view}"] [data-key="{candidate}"]'


def press(page: "Chrome", *keys: str) -> None:
    """Presses keys on what has the focus."""
    for key in keys:
        page.switch_to.active_element.send_keys(key)


def strong(page: "Chrome", view: str = VIEWS[0]) -> set[int]:
    """Ids of the models that a view shows as Pareto-optimal."""
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => +e.dataset.key)"
    return set(page.execute_script(script, f'[data-view="{view}"] .point.strong'))


def await_model(page: "Chrome", title: str) -> None:
    """Fails where a model is not shown within five seconds; links change the address first."""
    from selenium.webdriver.support.wait import WebDriverWait

    wait = WebDriverWait(page, 5, poll_frequency=0.05)
    wait.until(lambda _: texts(page, "#model h2") == [title], f"expected {title!r}")


def choose(page: "Chrome", ram: str, flash: str) -> None:
    """Types limits into the board selector."""
    for selector, size in (("#choose-ram", ram), ("#choose-flash", flash)):
        field = find(page, selector)
        field.clear()
        field.send_keys(size)


def test_the_page_opens_fast_and_silent(page: "Chrome", record: StudyRecord) -> None:
    """Under two seconds to a drawn page, no message, no request; a name cannot become markup."""
    assert page.title == f"{NASTY}: report"
    assert find(page, "h1").text == NASTY
    assert page.find_elements("css selector", "img") == []
    script = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
    assert 0 < page.execute_script(script) < 2000
    for view in VIEWS:
        shown = page.find_elements("css selector", f'[data-view="{view}"] .point')
        assert len(shown) == len(record.history().evaluations)


def test_the_policy_of_the_page_forbids_requests(page: "Chrome") -> None:
    """What a script would fetch or an image would load is refused by the page itself."""
    script = """
        const done = arguments[0];
        fetch("http://localhost:9/x").then(() => done("sent"), (error) => done(error.name));
    """
    assert page.execute_async_script(script) == "TypeError"
    refused = console_messages(page)
    assert any("Content Security Policy" in message for message in refused)


def test_the_table_has_the_numbers_of_front_csv(page: "Chrome", record: StudyRecord) -> None:
    """Row by row and column by column, in the order of the file."""
    frame = pd.read_csv(record.folder / "front.csv")
    rows = page.find_elements("css selector", "#front-table tbody tr")
    assert len(rows) == len(frame) > 3
    for row, (_, expected) in zip(rows, frame.iterrows(), strict=True):
        cells = [cell.text for cell in row.find_elements("css selector", "th, td")]
        assert cells == [
            f"{value:.0f}" if name == "candidate" else as_shown(str(name), value)
            for name, value in expected.items()
        ]


def as_shown(name: str, value: float) -> str:
    """A figure of a table: errors in percent, the rest with separators."""
    return f"{100 * value:.2f} %" if "error" in name else f"{value:,.0f}"


def test_columns_sort_up_and_down(page: "Chrome") -> None:
    """By a click on the heading, whose state is announced."""
    for direction in ("ascending", "descending"):
        find(page, '[data-column="flash_bytes"] button').click()
        state = find(page, '[data-column="flash_bytes"]').get_attribute("aria-sort")
        values = [int(t.replace(",", "")) for t in texts(page, "#front-table td:nth-child(5)")]
        assert state == direction
        assert values == sorted(values, reverse=direction == "descending")


@pytest.mark.parametrize("view", VIEWS)
def test_a_click_on_a_point_shows_that_model(
    page: "Chrome", record: StudyRecord, view: str
) -> None:
    """Its number, error, operators, peak, curve, lineage and export; all views mark it."""
    evaluation = record.front().evaluations[-1]
    number = evaluation.candidate.id
    find(page, f"{point(view, number)} path").click()
    await_model(page, f"Model {number}")
    model = record.load_model(number)
    shown = texts(page, "#model .node text.strong:nth-of-type(1)")
    assert [text.split("  ")[0] for text in shown[1:]] == [op.name for op in model.graph.operators]
    assert f"{100 * evaluation.objectives['val_error']:.2f} %" in find(page, "#model .facts").text
    assert "The peak is at" in find(page, "#model .peak-text").text
    assert find(page, "#model .curve").get_attribute("d").count("L") == 5
    assert f"Model {number}" in find(page, '#model .lineage [aria-current="true"]').text
    assert find(page, "#model .certificate.good").text.startswith("✓ host verified: 50 of 50")
    for other in VIEWS:
        assert find(page, point(other, number)).get_attribute("aria-pressed") == "true"


def test_hovering_in_one_view_marks_the_model_in_all(page: "Chrome", record: StudyRecord) -> None:
    """The ring in the other views, the row of the table, and a tooltip with its figures."""
    from selenium.webdriver import ActionChains

    number = record.front().evaluations[0].candidate.id
    ActionChains(page).move_to_element(find(page, f"{point(VIEWS[0], number)} path")).perform()
    for view in VIEWS:
        assert "hovered" in (find(page, point(view, number)).get_attribute("class") or "")
    row = find(page, f'#front-table tr[data-key="{number}"]')
    assert "hovered" in (row.get_attribute("class") or "")
    assert find(page, ".tooltip").text.startswith(f"Model {number}\n")


def test_everything_works_by_keyboard(page: "Chrome", record: StudyRecord) -> None:
    """Arrow keys walk along the front, Enter opens, Escape goes back to the point."""
    flash = {e.candidate.id: e.objectives["flash_bytes"] for e in record.front().evaluations}
    page.execute_script(
        "arguments[0].focus()", find(page, f'[data-view="{VIEWS[0]}"] [tabindex="0"]')
    )
    press(page, "\ue011")  # Home
    seen = []
    for _ in flash:
        seen.append(int(page.switch_to.active_element.get_attribute("data-key") or -1))
        press(page, "\ue014")  # Right
    assert sorted(seen) == sorted(flash)
    assert [flash[number] for number in seen] == sorted(flash.values())
    press(page, "\ue012")  # Left
    number = int(page.switch_to.active_element.get_attribute("data-key") or -1)
    assert number == seen[-2]
    press(page, "\ue007")  # Enter
    await_model(page, f"Model {number}")
    assert page.switch_to.active_element.text == f"Model {number}"
    press(page, "\ue00c")  # Escape
    assert page.switch_to.active_element.get_attribute("data-key") == str(number)
    assert "#" not in page.current_url
    tab_stops = page.find_elements("css selector", f'[data-view="{VIEWS[0]}"] [tabindex="0"]')
    assert len(tab_stops) == 1


def test_shift_and_arrows_reach_models_that_are_dominated(
    page: "Chrome", record: StudyRecord
) -> None:
    """So every measured model can be reached without a pointer."""
    page.execute_script(
        "arguments[0].focus()", find(page, f'[data-view="{VIEWS[0]}"] [tabindex="0"]')
    )
    script = """
        const view = document.querySelector(arguments[0]);
        const seen = new Set();
        for (const key of ["ArrowLeft", "ArrowRight"]) {
          for (let i = 0; i < 60; i += 1) {
            seen.add(+document.activeElement.dataset.key);
            const event = new KeyboardEvent("keydown", { key, shiftKey: true, bubbles: true });
            document.activeElement.dispatchEvent(event);
          }
        }
        return [...seen];
    """
    seen = page.execute_script(script, f'[data-view="{VIEWS[0]}"]')
    assert sorted(seen) == [e.candidate.id for e in record.history().evaluations]


def test_lineage_leads_to_ancestors_and_back(page: "Chrome", record: StudyRecord) -> None:
    """A link opens the ancestor; the browser's back button returns to the model."""
    evaluations = record.history().evaluations
    child = next(e.candidate for e in evaluations if e.candidate.effort == "pruned")
    find(page, f"{point(VIEWS[1], child.id)} path").click()
    find(page, f'.lineage a[href="#model-{child.pruned_from}"]').click()
    await_model(page, f"Model {child.pruned_from}")
    page.back()
    await_model(page, f"Model {child.id}")


def brute_force_nearest(evaluations: list[Evaluation], limits: Limits) -> Evaluation | None:
    """The misfit with the least worst ratio; more accurate than what fits, if one is."""
    fitting = [e for e in evaluations if meets(e, limits)]
    misfits = [e for e in evaluations if not meets(e, limits)]
    least = min((e.objectives["val_error"] for e in fitting), default=float("inf"))
    better = [e for e in misfits if e.objectives["val_error"] < least]

    def excess(e: Evaluation) -> tuple[float, float, int]:
        ratio = max(e.metrics[name] / bound for name, bound in limits.by_figure.items())
        return ratio, e.objectives["val_error"], e.candidate.id

    return min(better or misfits, key=excess, default=None)


@pytest.mark.parametrize(
    ("ram", "flash"), [(2048, 1024), (200, 4096), (1000, 1300), (120, 100), (10**6, 10**6)]
)
def test_other_limits_slice_the_front_and_name_the_bottleneck(
    page: "Chrome", record: StudyRecord, ram: int, flash: int
) -> None:
    """The front is that of the models that fit; the nearest misfit and its layer by brute force."""
    limits, evaluations = Limits(ram, flash), record.history().evaluations
    choose(page, str(ram), f"{flash / 1024:g} KB" if flash % 1024 == 0 else str(flash))
    expected = ParetoFront.of(evaluations, record.objectives, limits).evaluations
    for view in VIEWS:
        assert strong(page, view) == {e.candidate.id for e in expected}
    assert len(texts(page, "#front-table tbody tr")) == len(expected)
    nearest, said = brute_force_nearest(evaluations, limits), find(page, "#nearest").text
    if nearest is None:
        assert said == "Every measured model fits."
        return
    assert f" is {nearest.candidate.id} (" in said
    from sparse_search.memory import plan_memory

    plan = plan_memory(record.load_model(nearest.candidate.id))
    if plan.arena_bytes > ram:
        assert f"{plan.arena_bytes - ram:,} B ({plan.arena_bytes / ram - 1:.1%})" in said.replace(
            " %", "%"
        )
        assert f"operator {plan.peak.operator}, which needs {plan.peak.text}" in said
    if plan.flash_bytes > flash:
        largest = max(plan.layers, key=lambda layer: layer.flash_bytes)
        assert f"layer {largest.name} with {largest.flash_bytes:,} B" in said
        assert f"{plan.flash_bytes - flash:,} B (" in said


def test_the_model_that_is_shown_follows_the_limits(page: "Chrome", record: StudyRecord) -> None:
    """The most accurate one that fits, until one is chosen; the nearest misfit is a click away."""
    limits = Limits(1000, 1300)
    choose(page, "1000", "1300")
    front = ParetoFront.of(record.history().evaluations, record.objectives, limits)
    first = front.evaluations[0].candidate.id
    await_model(page, f"Model {first}")
    nearest = brute_force_nearest(record.history().evaluations, limits)
    assert nearest is not None
    find(page, "#nearest a").click()
    await_model(page, f"Model {nearest.candidate.id}")
    choose(page, "5000", "5000")
    await_model(page, f"Model {nearest.candidate.id}")


def test_a_board_sets_limits_core_and_kernels(page: "Chrome", record: StudyRecord) -> None:
    """What the board leaves; CMSIS-NN of its core needs scratch memory and dense weights."""
    from selenium.webdriver.support.select import Select

    from sparse_search.boards import BOARDS
    from sparse_search.memory import KernelLibrary, plan_memory

    uno = BOARDS["arduino-uno"]
    Select(find(page, "#choose-board")).select_by_value("arduino-uno")
    assert find(page, "#choose-ram").get_attribute("value") == f"{uno.arena_limit_bytes:,} B"
    limits = Limits.of_target(uno)
    front = ParetoFront.of(record.history().evaluations, record.objectives, limits)
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
    plan = plan_memory(record.load_model(first), KernelLibrary.CMSIS_DSP)
    cells = texts(page, "#front-table tbody tr:first-child td")
    assert (cells[3], cells[4]) == (f"{plan.flash_bytes:,}", f"{plan.arena_bytes:,}")


def test_what_is_no_size_is_refused_in_words(page: "Chrome") -> None:
    """The field is marked, the front stays, and the message says what is expected."""
    before = strong(page)
    choose(page, "lots", "2 KB")
    assert find(page, "#choose-ram").get_attribute("aria-invalid") == "true"
    assert "Expected a size such as 2048" in find(page, "#size-problem").text
    assert strong(page) <= before


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_width_makes_the_page_scroll_sideways(page: "Chrome", width: int) -> None:
    """On a phone, a tablet and a screen; wide tables scroll by themselves."""
    resize(page, width, 800)
    script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    needed, there = page.execute_script(script)
    assert needed <= there
    # Charts are drawn for their width, so that their texts keep their size.
    script = """
        const charts = [...document.querySelectorAll(".chart > svg")];
        return charts.map((chart) => chart.clientWidth / chart.viewBox.baseVal.width);
    """
    scales = page.execute_script(script)
    assert len(scales) > 6
    assert min(scales) == pytest.approx(1.0, abs=0.05)


def test_paper_has_every_model_and_no_control(page: "Chrome", record: StudyRecord) -> None:
    """Before printing the front is expanded and what is folded is opened; afterwards as before."""
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    expected = [f"Model {e.candidate.id}" for e in record.front().evaluations]
    assert texts(page, "#printed-models h2") == expected
    for selector in ("form.controls", "#model", ".hint"):
        assert not find(page, selector).is_displayed()
    assert find(page, "details").get_attribute("open") is not None
    page.execute_script("window.dispatchEvent(new Event('afterprint'))")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert texts(page, "#printed-models h2") == []
    printed = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > len(expected)


@pytest.mark.parametrize("errors", [(0.0,), (0.3,), (0.0, 0.0, 0.75), (0.2, 0.2)])
def test_odd_runs_are_drawn_too(
    chromium: "Chrome", tmp_path: Path, errors: tuple[float, ...]
) -> None:
    """One model, equal ones, no error at all: no coordinate is NaN, each model has its points."""
    run = empty_run(tmp_path, limits=LIMITS)
    network = SPACE.sample(np.random.default_rng(2))
    for number, error in enumerate(errors):
        run.add(Candidate(number, network), error)
    write_page(StudyRecord.open(tmp_path), (), tmp_path / "report.html")
    open_page(chromium, tmp_path / "report.html")
    for view in VIEWS:
        shown = chromium.find_elements("css selector", f'[data-view="{view}"] .point')
        assert len(shown) == len(errors)
    script = "return document.getElementById('page').innerHTML.match(/NaN|Infinity|undefined/g)"
    assert chromium.execute_script(script) is None
    assert console_messages(chromium) == []


def test_a_run_in_which_nothing_fits_shows_what_comes_closest(
    chromium: "Chrome", tmp_path: Path
) -> None:
    """The advice, no row, and the nearest model with its bottleneck, which is shown."""
    record = made_run(tmp_path, count=6, limits=Limits(40, 40))
    write_page(record, (), tmp_path / "report.html")
    open_page(chromium, tmp_path / "report.html")
    assert "No measured model keeps the limits" in find(chromium, ".advice").text
    assert texts(chromium, "#front-table tbody tr") == []
    nearest = brute_force_nearest(record.history().evaluations, record.limits)
    assert nearest is not None
    words = f"The nearest model that does not fit is {nearest.candidate.id} ("
    assert find(chromium, "#nearest").text.startswith(words)
    await_model(chromium, f"Model {nearest.candidate.id}")
    assert console_messages(chromium) == []


def test_a_run_without_models_says_what_to_do(chromium: "Chrome", tmp_path: Path) -> None:
    """Nothing to draw, and nothing fails."""
    write_page(StudyRecord.open(empty_run(tmp_path).folder), (), tmp_path / "report.html")
    open_page(chromium, tmp_path / "report.html")
    assert "continues it" in find(chromium, ".advice").text
    assert chromium.find_elements("css selector", ".chart") == []
    assert console_messages(chromium) == []


def test_in_the_dark_texts_keep_their_contrast(page: "Chrome") -> None:
    """With dark colours preferred: at least 4.5 to 1 for texts and quiet texts."""
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        style: dict[str, Any] = page.execute_script("""
            const style = getComputedStyle(document.body);
            const of = (name) => style.getPropertyValue(name).trim();
            return Object.fromEntries(["--ground", "--text", "--quiet", "--good", "--notice",
              "--warning"].map((name) => [name, of(name)]));
        """)
        ground = luminance(style.pop("--ground"))
        assert (ground < 0.1) == (scheme == "dark")
        for name, colour in style.items():
            low, high = sorted((ground, luminance(colour)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, name)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def luminance(colour: str) -> float:
    """Relative luminance of a colour like #a1b2c3, as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_control_and_point_has_a_name(page: "Chrome", record: StudyRecord) -> None:
    """For people who hear the page; a point says its error and what it needs."""
    script = """
        return [...document.querySelectorAll("[role=button], button, select, input, [role=group]")]
          .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).length
    """
    assert page.execute_script(script) == 0
    evaluation = record.front().evaluations[0]
    label = find(page, point(VIEWS[0], evaluation.candidate.id)).get_attribute("aria-label") or ""
    assert label.startswith(f"Model {evaluation.candidate.id}, ")
    assert f"{evaluation.objectives['flash_bytes']:,.0f} B of flash" in label
    assert label.endswith("Pareto-optimal")
