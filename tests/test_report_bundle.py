"""The scripts of a page as one: order, privacy, what is refused; and their house style."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from browser import open_browser

from sparse_search.report.page.bundle import bundle
from sparse_search.report.page.document import embed_json

PAGE = Path(str(files("sparse_search.report.page")))
SCRIPTS = sorted((PAGE / "scripts").glob("*.js"))


def write(folder: Path, **modules: str) -> Path:
    """Modules by name."""
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def printed(script: str) -> list[str]:
    """What a script writes to the console of a browser."""
    with open_browser() as browser:
        wrapped = f"""
            const lines = [];
            console.log = (...values) => lines.push(values.join(" "));
            {script}
            return lines;
        """
        lines: list[str] = browser.execute_script(wrapped)
        return lines


def test_modules_run_after_what_they_import_and_keep_their_names(tmp_path: Path) -> None:
    """Two modules may have a private function of one name; a module runs once."""
    folder = write(
        tmp_path,
        main='import { two } from "./b.js";\nimport { one as first } from "./a.js";\n'
        "console.log(first(), two());\n",
        b='import { one } from "./a.js";\nexport function two() {\n  return helper() + one();\n}\n'
        "function helper() {\n  return 10;\n}\n",
        a='console.log("a runs");\nexport function one() {\n  return helper();\n}\n'
        "function helper() {\n  return 1;\n}\nexport const unused = 0;\n",
    )
    assert printed(bundle(folder, "main")) == ["a runs", "1 11"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('import all from "./a.js";\n', "got 'import all from"),
        ("export default 3;\n", "got 'export default 3;'"),
        ('import { main } from "./main.js";\n', "without circles, got main -> main"),
    ],
)
def test_what_the_bundle_does_not_understand_is_refused(
    tmp_path: Path, text: str, words: str
) -> None:
    """By name, not by a broken page."""
    with pytest.raises(ValueError, match=re.escape(words)):
        bundle(write(tmp_path, main=text, a=""), "main")


@pytest.mark.parametrize("entry", ["run", "comparison"])
def test_every_name_that_a_script_imports_is_exported(entry: str) -> None:
    """A missing one would only be found when it is called."""
    script = bundle(PAGE / "scripts", entry)
    exported = {
        name: set(part.split(", "))
        for name, part in re.findall(
            r"^modules\.(\w+) = .*?^return \{ (.*?) \};", script, re.MULTILINE | re.DOTALL
        )
    }
    for names, module in re.findall(r"^const \{ (.*?) \} = modules\.(\w+);", script, re.MULTILINE):
        wanted = {name.split(":")[0].strip() for name in names.split(",") if name.strip()}
        assert wanted <= exported[module], module


def test_every_script_is_part_of_a_page() -> None:
    """None is left over."""
    used = bundle(PAGE / "scripts", "run") + bundle(PAGE / "scripts", "comparison")
    assert all(f"modules.{path.stem} = " in used for path in SCRIPTS)
    assert len(SCRIPTS) > 20


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_keep_the_house_style(path: Path) -> None:
    """Short files with a purpose in the first line; nothing that could turn a name into markup."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("// ")
    assert len(lines) <= 250
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        " var ",
    ):
        assert word not in text
    assert not re.search(r"[^=!]==[^=]", text)


def test_no_text_ends_the_element_that_holds_the_data() -> None:
    """Nor begins a comment; reading gives the text back."""
    nasty = "</script><!-- \u2028 & 'x' \\ \""
    text = embed_json(nasty)
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == nasty
