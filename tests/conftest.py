"""What every test shares: one thread for torch, and skips that say why."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import settings

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from sparse_search.record import StudyRecord

torch.set_num_threads(1)
# In CI a change is judged by the same examples each time; elsewhere Hypothesis looks for new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def requires_tool(name: str) -> str:
    """The path of a program; skips the test where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs the program {name!r}")
    return path


def requires_module(name: str) -> None:
    """Skips the test where a Python module is not installed."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"needs the module {name!r}")


def requires_env(name: str) -> str:
    """The value of an environment variable; skips the test where it is not set."""
    value = os.environ.get(name)
    if not value:
        pytest.skip(f"needs the environment variable {name}")
    return value


@pytest.fixture(scope="module")
def page_record(tmp_path_factory: pytest.TempPathFactory) -> "StudyRecord":
    """A run with front.csv and report.html, on a data set of a nasty name."""
    from report_runs import NASTY_NAME, PAGE_LIMITS, made_run

    from sparse_search.report import front_frame, write_front_csv
    from sparse_search.report.page import write_page

    record = made_run(tmp_path_factory.mktemp("page"), limits=PAGE_LIMITS, name=NASTY_NAME)
    write_front_csv(record.folder / "front.csv", front_frame(record.front(), record.test_errors()))
    write_page(record, (), record.folder / "report.html")
    return record


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Chrome]":
    """One browser for all tests of a file."""
    from browser import open_browser

    with open_browser() as browser:
        yield browser


@pytest.fixture
def page(chromium: "Chrome", page_record: "StudyRecord") -> "Iterator[Chrome]":
    """The page, freshly opened; nothing that a test does may make the console complain."""
    from browser import console_messages, open_page, requests, resize

    resize(chromium, 1280, 900)
    open_page(chromium, page_record.folder / "report.html")
    yield chromium
    assert console_messages(chromium) == []
    assert requests(chromium) == []
