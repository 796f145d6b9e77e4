"""document(title, entry, contents): one HTML file with style, scripts and data inside.

The page may load nothing: its content security policy names the hashes of its own script and style
and forbids everything else, so what a data set is called can neither run nor fetch anything.
"""

import base64
import hashlib
import html
import string
from importlib.resources import files
from typing import Any

from pydantic import TypeAdapter

from .bundle import bundle

_STYLES = ("base", "layout", "charts", "print")


def document(title: str, entry: str, contents: Any) -> str:
    """The text of a page.

    Args:
        title: Plain text.
        entry: Name of the script that builds the page.
        contents: A dataclass, which the script reads as JSON.
    """
    folder = files(__package__)
    script = bundle(folder / "scripts", entry)
    styles = (folder / "styles" / f"{name}.css" for name in _STYLES)
    style = "\n".join(path.read_text(encoding="utf-8") for path in styles)
    template = (folder / "page.html").read_text(encoding="utf-8")
    return string.Template(template).substitute(
        title=html.escape(title),
        script_hash=_hash(script),
        style_hash=_hash(style),
        style=style,
        script=script,
        contents=embed_json(contents),
    )


def embed_json(contents: Any) -> str:
    r"""JSON that may stand inside a script element: no text in it can end the element.

    >>> embed_json("</script><!--&")
    '"\\u003c/script\\u003e\\u003c!--\\u0026"'
    """
    text = TypeAdapter(type(contents)).dump_json(contents).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _hash(text: str) -> str:
    """Of an inline script or style, as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
