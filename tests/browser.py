"""Headless Chromium for tests of pages; they skip where there is none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conftest import requires_module, requires_tool

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

VIEWS = ("val_error-flash_bytes", "val_error-arena_bytes", "flash_bytes-arena_bytes")
"""The three views of a page."""

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--window-size=1280,900",
)


@contextmanager
def open_browser() -> Iterator["Chrome"]:
    """A browser of 1280 x 900 pixels that records what its console says."""
    binary, driver = requires_tool("chromium"), requires_tool("chromedriver")
    requires_module("selenium")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        resize(browser, 1280, 900)
        yield browser
    finally:
        browser.quit()


def open_page(browser: "Chrome", path: Path, fragment: str = "") -> None:
    """Opens a file anew; the console's messages begin with it."""
    browser.get("about:blank")
    browser.get_log("browser")  # type: ignore[no-untyped-call]
    browser.get(path.resolve().as_uri() + fragment)
    settle(browser)


def resize(browser: "Chrome", width: int, height: int) -> None:
    """Makes the page so large, also where a window could not be."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    settle(browser)


def settle(browser: "Chrome") -> None:
    """Waits until charts have followed the width that they have; that takes a frame or two."""
    script = """
        const done = arguments[0];
        requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0)));
    """
    browser.execute_async_script(script)


def console_messages(browser: "Chrome") -> list[str]:
    """What the console has said since the page was opened."""
    entries: list[dict[str, Any]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in entries]


def requests(browser: "Chrome") -> list[str]:
    """Everything that the page has asked for beside itself."""
    script = 'return performance.getEntriesByType("resource").map((entry) => entry.name)'
    found: list[str] = browser.execute_script(script)
    return found


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
