"""A linked firmware for a Cortex-M4 around an export, to read sizes from the file itself.

Vectors, start-up, arena, model and nothing else: what a program needs that classifies images. It
is linked, so that what nothing calls is gone, and not run.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from sparse_search.deploy.build import compile_c

from .emulator import BOARD, CORES

_SECTIONS = ("-ffunction-sections", "-fdata-sections")


@dataclass(frozen=True, slots=True)
class FirmwareSizes:
    """Bytes of a linked firmware.

    Attributes:
        flash: All that is in flash.
        code: Instructions, the vectors included.
        constants: Read-only data: weights, biases, multipliers, tables.
    """

    flash: int
    code: int
    constants: int


def link(export: Path, scratch: Path, optimization: str = "-Os") -> FirmwareSizes:
    """Compiles and links an export, and reads the sizes of the sections.

    Args:
        export: Folder that ``export_c`` wrote with the prefix "model".
        scratch: Folder for what is built; made if it is missing.
        optimization: Flag of the compiler.

    Raises:
        VerificationError: The compiler refuses.
        FileNotFoundError: arm-none-eabi-gcc is not installed.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    sources = [path for path in sorted(export.glob("*.c")) if path.name != "main.c"]
    elf = scratch / "firmware.elf"
    # There is no C library, so loops must not become calls of memcpy and memset.
    linking = ("-fno-tree-loop-distribute-patterns", "-nostdlib", "-lgcc", "-Wl,--gc-sections")
    script = f"-Wl,-T,{BOARD / 'firmware.ld'}"
    compile_c(
        CORES["m4"].compiler,
        [BOARD / "firmware.c", *sources],
        elf,
        include=[export],
        flags=(optimization, *_SECTIONS, *linking, script),
    )
    listing = subprocess.run(
        ["arm-none-eabi-size", "-A", str(elf)], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in listing.splitlines() if line.startswith(".")]
    sizes = {name: int(size) for name, size, _ in rows}
    code = sizes.get(".vectors", 0) + sizes.get(".text", 0) + sizes.get(".ARM.exidx", 0)
    constants = sizes.get(".rodata", 0)
    return FirmwareSizes(code + constants + sizes.get(".data", 0), code, constants)
