"""The page of a run in headless Chromium: what it shows, by pointer and by keyboard."""

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from browser import VIEWS, await_model, console_messages, find, point, press, texts
from report_runs import NASTY_NAME

from sparse_search.record import StudyRecord

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


def test_the_page_opens_fast_and_silent(page: "Chrome", page_record: StudyRecord) -> None:
    """Under two seconds to a drawn page, no message, no request; a name cannot become markup."""
    assert page.title == f"{NASTY_NAME}: report"
    assert find(page, "h1").text == NASTY_NAME
    assert page.find_elements("css selector", "img") == []
    script = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
    assert 0 < page.execute_script(script) < 2000
    for view in VIEWS:
        shown = page.find_elements("css selector", f'[data-view="{view}"] .point')
        assert len(shown) == len(page_record.history().evaluations)


def test_the_policy_of_the_page_forbids_requests(page: "Chrome") -> None:
    """What a script would fetch or an image would load is refused by the page itself."""
    script = """
        const done = arguments[0];
        fetch("http://localhost:9/x").then(() => done("sent"), (error) => done(error.name));
    """
    assert page.execute_async_script(script) == "TypeError"
    refused = console_messages(page)
    assert any("Content Security Policy" in message for message in refused)


def test_the_table_has_the_numbers_of_front_csv(page: "Chrome", page_record: StudyRecord) -> None:
    """Row by row and column by column, in the order of the file."""
    frame = pd.read_csv(page_record.folder / "front.csv")
    rows = page.find_elements("css selector", "#front-table tbody tr")
    assert len(rows) == len(frame) > 2
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
    page: "Chrome", page_record: StudyRecord, view: str
) -> None:
    """Its number, error, operators, peak, curve, lineage and export; all views mark it."""
    evaluation = page_record.front().evaluations[-1]
    number = evaluation.candidate.id
    find(page, f"{point(view, number)} path").click()
    await_model(page, f"Model {number}")
    model = page_record.load_model(number)
    shown = texts(page, "#model .node text.strong:nth-of-type(1)")
    assert [text.split("  ")[0] for text in shown[1:]] == [op.name for op in model.graph.operators]
    assert f"{100 * evaluation.objectives['val_error']:.2f} %" in find(page, "#model .facts").text
    assert "The peak is at" in find(page, "#model .peak-text").text
    assert find(page, "#model .curve").get_attribute("d").count("L") == 5
    assert f"Model {number}" in find(page, '#model .lineage [aria-current="true"]').text
    assert find(page, "#model .certificate.good").text.startswith("✓ host verified: 50 of 50")
    for other in VIEWS:
        assert find(page, point(other, number)).get_attribute("aria-pressed") == "true"


def test_hovering_in_one_view_marks_the_model_in_all(
    page: "Chrome", page_record: StudyRecord
) -> None:
    """The ring in the other views, the row of the table, and a tooltip with its figures."""
    from selenium.webdriver import ActionChains

    number = page_record.front().evaluations[0].candidate.id
    ActionChains(page).move_to_element(find(page, f"{point(VIEWS[0], number)} path")).perform()
    for view in VIEWS:
        assert "hovered" in (find(page, point(view, number)).get_attribute("class") or "")
    row = find(page, f'#front-table tr[data-key="{number}"]')
    assert "hovered" in (row.get_attribute("class") or "")
    assert find(page, ".tooltip").text.startswith(f"Model {number}\n")


def test_everything_works_by_keyboard(page: "Chrome", page_record: StudyRecord) -> None:
    """Arrow keys walk along the front, Enter opens, Escape goes back to the point."""
    flash = {e.candidate.id: e.objectives["flash_bytes"] for e in page_record.front().evaluations}
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
    page: "Chrome", page_record: StudyRecord
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
    assert sorted(seen) == [e.candidate.id for e in page_record.history().evaluations]


def test_lineage_leads_to_ancestors_and_back(page: "Chrome", page_record: StudyRecord) -> None:
    """A link opens the ancestor; the browser's back button returns to the model."""
    evaluations = page_record.history().evaluations
    child = next(e.candidate for e in evaluations if e.candidate.effort == "pruned")
    find(page, f"{point(VIEWS[1], child.id)} path").click()
    find(page, f'.lineage a[href="#model-{child.pruned_from}"]').click()
    await_model(page, f"Model {child.pruned_from}")
    page.back()
    await_model(page, f"Model {child.id}")


def test_every_control_and_point_has_a_name(page: "Chrome", page_record: StudyRecord) -> None:
    """For people who hear the page; a point says its error and what it needs."""
    script = """
        return [...document.querySelectorAll("[role=button], button, select, input, [role=group]")]
          .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).length
    """
    assert page.execute_script(script) == 0
    evaluation = page_record.front().evaluations[0]
    label = find(page, point(VIEWS[0], evaluation.candidate.id)).get_attribute("aria-label") or ""
    assert label.startswith(f"Model {evaluation.candidate.id}, ")
    assert f"{evaluation.objectives['flash_bytes']:,.0f}\u00a0B of flash" in label
    assert label.endswith("Pareto-optimal")
