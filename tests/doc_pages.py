"""The pages of the documentation as their tests read them: blocks of code, and their commands.

A fence is one of three languages. bash and python are run, in order, unless it is marked

    ```bash {.not-run reason="needs hours"}

text is shown only. ``needs`` names programs, ``needs-module`` Python modules, without which a
block is skipped.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = tuple(sorted((ROOT / "docs").glob("*.md")))
LANGUAGES = ("bash", "python", "text")

_FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
_HEAD = re.compile(r"(\w+)(?: \{(.*)\})?")
_ATTRIBUTE = re.compile(r'(\S+)="(.*?)"')


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        place: Page and line.
        language: Of the code; empty if the fence cannot be read.
        text: The code.
        marked: Whether it is said not to be run.
        reason: Why it is not run; empty if nothing is said.
        programs: That it needs.
        modules: That it needs.
    """

    place: str
    language: str
    text: str
    marked: bool
    reason: str
    programs: tuple[str, ...]
    modules: tuple[str, ...]

    @property
    def runs(self) -> bool:
        """Whether a test runs it."""
        return self.language != "text" and not self.marked

    @property
    def lines(self) -> tuple[str, ...]:
        """Commands of a bash block, one a line."""
        return tuple(line for line in self.text.replace("\\\n", " ").splitlines() if line.strip())


def read_blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        _block(f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}", match[1], match[2])
        for match in _FENCE.finditer(text)
    ]


def _block(place: str, head: str, code: str) -> Block:
    match = _HEAD.fullmatch(head)
    inside = (match and match[2]) or ""
    attributes = dict(_ATTRIBUTE.findall(inside))
    return Block(
        place=place,
        language=match[1] if match else "",
        text=code,
        marked=".not-run" in inside.split(),
        reason=attributes.get("reason", ""),
        programs=tuple(attributes.get("needs", "").split()),
        modules=tuple(attributes.get("needs-module", "").split()),
    )


def words(line: str) -> list[str]:
    """A command's words, its comment left out.

    >>> words('ls "a b"  # two words')
    ['ls', 'a b']
    """
    return shlex.split(line, comments=True)
