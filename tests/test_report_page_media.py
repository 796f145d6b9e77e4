"""The page of a run on a phone, on paper and in the dark; and of odd runs."""

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browser import (
    VIEWS,
    console_messages,
    find,
    open_page,
    resize,
    texts,
)
from report_runs import (
    PAGE_LIMITS,
    SPACE,
    empty_run,
)

from sparse_search.candidate import Candidate
from sparse_search.record import StudyRecord
from sparse_search.report.page import write_page

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


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


def test_paper_has_every_model_and_no_control(page: "Chrome", page_record: StudyRecord) -> None:
    """Before printing the front is expanded and what is folded is opened; afterwards as before."""
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    expected = [f"Model {e.candidate.id}" for e in page_record.front().evaluations]
    assert texts(page, "#printed-models h2") == expected
    for selector in ("form.controls", "#model", ".hint"):
        assert not find(page, selector).is_displayed()
    assert find(page, "details").get_attribute("open") is not None
    page.execute_script("window.dispatchEvent(new Event('afterprint'))")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert texts(page, "#printed-models h2") == []
    printed = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > len(expected)


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


@pytest.mark.parametrize("errors", [(0.0,), (0.3,), (0.0, 0.0, 0.75), (0.2, 0.2)])
def test_odd_runs_are_drawn_too(
    chromium: "Chrome", tmp_path: Path, errors: tuple[float, ...]
) -> None:
    """One model, equal ones, no error at all: no coordinate is NaN, each model has its points."""
    run = empty_run(tmp_path, limits=PAGE_LIMITS)
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


def test_a_run_without_models_says_what_to_do(chromium: "Chrome", tmp_path: Path) -> None:
    """Nothing to draw, and nothing fails."""
    write_page(StudyRecord.open(empty_run(tmp_path).folder), (), tmp_path / "report.html")
    open_page(chromium, tmp_path / "report.html")
    assert "continues it" in find(chromium, ".advice").text
    assert chromium.find_elements("css selector", ".chart") == []
    assert console_messages(chromium) == []
