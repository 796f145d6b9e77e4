"""How the files of an export are laid out: beside each other, or as an Arduino library."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..formats import Layout

SOURCE_FOLDER: Final = MappingProxyType({Layout.PLAIN: "", Layout.ARDUINO: "src/"})
"""Where the model and its runtime lie, by layout; the rest is at the top."""

EXAMPLES: Final[Mapping[Layout, Mapping[str, str]]] = MappingProxyType(
    {
        Layout.PLAIN: {
            "main.c": "main.c",
            "Makefile": "Makefile",
            "CMakeLists.txt": "CMakeLists.txt",
        },
        Layout.ARDUINO: {
            "library.properties": "library.properties",
            "examples/classify/classify.ino": "classify.ino",
            "examples/classify/golden.h": "golden.h",
        },
    }
)
"""Template by path, by layout, of the files that show how the model is used."""


def example_files() -> frozenset[str]:
    """The paths of all of them; they may be adapted without harm to a model's results."""
    return frozenset(path for files in EXAMPLES.values() for path in files)
