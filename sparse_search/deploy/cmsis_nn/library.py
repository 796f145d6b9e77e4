"""CMSIS-NN from a checkout of its repository, compiled for this machine: its portable C."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...errors import ToolMissingError, VerificationError
from ..build import Compiler, run_tool

CMSIS_NN_VARIABLE: Final = "SPARSE_SEARCH_CMSIS_NN_DIR"
"""Environment variable that names the checkout."""

_FOLDERS: Final = (
    *("BasicMath", "Convolution", "FullyConnected"),
    *("NNSupport", "Pooling", "Transpose"),
)
_TIMEOUT_S: Final = 600


@dataclass(frozen=True, slots=True)
class Library:
    """What a program is compiled and linked with."""

    include: Path
    archive: Path


def build_library(
    compiler: Compiler,
    flags: Sequence[str],
    build_dir: Path,
    environment: Mapping[str, str] = os.environ,
) -> Library:
    """Compiles the int8 operators into ``build_dir``, if they are not there.

    Raises:
        ToolMissingError: The environment names no checkout, or there is no archiver.
        VerificationError: CMSIS-NN does not compile, or not in time.
    """
    folder = Path(environment.get(CMSIS_NN_VARIABLE) or ".").resolve()
    library = Library(folder / "Include", build_dir / "libcmsis-nn.a")
    sources = [
        str(path)
        for name in _FOLDERS
        for pattern in ("*s8*.c", "*q7*.c")
        for path in sorted((folder / "Source" / f"{name}Functions").glob(pattern))
    ]
    archiver = shutil.which("ar", path=environment.get("PATH"))
    if not sources or archiver is None:
        raise ToolMissingError(
            f"expected {CMSIS_NN_VARIABLE} to name a checkout of CMSIS-NN, and the program ar, got "
            f"{environment.get(CMSIS_NN_VARIABLE)!r} and {archiver}; the C of this export calls "
            "CMSIS-NN, clone github.com/ARM-software/CMSIS-NN and set the variable"
        )
    if library.archive.exists():
        return library
    objects = build_dir / "cmsis-nn"
    objects.mkdir(exist_ok=True)
    _run([*compiler.command, *flags, "-w", f"-I{library.include}", "-c", *sources], objects)
    _run([archiver, "rc", str(library.archive), *map(str, sorted(objects.glob("*.o")))], objects)
    return library


def _run(command: Sequence[str], folder: Path) -> None:
    done = run_tool(command, timeout_s=_TIMEOUT_S, folder=folder)
    if done.returncode != 0:
        raise VerificationError(
            f"expected CMSIS-NN to compile, got exit code {done.returncode} from "
            f"`{command[0]}`:\n{done.stderr.strip()[:4000]}"
        )
