"""What mkdocs calls: the texts at the top of the checkout are pages of the site too.

A page says a fact once and links to where it is said, often a file outside this folder. In the
checkout such a link is a relative path; in the site the file lies below ``project/``, with
everything that it links to.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
FOLDER = "project/"
TEXTS = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "experiments/results/README.md",
)
_LINK = re.compile(r"\]\(([^)#\s]+)")
_OUT_OF_DOCS, _INTO_DOCS = "](../", "](docs/"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the texts, and what they link to."""
    for path in sorted({*TEXTS, *(path for text in TEXTS for path in _linked(text))}):
        file = File.generated(config, FOLDER + path, abs_src_path=str(ROOT / path))
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links between this folder and the rest of the checkout to where things are here."""
    if page.file.src_uri.startswith(FOLDER):
        return markdown.replace(_INTO_DOCS, _OUT_OF_DOCS)
    return markdown.replace(_OUT_OF_DOCS, f"]({FOLDER}")


def _linked(text: str) -> list[str]:
    """Files that a text links to, but for pages of this folder, as paths below the root."""
    found = []
    for link in _LINK.findall((ROOT / text).read_text(encoding="utf-8")):
        path = (ROOT / text).parent / link
        if path.is_file() and not path.resolve().is_relative_to(ROOT / "docs"):
            found.append(path.resolve().relative_to(ROOT).as_posix())
    return found
