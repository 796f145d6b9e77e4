"""The hand-written C runtime: where it is, and which of its files a kernel needs."""

import re
from collections.abc import Iterable
from pathlib import Path

RUNTIME_DIR = Path(__file__).parent / "runtime"

_INCLUDE = re.compile(r'^#include "(ss_\w+\.h)"$', re.MULTILINE)


def files_for(kernels: Iterable[str]) -> tuple[str, ...]:
    """Names of the runtime files that ``kernels`` need, sorted.

    A kernel is a function; it lives in the C file of the same name, which names what it includes.

    >>> files_for(["ss_fully_connected"])
    ('ss_fully_connected.c', 'ss_fully_connected.h', 'ss_fully_connected_geometry.h',
     'ss_platform.h', 'ss_requantize.h')
    """
    needed: set[str] = set()
    pending = [f"{kernel}.c" for kernel in kernels]
    while pending:
        name = pending.pop()
        if name not in needed:
            needed.add(name)
            pending += _INCLUDE.findall((RUNTIME_DIR / name).read_text())
    return tuple(sorted(needed))
