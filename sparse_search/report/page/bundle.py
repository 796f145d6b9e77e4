"""bundle(folder, entry): the scripts of a page as one, which needs no module loader.

The scripts are ECMAScript modules of a plain kind: imports of names from files beside them at the
top, exported functions and constants, nothing else that the bundle would have to understand. Each
becomes a function that returns its exports, so names stay private, and no file is fetched.
"""

import re
from importlib.resources.abc import Traversable

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([a-z_]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:function|const) (\w+))", re.MULTILINE)
_FOREIGN = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def bundle(folder: Traversable, entry: str) -> str:
    """One strict script that runs the module ``entry``.

    Args:
        folder: With a file "<name>.js" for each module.
        entry: Name of the first module.

    Raises:
        ValueError: A module has an import or export of another form, or modules need each other.
    """
    order: list[str] = []
    _visit(folder, entry, [], order)
    modules = "\n".join(_wrapped(name, _read(folder, name)) for name in order)
    return f'"use strict";\n(() => {{\nconst modules = {{}};\n{modules}}})();\n'


def _visit(folder: Traversable, name: str, path: list[str], order: list[str]) -> None:
    """Appends a module after all that it imports."""
    if name in path:
        raise ValueError(f"expected imports without circles, got {' -> '.join([*path, name])}")
    if name in order:
        return
    for _, imported in _IMPORT.findall(_read(folder, name)):
        _visit(folder, imported, [*path, name], order)
    order.append(name)


def _wrapped(name: str, text: str) -> str:
    """A module as a call that adds its exports to ``modules``."""
    exported = _EXPORT.findall(text)
    body = _EXPORT.sub("", _IMPORT.sub(_destructured, text))
    foreign = _FOREIGN.search(body)
    if foreign:
        raise ValueError(
            f'{name}.js: expected imports as `import {{ a }} from "./b.js";` and exports of '
            f"functions and constants, got {foreign[0]!r}; write it in that form"
        )
    return f"modules.{name} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();\n"


def _destructured(match: re.Match[str]) -> str:
    names = " ".join(match[1].replace(" as ", ": ").split())
    return f"const {{ {names} }} = modules.{match[2]};\n"


def _read(folder: Traversable, name: str) -> str:
    return (folder / f"{name}.js").read_text(encoding="utf-8")
