"""A program that runs exported models on an emulated core; every operator is compared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparse_search.deploy import Export, c_source
from sparse_search.deploy.manifest import EXAMPLE_FILES, read_model
from sparse_search.memory.fusion import fused_pools

from .emulator import BOARD, Core, compile_objects, link, run

_MODEL = """
    for (int i = 0; i < {count}; i++) {{
        copy({prefix}_input(arena), {prefix}_images[i], {upper}_INPUT_BYTES);
        bench_start();
        if ({prefix}_invoke(arena, {upper}_ARENA_BYTES) == {upper}_OK) {{
            bench_print_operators("{prefix}");
        }}
    }}"""

NOTHING = np.empty(0, dtype=np.int8)

_COPY = """
static void copy(int8_t *to, const int8_t *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
    }
}
"""


@dataclass(frozen=True, slots=True)
class OperatorRun:
    """One operator of one inference.

    Attributes:
        name: Of the operator.
        instructions: That it took.
        equal: Whether it wrote what the integer reference computes, by checksum.
    """

    name: str
    instructions: int
    equal: bool


def checksum(values: NDArray[np.int8]) -> int:
    """What ``cortex_m/bench.c`` computes of an output.

    >>> checksum(np.array([1, 2, -1], np.int8))
    262
    """
    sums = np.cumsum(values.reshape(-1).view(np.uint8), dtype=np.uint64)
    return int(sums.sum() % 2**32)


def program_text(exports: Sequence[Export]) -> str:
    """C that runs each export on its golden images; a line for each image and operator."""
    parts = ['#include "bench.h"', *(f'#include "{e.manifest.prefix}.h"' for e in exports)]
    bodies = []
    for export in exports:
        prefix, upper = export.manifest.prefix, export.manifest.prefix.upper()
        images = (export.manifest.golden_images() ^ np.uint8(128)).view(np.int8)
        rows = c_source.rows(images.reshape(len(images), -1).tolist())
        parts.append(
            f"static const int8_t {prefix}_images[{len(images)}][{upper}_INPUT_BYTES] = {{\n"
            f"{rows}\n}};"
        )
        bodies.append(_MODEL.format(prefix=prefix, upper=upper, count=len(images)))
    arena = max(int(e.manifest.memory_plan["arena_bytes"]) for e in exports)
    parts.append(f"static uint32_t arena[{arena // 4 + 1}];")
    return "\n".join([*parts, _COPY, "void bench(void)\n{" + "".join(bodies), "}", ""])


def model_sources(export: Export) -> list[Path]:
    """The C files of a model and its runtime."""
    names = sorted(set(export.manifest.files) - EXAMPLE_FILES)
    return [export.folder / name for name in names if name.endswith(".c")]


def run_models(
    core: Core, exports: Sequence[Export], folder: Path, flags: Sequence[str] = ("-O2",)
) -> dict[str, list[OperatorRun]]:
    """Runs exports of different prefixes; every operator of every golden image, by prefix.

    Args:
        core: Where they run.
        exports: Their runtime is shared, as in one firmware.
        folder: For what is built.
        flags: Of the compiler.

    Raises:
        VerificationError: Something does not compile, link or end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench_models.c").write_text(program_text(exports))
    sources = {path.name: path for export in exports for path in model_sources(export)}
    objects = compile_objects(
        core,
        [folder / "bench_models.c", *sources.values()],
        folder,
        include=[BOARD, *(export.folder for export in exports)],
        flags=(*flags, "-DSPARSE_SEARCH_TRACE"),
    )
    lines = iter(run(core, link(core, objects, folder)))
    return {e.manifest.prefix: [*_compared(core, e, lines)] for e in exports}


def _compared(core: Core, export: Export, lines: Iterator[list[str]]) -> Iterator[OperatorRun]:
    """What an export printed, beside the integer reference."""
    model = read_model(export.folder, export.manifest)
    pooled = fused_pools(model.graph)
    for image in export.manifest.golden_images():
        expected = model.trace(image[None])
        for operator in model.graph.operators:
            _, ticks, found = next(lines)
            # What a convolution pools at once is written by nobody; its pooling is traced.
            written = NOTHING if operator.name in pooled else expected[operator.output]
            equal = int(found) == checksum(written)
            yield OperatorRun(operator.name, core.instructions(int(ticks)), equal)
