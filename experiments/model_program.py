"""A program around exported models that runs them on an emulated core and compares every output."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sparse_search.deploy import Export, c_source
from sparse_search.deploy.manifest import EXAMPLE_FILES, read_model

from .emulator import BOARD, Core, compile_objects, link, run

_MODEL = """
    for (int i = 0; i < {count}; i++) {{
        copy({prefix}_input(arena), {prefix}_images[i], {upper}_INPUT_BYTES);
        bench_start();
        code = {prefix}_invoke(arena, {upper}_ARENA_BYTES);
        equal = code == {upper}_OK &&
                bench_equal({prefix}_output(arena), {prefix}_expected[i], {upper}_OUTPUT_BYTES);
        bench_print_operators("{prefix}", equal);
    }}"""

_COPY = """
static void copy(int8_t *to, const int8_t *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
    }
}
"""


def program_text(exports: Sequence[Export]) -> str:
    """C that runs each export on its golden images; a line for each image and operator."""
    parts = ['#include "bench.h"', *(f'#include "{e.manifest.prefix}.h"' for e in exports)]
    bodies = []
    for export in exports:
        prefix, upper = export.manifest.prefix, export.manifest.prefix.upper()
        images = (export.manifest.golden_images() ^ np.uint8(128)).view(np.int8)
        # The reference computes them again: a manifest would only repeat what was exported.
        model = read_model(export.folder, export.manifest)
        expected = model.forward(export.manifest.golden_images())
        for name, values, size in (
            ("images", images, "INPUT_BYTES"),
            ("expected", expected, "OUTPUT_BYTES"),
        ):
            rows = c_source.rows(values.reshape(len(values), -1).tolist())
            parts.append(
                f"static const int8_t {prefix}_{name}[{len(values)}][{upper}_{size}] = {{\n"
                f"{rows}\n}};"
            )
        bodies.append(_MODEL.format(prefix=prefix, upper=upper, count=len(images)))
    arena = max(int(e.manifest.memory_plan["arena_bytes"]) for e in exports)
    parts.append(f"static uint32_t arena[{arena // 4 + 1}];")
    opening = "void bench(void)\n{\n    int code, equal;\n"
    return "\n".join([*parts, _COPY, opening + "".join(bodies), "}", ""])


def model_sources(export: Export) -> list[Path]:
    """The C files of a model and its runtime."""
    names = sorted(set(export.manifest.files) - EXAMPLE_FILES)
    return [export.folder / name for name in names if name.endswith(".c")]


def run_models(
    core: Core, exports: Sequence[Export], folder: Path, flags: Sequence[str] = ("-O2",)
) -> dict[str, list[tuple[bool, list[int]]]]:
    """Runs exports of different prefixes; (equal, instructions by operator) of every golden image.

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
    include = [BOARD, *(export.folder for export in exports)]
    flags = (*flags, "-DSPARSE_SEARCH_TRACE")
    objects = compile_objects(
        core,
        [folder / "bench_models.c", *sources.values()],
        folder,
        include=include,
        flags=flags,
    )
    lines = iter(run(core, link(core, objects, folder)))
    found: dict[str, list[tuple[bool, list[int]]]] = {}
    for export in exports:
        operators = len(export.manifest.graph["operators"])
        outcomes = []
        for _ in export.manifest.golden:
            rows = [next(lines) for _ in range(operators)]
            counts = [core.instructions(int(ticks)) for _, ticks, _ in rows]
            outcomes.append((all(equal == "1" for _, _, equal in rows), counts))
        found[export.manifest.prefix] = outcomes
    return found
