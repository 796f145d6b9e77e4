"""Cortex-M cores under QEMU: bare programs for benchmarks, and counts of instructions.

Counts are exact to a few instructions and the same in every run; they are no cycles, since there
are neither wait states nor caches. Needs arm-none-eabi-gcc and qemu-system-arm.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sparse_search.deploy.build import Compiler, compile_c
from sparse_search.deploy.cores import CORES as EMULATED
from sparse_search.deploy.cores import INSTRUCTION_NS
from sparse_search.errors import VerificationError

BOARD = Path(__file__).parent / "cortex_m"
"""Start-up code and linker scripts."""

_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Core:
    """A core, and the board on which it is emulated.

    Attributes:
        name: Short, such as "m4".
        flags: Of the compiler.
        machine: QEMU's name of the board.
        ram_origin: Address of its RAM.
        timer_hz: Of the timer that ``cortex_m/bench.h`` reads.
        board_flags: Of the start-up code.
    """

    name: str
    flags: tuple[str, ...]
    machine: str
    ram_origin: int = 0x20000000
    timer_hz: int = 25_000_000
    board_flags: tuple[str, ...] = ()

    @property
    def compiler(self) -> Compiler:
        """The cross compiler for this core."""
        return Compiler(("arm-none-eabi-gcc", *self.flags), "")

    def instructions(self, ticks: int) -> int:
        """How many instructions take so many ticks of the timer."""
        return round(ticks * 1e9 / self.timer_hz / INSTRUCTION_NS)


_CORES = (
    # M0+ code on the board of an M3, which has a timer; unaligned accesses fault all the same.
    Core(
        "m0",
        ("-mcpu=cortex-m0plus", "-mthumb"),
        EMULATED["m3"].machine,
        board_flags=("-DBENCH_TRAP_UNALIGNED",),
    ),
    Core("m3", EMULATED["m3"].flags, EMULATED["m3"].machine),
    Core("m4", EMULATED["m4"].flags, EMULATED["m4"].machine),
    Core(
        "m55",
        EMULATED["m55"].flags,
        EMULATED["m55"].machine,
        ram_origin=0x30000000,
        timer_hz=32_000_000,
        board_flags=("-DBENCH_SYSTICK",),
    ),
)
CORES = MappingProxyType({core.name: core for core in _CORES})
"""By name."""


def compile_objects(
    core: Core,
    sources: Sequence[Path],
    folder: Path,
    *,
    include: Sequence[Path],
    flags: Sequence[str],
) -> list[Path]:
    """Compiles each source to an object in ``folder``, a section for each function and array."""
    objects = []
    for source in sources:
        objects.append(folder / f"{source.stem}.o")
        sections = ("-ffunction-sections", "-fdata-sections", "-c")
        compile_c(core.compiler, [source], objects[-1], include=include, flags=(*flags, *sections))
    return objects


def link(core: Core, objects: Sequence[Path], folder: Path) -> Path:
    """Links objects, one of which defines ``bench``, with the start-up code of the board."""
    # The start of the program has inline assembly by the names that standard C keeps free.
    flags = ("-std=gnu99", "-Os", *core.board_flags)
    startup = compile_objects(core, [BOARD / "bench.c"], folder, include=[BOARD], flags=flags)
    elf = folder / "program.elf"
    command = [
        *core.compiler.command,
        "-nostartfiles",
        "-Wl,--gc-sections",
        "-Wl,--defsym,flash_origin=0",
        f"-Wl,--defsym,ram_origin={core.ram_origin}",
        "-T",
        str(BOARD / "bench.ld"),
        *map(str, [*startup, *objects]),
        "-o",
        str(elf),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise VerificationError(f"expected the program to link, got: {result.stderr[-2000:]}")
    return elf


def run(core: Core, elf: Path) -> list[list[str]]:
    """Runs a program; the words of each line that it prints.

    Raises:
        VerificationError: It does not end, or ends with a fault.
    """
    words = (
        f"qemu-system-arm -M {core.machine} -display none -monitor none -serial none "
        "-semihosting-config enable=on,target=native -icount shift=8 -kernel"
    )
    result = subprocess.run(
        [*words.split(), str(elf)], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if result.returncode != 0:
        raise VerificationError(
            f"expected the program to end on {core.name}, got exit code {result.returncode}: "
            f"{result.stderr[-500:]}"
        )
    return [line.split() for line in result.stderr.splitlines()]


def first_line(program: str) -> str:
    """What a program says about its version."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return said.stdout.splitlines()[0]
