"""A firmware around an export: harness, model and runtime, compiled and linked for one core."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import VerificationError
from .build import STRICT_FLAGS, Compiler, compile_c, compiler_version, run_tool
from .c_source import fill, numbers
from .cores import EmulatedCore
from .manifest import EXAMPLE_FILES, Manifest
from .runner import TRACE_FLAG, model_header

DOES_NOT_FIT: Final = "expected the model to fit"
"""How an error begins that says that a model is too large for a core."""

HARNESS_DIR = Path(__file__).parent / "harness"

_SECTION_FLAGS = ("-ffunction-sections", "-fdata-sections")
# The harness calls no library function, so that all of them in the program are the model's.
_HARNESS_FLAGS = ("-ffreestanding", "-fno-tree-loop-distribute-patterns")
_LINK_FLAGS = ("-nostartfiles", "-Wl,--gc-sections", "-Wl,--build-id=none")
_OTHER_FLASH = (".vectors", ".harness", ".images", ".rodata", ".data")
_LINK_TIMEOUT_S = 300
_ROW = re.compile(r"^(\.[\w.]+)\s+(\d+)\s", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Firmware:
    """A linked program.

    Attributes:
        core: What it is for.
        program: In the form that the emulator loads.
        sections: Bytes by name of the section, as linked.
        compiler: What the compiler says about itself.
        flags: Of the runtime.
    """

    core: EmulatedCore
    program: Path
    sections: Mapping[str, int]
    compiler: str
    flags: tuple[str, ...]

    @property
    def code_bytes(self) -> int:
        """Machine code of model, runtime and library; not that of the harness."""
        return self.sections.get(".text", 0) + self.sections.get(".ARM.exidx", 0)

    @property
    def flash_bytes(self) -> int:
        """Everything in flash, that of the harness too."""
        return self.code_bytes + sum(self.sections.get(name, 0) for name in _OTHER_FLASH)


def code_flags(core: EmulatedCore) -> tuple[str, ...]:
    """The flags, beside the strict ones, that the runtime is compiled with."""
    return (*core.flags, core.optimisation, *_SECTION_FLAGS)


def model_flags(core: EmulatedCore) -> tuple[str, ...]:
    """Those of the model's own C file where it has no loop over data.

    It is compiled for size, as its code is predicted.
    """
    return (*code_flags(core), "-Os")


def build_firmware(
    folder: Path,
    manifest: Manifest,
    core: EmulatedCore,
    build_dir: Path,
    *,
    images: NDArray[np.uint8],
    stack_bytes: int = 0,
    traced: bool = False,
) -> Firmware:
    """Compiles an export and the harness, and links them.

    Args:
        folder: An export; nothing is written into it.
        manifest: Of this export.
        core: What to build for.
        build_dir: A folder of its own for all that is written.
        images: uint8 [n, H, W, C], put into the program where the machine cannot read files.
        stack_bytes: Where fewer are free, the model is not called.
        traced: Compile the trace in.

    Raises:
        VerificationError: The C code does not compile, or the program does not fit the machine.
    """
    build_dir.mkdir(parents=True, exist_ok=True)
    (build_dir / "verify_model.h").write_text(model_header(manifest))
    trace = (TRACE_FLAG,) if traced else ()
    main = HARNESS_DIR / "harness_main.c"
    least = f"-DHARNESS_STACK_BYTES={stack_bytes}"
    model = model_sources(folder, manifest, core, trace)
    sources = {main: (*model_flags(core), least, *trace), **model}
    include = sorted({source.parent for source in model})
    return build_program(core, sources, build_dir, include=include, images=images)


def model_sources(
    folder: Path, manifest: Manifest, core: EmulatedCore, flags: Sequence[str] = ()
) -> dict[Path, tuple[str, ...]]:
    """The C files of an export and the flags of each, ``flags`` among them."""
    names = sorted(set(manifest.files) - EXAMPLE_FILES)
    # Kernels that are specialised for speed are in the model's own file.
    own = f"{manifest.prefix}.c" if manifest.optimize == "size" else None
    return {
        path: (*(model_flags(core) if path.name == own else code_flags(core)), *flags)
        for path in map(folder.joinpath, names)
        if path.suffix == ".c"
    }


def build_program(
    core: EmulatedCore,
    sources: Mapping[Path, Sequence[str]],
    build_dir: Path,
    *,
    include: Sequence[Path],
    images: NDArray[np.uint8],
) -> Firmware:
    """Compiles C files with start-up and port of a core, and links them.

    Args:
        core: What to build for.
        sources: Flags by C file; one defines ``harness_main`` and has a name with ``harness_``.
        build_dir: An existing folder for all that is written.
        include: Folders that are searched for headers, beside those of build and harness.
        images: uint8 [n, H, W, C], put into the program where the machine cannot read files.

    Raises:
        VerificationError: The C code does not compile, or the program does not fit the machine.
    """
    port = "harness_cortex_m.c"
    if core.emulator == "simavr":
        port = "harness_avr.c"
        (build_dir / "harness_images.h").write_text(_images_header(images))
    macros = tuple(f"-D{macro}" for macro in core.counter)
    folders = [build_dir, *include, HARNESS_DIR]
    objects = []
    for source, flags in {HARNESS_DIR / port: model_flags(core), **sources}.items():
        special = (*_HARNESS_FLAGS, *macros) if source.name.startswith("harness_") else ()
        objects.append(compile_object(core, source, build_dir, (*flags, *special), folders))
    elf = link(core, objects, build_dir)
    program = elf if core.emulator == "qemu" else _intel_hex(core, elf)
    sections = section_sizes(core, elf)
    version = compiler_version([core.compiler])
    return Firmware(core, program, sections, version, (*STRICT_FLAGS, *code_flags(core)))


def compile_object(
    core: EmulatedCore,
    source: Path,
    build_dir: Path,
    flags: Sequence[str],
    include: Sequence[Path],
) -> Path:
    """Compiles one C file for a core; returns the object in ``build_dir``.

    Raises:
        VerificationError: The compiler refuses.
    """
    compiled = build_dir / f"{source.stem}.o"
    compiler = Compiler((core.compiler,), "")
    compile_c(compiler, [source], compiled, include=include, flags=(*flags, "-c"))
    return compiled


def link(core: EmulatedCore, objects: Sequence[Path], build_dir: Path) -> Path:
    """Links objects, those of the harness among them; returns the program.

    Raises:
        VerificationError: The linker refuses: something is missing, or does not fit the memory. Or
            it does not end.
    """
    template = "avr.ld" if core.emulator == "simavr" else "cortex_m.ld"
    script = build_dir / "memory.ld"
    values = {
        "CORE": core.title,
        "FLASH_ORIGIN": hex(core.flash.origin),
        "FLASH_BYTES": str(core.flash.bytes),
        "RAM_ORIGIN": hex(core.ram.origin),
        "RAM_BYTES": str(core.ram.bytes),
        "GUARD_BYTES": str(core.guard_bytes),
    }
    script.write_text(fill((HARNESS_DIR / f"{template}.template").read_text(), values))
    elf = build_dir / "firmware.elf"
    command = [core.compiler, *core.flags, *_LINK_FLAGS, f"-Wl,-T,{script}"]
    command += [*map(str, objects), "-o", str(elf)]
    result = run_tool(command, timeout_s=_LINK_TIMEOUT_S)
    if result.returncode != 0:
        raise VerificationError(
            f"{DOES_NOT_FIT} {core.title} with {core.flash.bytes} bytes of flash and "
            f"{core.ram.bytes} of RAM, got from the linker:\n{result.stderr.strip()[:4000]}"
        )
    return elf


def section_sizes(core: EmulatedCore, file: Path) -> dict[str, int]:
    """Bytes by section of an object or a program; sections that occur twice are added up."""
    listing = subprocess.run(
        [f"{core.triple}-size", "-A", str(file)], capture_output=True, text=True, check=True
    ).stdout
    sizes: dict[str, int] = {}
    for name, size in _ROW.findall(listing):
        sizes[name] = sizes.get(name, 0) + int(size)
    return sizes


def _intel_hex(core: EmulatedCore, elf: Path) -> Path:
    """The flash of a program as a hex file: simavr loads no section of an ELF file but two."""
    program = elf.with_suffix(".hex")
    ram = [f"--remove-section={name}" for name in (".bss", ".guard_below", ".guard_above")]
    subprocess.run(
        [f"{core.triple}-objcopy", "-O", "ihex", *ram, str(elf), str(program)], check=True
    )
    return program


def _images_header(images: NDArray[np.uint8]) -> str:
    """The images as the network reads them, an array in program memory."""
    pixels = (images ^ np.uint8(128)).reshape(-1).tolist()
    return (
        f"#define HARNESS_IMAGES {len(images)}u\n"
        f"static const uint8_t harness_images[{len(pixels)}] PROGMEM = {{\n{numbers(pixels)}\n}};\n"
    )
