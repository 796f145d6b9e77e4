"""Measures what machine code and stack the runtime takes on every emulated core.

    python -m experiments.measure_code [--cores m4,avr]

Writes ``sparse_search/deploy/code_table.json``, by which a verification predicts code and stack.
Run it again whenever a kernel, a compiler or its flags change. Of each C file of the runtime: the
code and the stack frames of its functions, and what it needs of the compiler's library. Of the
C of a model: a line through the code of random models, by calls and their arguments. Of the stack:
the most that random models take beside the frames of their deepest kernel.
"""

import argparse
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparse_search.deploy import Export, export_c
from sparse_search.deploy.build import compiler_version
from sparse_search.deploy.code_table import CoreCode, KernelCode, read_table, write_table
from sparse_search.deploy.cores import CORES, EmulatedCore, find_core
from sparse_search.deploy.emulate import observe
from sparse_search.deploy.firmware import (
    build_firmware,
    code_flags,
    compile_object,
    model_flags,
    section_sizes,
)
from sparse_search.deploy.prediction import kernel_calls, kernel_forms
from sparse_search.deploy.runtime_files import all_kernels, write_runtime
from sparse_search.encoding import ALL_ENCODINGS, EncodingPolicy
from sparse_search.memory import plan_memory
from sparse_search.quantized import QuantizedModel
from tests.random_models import random_graph, random_images, random_model

MODELS = 60
STACK_MODELS = 14
_FIRST_SEED = 10_000
_MEMBER = re.compile(r"^ \.text\S*\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+\S+\.a\((\S+)\)", re.MULTILINE)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A random model as C.

    Attributes:
        export: Of it.
        model: The reference.
        calls: (kernel, number of arguments) of every call.
        images: uint8 [2, H, W, C].
    """

    export: Export
    model: QuantizedModel
    calls: Sequence[tuple[str, int]]
    images: NDArray[np.uint8]


def make_examples(folder: Path, count: int) -> list[Example]:
    """Random models, each other one in a given encoding."""
    made = []
    for number in range(count):
        generator = np.random.default_rng(_FIRST_SEED + number)
        graph = random_graph(generator)
        kind = ALL_ENCODINGS[number // 2 % len(ALL_ENCODINGS)]
        bits = int(kind[-1]) if "codebook" in kind else None
        model = random_model(generator, graph, codebook_bits=bits)
        policy = EncodingPolicy() if number % 2 == 0 else EncodingPolicy(allowed=(kind,))
        plan = plan_memory(model, policy=policy)
        export = export_c(model, plan, folder / str(number))
        calls = kernel_calls(model.graph, kernel_forms(plan))
        made.append(Example(export, model, calls, random_images(generator, graph, 2)))
    return made


def measure_kernel(
    core: EmulatedCore, source: Path, folder: Path
) -> tuple[KernelCode, dict[str, int]]:
    """One C file of the runtime, and bytes of what it needs of the library."""
    flags = (*code_flags(core), "-fstack-usage")
    compiled = compile_object(core, source, folder, flags, [source.parent])
    usage = compiled.with_suffix(".su").read_text().splitlines()
    table = folder / "link.map"
    subprocess.run(
        [
            *(core.compiler, *core.flags, "-nostartfiles", f"-Wl,-e,{source.stem}"),
            *("-Wl,--gc-sections", f"-Wl,-Map,{table}", str(compiled)),
            *("-o", str(folder / "kernel.elf")),
        ],
        check=True,
    )
    _, _, linked = table.read_text().partition("Linker script and memory map")
    library: dict[str, int] = {}
    for size, member in _MEMBER.findall(linked):
        library[member] = library.get(member, 0) + int(size, 16)
    library = {member: size for member, size in library.items() if size}
    code = sum(n for name, n in section_sizes(core, compiled).items() if name.startswith(".text"))
    frames = sum(int(line.split("\t")[1]) for line in usage)
    return KernelCode(code, frames, tuple(sorted(library))), library


def measure_models(
    core: EmulatedCore, examples: Sequence[Example], folder: Path
) -> tuple[float, float, float]:
    """Machine code of a model: without operators, of each call, of each argument."""
    sizes = []
    for example in examples:
        source = example.export.folder / "model.c"
        compiled = compile_object(core, source, folder, model_flags(core), [source.parent])
        used = (".text.model_input", ".text.model_output", ".text.model_invoke")
        found = section_sizes(core, compiled)
        sizes.append(sum(found.get(name, 0) for name in used))
    terms = [[1, len(e.calls), sum(count for _, count in e.calls)] for e in examples]
    fitted, *_ = np.linalg.lstsq(np.array(terms, float), np.array(sizes, float), rcond=None)
    base, call, argument = (round(float(value), 2) for value in fitted)
    return base, call, argument


def measure_stack(
    core: EmulatedCore,
    examples: Sequence[Example],
    kernels: dict[str, KernelCode],
    folder: Path,
) -> int:
    """The most stack that a model takes beside its deepest kernel."""
    most = 0
    for example in examples:
        manifest, source = example.export.manifest, example.export.folder
        if plan_memory(example.model).arena_bytes > core.ram.bytes // 2:
            continue
        firmware = build_firmware(source, manifest, core, folder, images=example.images)
        classes = example.model.graph.output.size
        found = observe(firmware, example.images, classes, folder)
        deepest = max(kernels[name].frame_bytes for name, _ in example.calls)
        most = max(most, found.stack_bytes - deepest)
    return most


def measure_core(core: EmulatedCore, examples: Sequence[Example]) -> CoreCode:
    """Everything about one core."""
    kernels: dict[str, KernelCode] = {}
    library: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as temporary:
        runtime, objects = Path(temporary) / "runtime", Path(temporary) / "objects"
        runtime.mkdir()
        objects.mkdir()
        for source in write_runtime(runtime, all_kernels()):
            kernels[source.stem], members = measure_kernel(core, source, objects)
            library |= members
        model, call, argument = measure_models(core, examples, objects)
        stack = measure_stack(core, examples[:STACK_MODELS], kernels, objects)
    return CoreCode(
        compiler=compiler_version([core.compiler]),
        flags=code_flags(core),
        kernels=kernels,
        library=dict(sorted(library.items())),
        model_bytes=model,
        call_bytes=call,
        argument_bytes=argument,
        stack_bytes=stack,
    )


def main() -> None:
    """Measures the cores that are asked for and replaces their part of the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cores", default=",".join(CORES), help="separated by commas")
    names = parser.parse_args().cores.split(",")
    table = dict(read_table())
    with tempfile.TemporaryDirectory() as temporary:
        examples = make_examples(Path(temporary), MODELS)
        for name in names:
            table[name] = measure_core(find_core(name), examples)
            print(name, len(table[name].kernels), "files of the runtime", flush=True)
    write_table({name: table[name] for name in CORES if name in table})


if __name__ == "__main__":
    main()
