"""Finds a C compiler on this machine and runs it with the flags that the product promises."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ToolMissingError, VerificationError

STRICT_FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic")
"""Flags under which the runtime and every generated file compile without a message."""

_CANDIDATES = ("cc", "gcc", "clang")
_COMPILE_TIMEOUT_S = 300
_VERSION_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler that was found.

    Attributes:
        command: Program and leading arguments.
        version: The first line that the compiler says about itself.
    """

    command: tuple[str, ...]
    version: str


def find_compiler(environment: Mapping[str, str] = os.environ) -> Compiler:
    """The host's C compiler: $CC if it is set, else the first of cc, gcc and clang.

    Raises:
        ToolMissingError: There is none; says how to install one.
        VerificationError: It does not say its version.
    """
    asked = environment.get("CC", "").strip()
    names = [shlex.split(asked)] if asked else [[name] for name in _CANDIDATES]
    for command in names:
        if shutil.which(command[0], path=environment.get("PATH")) is not None:
            return Compiler(tuple(command), compiler_version(command))
    expected = f"$CC, which is {asked!r}," if asked else f"one of {', '.join(_CANDIDATES)}"
    raise ToolMissingError(
        f"expected {expected} on the PATH, found none; install a C compiler (Debian, Ubuntu: "
        "`apt-get install gcc`; macOS: `xcode-select --install`) or set CC to one"
    )


def run_tool(
    command: Sequence[str], *, timeout_s: float, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a compiler or another tool of a build to its end, in ``folder``, whatever it returns.

    Raises:
        VerificationError: It does not end in time.
    """
    try:
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise VerificationError(
            f"expected `{command[0]}` to end within {timeout_s} s, got no end; try again when the "
            "machine is less busy"
        ) from None


def compiler_version(command: Sequence[str]) -> str:
    """The first line that a compiler says about itself.

    Raises:
        VerificationError: It does not end.
    """
    result = run_tool([*command, "--version"], timeout_s=_VERSION_TIMEOUT_S)
    lines = result.stdout.splitlines()
    return lines[0].strip() if lines else "unknown"


def compile_c(
    compiler: Compiler,
    sources: Sequence[Path],
    output: Path,
    *,
    include: Sequence[Path] = (),
    flags: Sequence[str] = ("-O2",),
) -> None:
    """Compiles ``sources`` into ``output`` under ``STRICT_FLAGS``.

    Args:
        compiler: The compiler to run.
        sources: C files.
        output: Program, or object or library if ``flags`` say so (-c, -shared).
        include: Folders that are searched for headers.
        flags: Further flags; they come after the strict ones.

    Raises:
        VerificationError: The compiler refuses, with its messages, or does not end.
    """
    command = [
        *compiler.command,
        *STRICT_FLAGS,
        *flags,
        *(f"-I{folder}" for folder in include),
        *map(str, sources),
        "-o",
        str(output),
    ]
    result = run_tool(command, timeout_s=_COMPILE_TIMEOUT_S)
    if result.returncode != 0:
        names = ", ".join(source.name for source in sources)
        raise VerificationError(
            f"expected {names} to compile without a message, got exit code {result.returncode} "
            f"from `{compiler.command[0]}`:\n{result.stderr.strip()[:4000]}"
        )
