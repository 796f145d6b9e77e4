"""The program that runs an export on this machine: how it is built, and what it says."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import VerificationError
from ..memory import KernelLibrary
from .build import Compiler, compile_c
from .cmsis_nn.library import build_library
from .differences import read_trace
from .manifest import EXAMPLE_FILES, Manifest
from .runtime_files import RUNTIME_DIR

TRACE_FLAG = "-DSPARSE_SEARCH_TRACE"

_RUN_TIMEOUT_S = 600
_REPORT = re.compile(r"high_water_bytes=(\d+) below=(\d+) unstable=(\d+)")
_MODEL_HEADER = """#include "{prefix}.h"

#define VERIFY_ARENA_BYTES {upper}_ARENA_BYTES
#define VERIFY_ARENA_ALIGNMENT {upper}_ARENA_ALIGNMENT
#define VERIFY_INPUT_BYTES {upper}_INPUT_BYTES
#define VERIFY_OUTPUT_BYTES {upper}_OUTPUT_BYTES
#define VERIFY_INPUT {prefix}_input
#define VERIFY_OUTPUT {prefix}_output
#define VERIFY_INVOKE {prefix}_invoke
#define VERIFY_ERROR_ARENA_NULL {upper}_ERROR_ARENA_NULL
#define VERIFY_ERROR_ARENA_TOO_SMALL {upper}_ERROR_ARENA_TOO_SMALL
#define VERIFY_ERROR_ARENA_MISALIGNED {upper}_ERROR_ARENA_MISALIGNED
"""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What the program computed, and what it found about memory.

    Attributes:
        outputs: int8 [n, classes].
        high_water_bytes: From the arena's start to the last byte that was written.
        below: Bytes before the arena were written.
        unstable: An output depends on what the arena held before.
    """

    outputs: NDArray[np.int8]
    high_water_bytes: int
    below: bool
    unstable: bool


@dataclass(frozen=True, slots=True)
class Runner:
    """A compiled export.

    Attributes:
        program: Reads images, writes outputs; see ``runtime/verify_main.c``.
        classes: Bytes of one output.
        traced: Whether it also writes what each operator wrote.
    """

    program: Path
    classes: int
    traced: bool

    def run(self, images: NDArray[np.uint8]) -> Run:
        """Outputs of images [n, H, W, C], uint8.

        Raises:
            VerificationError: The program fails, or says something else than expected.
        """
        out, report = self._execute(images)
        expected_bytes = len(images) * self.classes
        if len(out) != expected_bytes or report is None:
            raise VerificationError(
                f"expected {expected_bytes} bytes of output and a report on the memory, got "
                f"{len(out)} bytes; the export is not as it was written, export the model again"
            )
        high_water, below, unstable = (int(figure) for figure in report.groups())
        outputs = np.frombuffer(out, np.int8).reshape(len(images), self.classes)
        return Run(outputs, high_water, below > 0, unstable > 0)

    def trace(self, image: NDArray[np.uint8], operators: int) -> list[NDArray[np.int8]]:
        """What each operator writes for one image [H, W, C], flat, and last the output.

        Args:
            image: uint8.
            operators: How many the model has.

        Raises:
            VerificationError: The program fails, or its trace is malformed.
        """
        out, _ = self._execute(image[None])
        return read_trace(out, self.classes, operators)

    def _execute(self, images: NDArray[np.uint8]) -> tuple[bytes, re.Match[str] | None]:
        """Standard output, and the report on the memory."""
        try:
            result = subprocess.run(
                [str(self.program)],
                input=(images ^ np.uint8(128)).tobytes(),
                capture_output=True,
                timeout=_RUN_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise VerificationError(
                f"expected {len(images)} images within {_RUN_TIMEOUT_S} s, got no end; the C code "
                "does not finish"
            ) from None
        said = result.stderr.decode(errors="replace").strip()
        if result.returncode != 0:
            raise VerificationError(
                f"expected the compiled model to run to its end, got exit code "
                f"{result.returncode}: {said[-2000:] or 'it said nothing'}"
            )
        return result.stdout, _REPORT.search(said)


def model_header(manifest: Manifest) -> str:
    """The macros by which a main program of the verification names the model."""
    return _MODEL_HEADER.format(prefix=manifest.prefix, upper=manifest.prefix.upper())


def build_runner(
    folder: Path,
    manifest: Manifest,
    compiler: Compiler,
    flags: Sequence[str],
    build_dir: Path,
    *,
    traced: bool = False,
) -> Runner:
    """Compiles the export in ``folder`` with the verification's main program.

    Args:
        folder: An export; nothing is written into it.
        manifest: Of this export.
        compiler: What to compile with.
        flags: Beside the strict ones.
        build_dir: Where header and program are written.
        traced: Compile the trace in.

    Raises:
        ToolMissingError: The C calls CMSIS-NN, and the environment names no checkout of it.
        VerificationError: The C code does not compile, or a file is missing.
    """
    (build_dir / "verify_model.h").write_text(model_header(manifest))
    program = build_dir / ("trace" if traced else "verify")
    names = sorted(set(manifest.files) - EXAMPLE_FILES)
    sources = [folder / name for name in names if name.endswith(".c")]
    include = [build_dir, *sorted({source.parent for source in sources})]
    own_flags = [*flags, TRACE_FLAG] if traced else [*flags]
    if manifest.memory_plan["kernels"] != KernelLibrary.RUNTIME:
        library = build_library(compiler, flags, build_dir)
        sources.append(library.archive)
        # Its headers are not held to the strict flags.
        own_flags += ["-isystem", str(library.include)]
    compile_c(
        compiler,
        [RUNTIME_DIR / "verify_main.c", *sources],
        program,
        include=include,
        flags=own_flags,
    )
    return Runner(program, int(manifest.output["classes"]), traced)
