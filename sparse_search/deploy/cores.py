"""Cores that a verification can run on: what compiles for each, and which machine stands for it.

A machine is one that an emulator knows, with its memory; of the larger ones a part that boards of
the core have. It counts instructions (QEMU, one each ``INSTRUCTION_NS`` of its own time) or cycles
(simavr).
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from ..errors import ToolMissingError, VerificationError

INSTRUCTION_NS: Final = 256
"""What an instruction takes under QEMU's ``-icount shift=8``."""

HOST: Final = "host"
"""The machine that this runs on; no core of ``CORES``."""

ALL: Final = "all"
"""Host and every core."""

Emulator = Literal["qemu", "simavr"]

_PACKAGES: Final = {
    "arm-none-eabi-gcc": ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi"),
    "qemu-system-arm": ("qemu-system-arm",),
    "avr-gcc": ("gcc-avr", "avr-libc"),
    "simavr": ("simavr",),
    "stdbuf": ("coreutils",),
}


@dataclass(frozen=True, slots=True)
class Memory:
    """A contiguous region.

    Attributes:
        origin: Its first address.
        bytes: Its size.
    """

    origin: int
    bytes: int


@dataclass(frozen=True, slots=True)
class EmulatedCore:
    """A core, how to compile for it, and the machine that stands for it.

    Attributes:
        name: How it is asked for.
        title: In words.
        triple: Prefix of the names of compiler and tools.
        flags: That choose the core.
        optimisation: Flag; the flash of an AVR is scarce.
        emulator: What runs the firmware.
        machine: By the emulator's name.
        flash: For code and constants.
        ram: For everything else.
        counter: Macros of the harness: which counter there is, and where.
        tick_ns: Of this counter; 0 where it counts cycles itself.
        guard_bytes: Before and behind .data and .bss, to find what is written there.
        images: How many a verification runs if it is not told otherwise.
    """

    name: str
    title: str
    triple: str
    flags: tuple[str, ...]
    optimisation: str
    emulator: Emulator
    machine: str
    flash: Memory
    ram: Memory
    counter: tuple[str, ...] = ()
    tick_ns: float = 0.0
    guard_bytes: int = 16
    images: int = 64

    @property
    def compiler(self) -> str:
        """The compiler's program."""
        return f"{self.triple}-gcc"

    @property
    def tools(self) -> tuple[str, ...]:
        """Every program that a verification runs."""
        if self.emulator == "simavr":
            return (self.compiler, "simavr", "stdbuf")
        return (self.compiler, "qemu-system-arm")

    @property
    def count_unit(self) -> str:
        """What the machine counts."""
        return "cycles" if self.emulator == "simavr" else "instructions"


def _cortex_m(
    name: str,
    core: str,
    fpu: str,
    machine: str,
    memory: tuple[Memory, Memory],
    *counter: str,
    tick_ns: float,
) -> EmulatedCore:
    floats = {"": (), "mve": ("-mfloat-abi=hard",)}.get(fpu, (f"-mfpu={fpu}", "-mfloat-abi=hard"))
    return EmulatedCore(
        name=name,
        title=core.replace("cortex-m", "Cortex-M"),
        triple="arm-none-eabi",
        flags=(f"-mcpu={core}", "-mthumb", *floats),
        optimisation="-O2",
        emulator="qemu",
        machine=machine,
        flash=memory[0],
        ram=memory[1],
        counter=counter,
        tick_ns=tick_ns,
        guard_bytes=min(4096, memory[1].bytes // 64),
    )


_MPS2 = (Memory(0, 4 << 20), Memory(0x20000000, 512 << 10))
_CMSDK = "COUNTER_CMSDK=0x40000000u"

CORES: Final[Mapping[str, EmulatedCore]] = MappingProxyType(
    {
        core.name: core
        for core in (
            _cortex_m(
                *("m0", "cortex-m0", "", "microbit"),
                (Memory(0, 256 << 10), Memory(0x20000000, 16 << 10)),
                "COUNTER_NRF=0x40008000u",
                tick_ns=62.5,
            ),
            _cortex_m("m3", "cortex-m3", "", "mps2-an385", _MPS2, _CMSDK, tick_ns=40.0),
            _cortex_m("m4", "cortex-m4", "fpv4-sp-d16", "mps2-an386", _MPS2, _CMSDK, tick_ns=40.0),
            _cortex_m("m7", "cortex-m7", "fpv5-d16", "mps2-an500", _MPS2, _CMSDK, tick_ns=40.0),
            _cortex_m(
                *("m33", "cortex-m33", "fpv5-sp-d16", "mps2-an505"),
                (Memory(0x10000000, 4 << 20), Memory(0x38000000, 512 << 10)),
                "COUNTER_CMSDK=0x50000000u",
                tick_ns=50.0,
            ),
            _cortex_m(
                *("m55", "cortex-m55", "mve", "mps3-an547"),
                (Memory(0, 512 << 10), Memory(0x30000000, 512 << 10)),
                *("COUNTER_SSE=0x58000000u", "COUNTER_SSE_CONTROL=0x58100000u"),
                tick_ns=31.25,
            ),
            EmulatedCore(
                name="avr",
                title="ATmega328P (Arduino Uno)",
                triple="avr",
                flags=("-mmcu=atmega328p",),
                optimisation="-Os",
                emulator="simavr",
                machine="atmega328p",
                flash=Memory(0, 32 << 10),
                ram=Memory(0x100, 2 << 10),
                images=8,
            ),
        )
    }
)
"""By name, smallest first; the AVR last."""


def parse_cores(names: Iterable[str]) -> tuple[str, ...]:
    """Names of cores, "host" among them, each once and in order; "all" is every one.

    >>> parse_cores(["m4", "host", "m4"])
    ('m4', 'host')

    Raises:
        VerificationError: A name is not known.
    """
    known = (HOST, *CORES)
    found: list[str] = []
    for name in names:
        if name != ALL and name not in known:
            raise VerificationError(
                f"expected a core among {', '.join(known)} or {ALL!r}, got {name!r}"
            )
        found += known if name == ALL else [name]
    return tuple(dict.fromkeys(found))


def find_core(name: str, path: str | None = None) -> EmulatedCore:
    """The core called ``name``, once every tool that it needs is there.

    Args:
        name: Of ``CORES``.
        path: Folders that are searched for programs; None for the environment's.

    Raises:
        VerificationError: There is no such core.
        ToolMissingError: Programs are missing; says which packages hold them.
    """
    (name,) = parse_cores([name])
    if name not in CORES:
        raise VerificationError(f"expected a core among {', '.join(CORES)}, got {name!r}")
    core = CORES[name]
    missing = [tool for tool in core.tools if shutil.which(tool, path=path) is None]
    if missing:
        packages = " ".join(package for tool in missing for package in _PACKAGES[tool])
        raise ToolMissingError(
            f"expected {' and '.join(missing)} on the PATH, to verify on {core.title}, found none; "
            f"install the packages (Debian, Ubuntu: `apt-get install {packages}`)"
        )
    return core
