"""A linked firmware for a Cortex-M4 around an export, to read sizes from the file itself.

Vectors, start-up, arena, model and nothing else: what a program needs that classifies images. It
is linked, so that what nothing calls is gone, and not run.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from sparse_search.deploy.build import Compiler, compile_c

CORE = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
_SECTIONS = ("-Os", "-ffunction-sections", "-fdata-sections")

_LINKER_SCRIPT = """
MEMORY { FLASH (rx) : ORIGIN = 0, LENGTH = 1M  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 256K }
ENTRY(start)
SECTIONS
{
    .vectors : { KEEP(*(.vectors)) } > FLASH
    .text : { *(.text*) } > FLASH
    .rodata : { *(.rodata*) } > FLASH
    .ARM.exidx : { *(.ARM.exidx*) } > FLASH
    .data : { data_begin = .; *(.data*) data_end = .; } > RAM AT > FLASH
    data_source = LOADADDR(.data);
    .bss : { bss_begin = .; *(.bss*) *(COMMON) bss_end = .; } > RAM
    stack_top = ORIGIN(RAM) + LENGTH(RAM);
}
"""

_PROGRAM = """
#include "model.h"

extern uint32_t data_begin[], data_end[], data_source[], bss_begin[], bss_end[], stack_top[];

static uint32_t arena[(MODEL_ARENA_BYTES + 3) / 4];
volatile uint8_t pixels[MODEL_INPUT_BYTES];
volatile int result;

void start(void);

void start(void)
{
    const uint32_t *source = data_source;

    for (uint32_t *word = data_begin; word != data_end; word++) {
        *word = *source++;
    }
    for (uint32_t *word = bss_begin; word != bss_end; word++) {
        *word = 0;
    }
    for (;;) {
        int8_t *input = model_input(arena);

        for (int i = 0; i < MODEL_INPUT_BYTES; i++) {
            input[i] = (int8_t)(pixels[i] - 128);
        }
        result = model_invoke(arena, sizeof arena) == MODEL_OK ? model_argmax(model_output(arena))
                                                               : -1;
    }
}

typedef struct {
    const uint32_t *stack;
    void (*reset)(void);
} vectors;

__attribute__((section(".vectors"), used)) static const vectors table = {stack_top, start};
"""


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


def link(export: Path, scratch: Path) -> FirmwareSizes:
    """Compiles and links an export, and reads the sizes of the sections.

    Args:
        export: Folder that ``export_c`` wrote with the prefix "model".
        scratch: Folder for what is built; made if it is missing.

    Raises:
        VerificationError: The compiler refuses.
        FileNotFoundError: arm-none-eabi-gcc is not installed.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "firmware.c").write_text(_PROGRAM)
    (scratch / "firmware.ld").write_text(_LINKER_SCRIPT)
    sources = [path for path in sorted(export.glob("*.c")) if path.name != "main.c"]
    elf = scratch / "firmware.elf"
    linking = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections")
    script = f"-Wl,-T,{scratch / 'firmware.ld'}"
    compile_c(
        Compiler(("arm-none-eabi-gcc", *CORE), ""),
        [scratch / "firmware.c", *sources],
        elf,
        include=[export],
        flags=(*_SECTIONS, *linking, script),
    )
    listing = subprocess.run(
        ["arm-none-eabi-size", "-A", str(elf)], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in listing.splitlines() if line.startswith(".")]
    sizes = {name: int(size) for name, size, _ in rows}
    code = sizes.get(".vectors", 0) + sizes.get(".text", 0) + sizes.get(".ARM.exidx", 0)
    constants = sizes.get(".rodata", 0)
    return FirmwareSizes(code + constants + sizes.get(".data", 0), code, constants)
