"""The C runtime: where its hand-written files are, what they say, and which ones a kernel needs."""

import re
from collections.abc import Iterable
from pathlib import Path

from .weighted_kernels import inline_name, kernel_text, weighted_kernels

RUNTIME_DIR = Path(__file__).parent / "runtime"

_INCLUDE = re.compile(r'^#include "(ss_\w+\.h)"$', re.MULTILINE)


def runtime_text(name: str) -> str:
    """The text of one file of the runtime.

    Raises:
        FileNotFoundError: There is none of this name.
    """
    text = kernel_text(name, RUNTIME_DIR)
    return (RUNTIME_DIR / name).read_text(encoding="utf-8") if text is None else text


def all_kernels() -> tuple[str, ...]:
    """Every function of the runtime, sorted."""
    written = {path.stem for path in RUNTIME_DIR.glob("ss_*.c")}
    return tuple(sorted(written | {*weighted_kernels()}))


def inline_header(kernel: str) -> str | None:
    """The header by which a kernel can be specialised; None where there is none.

    >>> inline_header("ss_conv2d_narrow"), inline_header("ss_concat")
    ('ss_conv2d_inline.h', None)
    """
    name = f"{inline_name(kernel)}.h"
    return name if (RUNTIME_DIR / name).is_file() else None


def files_for(kernels: Iterable[str], headers: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of the runtime files that ``kernels`` and ``headers`` need, sorted.

    A kernel is a function; it lives in the C file of the same name, which names what it includes.

    >>> files_for(["ss_fully_connected"])
    ('ss_channels.h', 'ss_fully_connected.c', 'ss_fully_connected.h', 'ss_fully_connected_dense.h',
     'ss_fully_connected_geometry.h', 'ss_platform.h', 'ss_requantize.h', 'ss_target.h')
    """
    needed: set[str] = set()
    pending = [*(f"{kernel}.c" for kernel in kernels), *headers]
    while pending:
        name = pending.pop()
        if name not in needed:
            needed.add(name)
            pending += _INCLUDE.findall(runtime_text(name))
    return tuple(sorted(needed))


def write_runtime(folder: Path, kernels: Iterable[str]) -> list[Path]:
    """Writes the files that ``kernels`` need into ``folder``; returns the C files, sorted."""
    names = files_for(kernels)
    for name in names:
        (folder / name).write_text(runtime_text(name), encoding="utf-8", newline="\n")
    return [folder / name for name in names if name.endswith(".c")]
