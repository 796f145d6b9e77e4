"""The documentation: its commands and code run, its links resolve, nothing is left unsaid."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import requires_module, requires_tool
from doc_commands import PROGRAM, command_line, parse_command, parse_line, run_line
from doc_pages import LANGUAGES, PAGES, ROOT, Block, read_blocks, words
from doc_workplace import short_work, write_photos, write_readings

README = ROOT / "README.md"
_LOADED = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)=["\']?(?:https?:)?//')


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data of one's own, and what the first command of the quick start leaves."""
    requires_tool("gcc")
    folder = tmp_path_factory.mktemp("docs")
    write_photos(folder / "photos")
    write_readings(folder / "readings.csv")
    first = next(
        line
        for block in read_blocks(ROOT / "docs" / "index.md")
        if block.runs and block.language == "bash"
        for line in block.lines
    )
    with short_work(), pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_line(first, folder)
        yield folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning of mkdocs is an error."""
    requires_module("mkdocs")
    requires_module("material")
    folder = tmp_path_factory.mktemp("built") / "site"
    # With --quiet warnings would not count.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_a_page_runs(
    page: Path, workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, in one folder, as a reader would type them; what needs a tool that is missing, not.

    Python blocks of a page share their names.
    """
    shutil.copytree(workplace, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    missing: list[str] = []
    for block in read_blocks(page):
        lacks = _lacks(block)
        missing += lacks
        if not block.runs or lacks:
            continue
        if block.language == "python":
            exec(compile(block.text, block.place, "exec"), names)
        else:
            for line in block.lines:
                run_line(line, tmp_path)
    if missing:
        pytest.skip("; ".join(missing))


def _lacks(block: Block) -> list[str]:
    """Why a block cannot run here, as skips say it."""
    reasons = []
    for require, names in ((requires_tool, block.programs), (requires_module, block.modules)):
        for name in names:
            try:
                require(name)
            except pytest.skip.Exception as skipped:
                reasons.append(str(skipped))
    return reasons


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_not_run_says_why_and_exists(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason is given, and every command and option is accepted by the parser it is meant for."""
    blocks = read_blocks(page)
    assert page.read_text(encoding="utf-8").count("```") == 2 * len(blocks), "a fence is not read"
    for block in blocks:
        assert block.language in LANGUAGES, f"{block.place}: expected one of {LANGUAGES}"
        assert block.marked == bool(block.reason), f"{block.place}: .not-run needs a reason"
        if block.language == "text":
            assert PROGRAM not in [line.split(" ")[0] for line in block.lines], block.place
        elif block.marked:
            for line in block.lines:
                parse_line(line, monkeypatch)


def test_commands_of_the_readme_exist() -> None:
    """Every line of it that begins with the program's name is parsed."""
    lines = re.findall(rf"^    ({PROGRAM} .*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) > 5
    for line in lines:
        parse_command(words(line)[1:])


def test_every_command_and_option_is_mentioned() -> None:
    """In the documentation or the README; of a switch with two names one is enough."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (*PAGES, README))
    group = command_line()
    unsaid = [name for name in group.commands if f"{PROGRAM} {name}" not in text]
    for command in (group, *group.commands.values()):
        for parameter in command.params:
            options = [*parameter.opts, *parameter.secondary_opts]
            long = [option for option in options if option.startswith("--")]
            if long and not any(re.search(rf"(?<![\w-]){x}(?![\w-])", text) for x in long):
                unsaid.append(f"{command.name} {long[0]}")
    assert unsaid == []


def test_the_site_builds_and_loads_nothing(site: Path) -> None:
    """Links and anchors resolve, no page is left out, and none loads anything from a network."""
    built = {path.stem: path.read_text(encoding="utf-8") for path in site.glob("*.html")}
    assert {page.stem for page in PAGES} <= built.keys()
    assert [name for name, html in built.items() if _LOADED.search(html)] == []


def test_the_site_is_searched_without_a_server(site: Path) -> None:
    """A page that is opened as a file finds what is in another one."""
    browser = requires_tool("chromium")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000"]
    address = f"{(site / 'boards.html').as_uri()}?q=hypervolume"
    done = subprocess.run(
        [browser, *options, f"--user-data-dir={site.parent / 'browser'}", "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = re.findall(r'href="([^"]*)" class="md-search-result__link"', done.stdout)
    assert any("/search.html" in link for link in found), found
