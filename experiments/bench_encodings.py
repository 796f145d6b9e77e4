"""What reading encoded weights costs on a Cortex-M4: instructions by emulation, and code by size.

    python -m experiments.bench_encodings --results experiments/results

Every kernel over encoded weights runs several layers at several sparsities on QEMU's model of a
Cortex-M4 (mps2-an386); its timer counts instructions exactly, without wait states or caches. Each
output is compared with the dense kernel's. The estimates of ``sparse_search.encoding.costs`` are
fitted to the counts, and the code sizes are those of the same kernels under -Os. Needs
arm-none-eabi-gcc and qemu-system-arm.

The model: for each operator, way to say positions, and values with a codebook or without,

    instructions = places * (stored * s + skipped * z + outputs * o + runs * r)

with ``places`` the positions of the output map, ``stored`` the weights that are stored, ``skipped``
the others, ``runs`` outputs * kernel height for a convolution (0 otherwise), and s, z, o, r >= 0
that make the sum of squared relative errors least. What clipping at the border saves is left out.
"""

import argparse
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from sparse_search.deploy import c_source
from sparse_search.deploy.build import Compiler, compile_c
from sparse_search.deploy.runtime_files import write_runtime
from sparse_search.deploy.weighted_kernels import ENCODED, kernel_name
from sparse_search.encoding import ALL_ENCODINGS, ENCODINGS, encode_as, measured_options

from .emulator import BOARD, CORES, Core, compile_objects, first_line, link, run
from .provenance import add_arguments, write_results

SPARSITIES = (0.3, 0.6, 0.8, 0.9, 0.97)


@dataclass(frozen=True)
class Layer:
    """A layer that is measured; convolutions have SAME padding and stride 1.

    Attributes:
        kind: Of the operator.
        shape: Of the weights: (outputs, k_h, k_w, inputs), or (outputs, inputs).
        size: Height and width of the map.
    """

    kind: str
    shape: tuple[int, ...]
    size: int = 1

    @property
    def name(self) -> str:
        """Such as "conv2d 16x3x3x8 on 8x8"."""
        return f"{self.kind} {'x'.join(map(str, self.shape))} on {self.size}x{self.size}"


LAYERS = (
    Layer("conv2d", (16, 3, 3, 8), 8),
    Layer("conv2d", (8, 5, 5, 4), 8),
    Layer("conv2d", (12, 3, 3, 1), 14),
    Layer("conv2d", (24, 1, 1, 20), 7),
    Layer("conv2d", (20, 3, 3, 16), 5),
    Layer("dense", (32, 64)),
    Layer("dense", (10, 550)),
    Layer("dense", (20, 250)),
    Layer("dense", (50, 30)),
)


@dataclass(frozen=True)
class Count:
    """One measurement.

    Attributes:
        layer: What ran.
        sparsity: Fraction of zero weights.
        encoding: Of the weights.
        stored: Weights that are stored.
        bytes: Of the encoded weights.
        instructions: Of the kernel's call.
    """

    layer: Layer
    sparsity: float
    encoding: str
    stored: int
    bytes: int
    instructions: float

    @property
    def group(self) -> tuple[str, str, bool]:
        """What is fitted together: operator, positions, whether there is a codebook."""
        encoding = ENCODINGS[self.encoding]
        return self.layer.kind, encoding.positions.name, encoding.values.has_table

    @property
    def terms(self) -> list[int]:
        """What s, z, o and r are multiplied with."""
        layer = self.layer
        places, outputs = layer.size**2, layer.shape[0]
        skipped = int(np.prod(layer.shape)) - self.stored
        runs = outputs * layer.shape[1] if layer.kind == "conv2d" else 0
        return [places * term for term in (self.stored, skipped, outputs, runs)]


def _kernel(kind: str, encoding: str) -> str:
    """The runtime function that models of today call."""
    return kernel_name(kind, encoding, narrow=True)


def random_weights(layer: Layer, sparsity: float) -> NDArray[np.int8]:
    """int8 [outputs, weights of each] of three nonzero values; a fifth of the columns is empty."""
    generator = np.random.default_rng(len(layer.name))
    weights = generator.choice(np.array([-90, 7, 64], np.int8), layer.shape)
    weights = weights.reshape(layer.shape[0], -1)
    weights[:, generator.random(weights.shape[1]) < min(0.2, sparsity / 2)] = 0
    keys = generator.random(weights.shape) * (weights != 0)
    zeros = round(sparsity * weights.size)
    weights.reshape(-1)[np.argsort(keys, axis=None)[:zeros]] = 0
    return weights


def program(layer: Layer, weights: NDArray[np.int8]) -> str:
    """C that runs every encoding of a layer's weights and prints a line for each."""
    options = [option.encoding for option in measured_options(weights)]
    generator = np.random.default_rng(1)
    inputs = layer.size**2 * layer.shape[-1]
    outputs = layer.shape[0]
    parts = [
        '#include "bench.h"',
        *(f'#include "{_kernel(layer.kind, name)}.h"' for name in options),
        record(layer),
        c_source.array("int8_t", "input", generator.integers(-128, 128, inputs).tolist()),
        c_source.array("int16_t", "bias", generator.integers(-99, 99, outputs).tolist()),
        c_source.array("int32_t", "multiplier", [1 << 30]),
        c_source.array("int8_t", "shift", [-8] * outputs),
        *(f"static int8_t {n}[{layer.size**2 * outputs}];" for n in ("expected", "output")),
    ]
    calls = []
    for name in options:
        held = encode_as(name, weights)
        arguments = ["&geometry", "input"]
        for suffix in ("positions", "values", "codebook"):
            stored = getattr(held, suffix)
            if stored.size:
                c_type = f"{stored.dtype}_t"
                parts.append(c_source.array(c_type, f"{name}_{suffix}", stored.tolist()))
                arguments.append(f"{name}_{suffix}")
        target = "expected" if name == "dense" else "output"
        arguments += ["bias", "multiplier", "shift", target]
        call = f"{_kernel(layer.kind, name)}({', '.join(arguments)})"
        calls.append(f'    MEASURE("{name}", {call}, {target});')
    return "\n".join([*parts, "void bench(void)\n{", *calls, "}", ""])


def record(layer: Layer) -> str:
    """The parameter record of a layer in C."""
    if layer.kind == "dense":
        outputs, inputs = layer.shape
        c_type, fields = "ss_fully_connected_geometry", {"in_count": inputs, "out_count": outputs}
    else:
        outputs, k_h, k_w, channels = layer.shape
        size = layer.size
        c_type = "ss_conv_geometry"
        fields = {
            **{"in_h": size, "in_w": size, "in_c": channels},
            **{"out_h": size, "out_w": size, "out_c": outputs},
            **{"k_h": k_h, "k_w": k_w, "s_h": 1, "s_w": 1},
            **{"pad_top": k_h // 2, "pad_left": k_w // 2},
        }
    clamp = {"input_zero_point": -3, "act_min": -128, "act_max": 127}
    return c_source.struct(c_type, "geometry", {**fields, **clamp})


def measure(core: Core, folder: Path) -> list[Count]:
    """Instructions of every kernel on every layer at every sparsity."""
    kernels = sorted({_kernel(kind, name) for kind in ENCODED for name in ALL_ENCODINGS})
    include = [folder, BOARD]
    sources = write_runtime(folder, kernels)
    runtime = compile_objects(core, sources, folder, include=include, flags=("-O2",))
    counts = []
    for layer in LAYERS:
        for sparsity in SPARSITIES:
            weights = random_weights(layer, sparsity)
            options = {option.encoding: option for option in measured_options(weights)}
            source = folder / "layer.c"
            source.write_text(program(layer, weights))
            made = compile_objects(core, [source], folder, include=include, flags=("-O2",))
            for name, ticks, equal in run(core, link(core, [*runtime, *made], folder)):
                if int(equal) != 1:
                    raise RuntimeError(f"{layer.name} at {sparsity}: {name} differs from dense")
                instructions = core.instructions(int(ticks))
                option = options[name]
                counts.append(
                    Count(layer, sparsity, name, option.stored, option.bytes, instructions)
                )
    return counts


def code_bytes(compiler: Compiler, folder: Path) -> dict[str, int]:
    """Machine code of every kernel under -Os, by its name."""
    found = {}
    for kind in ENCODED:
        for encoding in ALL_ENCODINGS:
            name = _kernel(kind, encoding)
            (source,) = write_runtime(folder, [name])
            compile_c(compiler, [source], folder / "code.o", flags=("-Os", "-c"))
            listing = subprocess.run(
                [compiler.command[0].replace("gcc", "size"), str(folder / "code.o")],
                capture_output=True,
                text=True,
                check=True,
            )
            found[name] = int(listing.stdout.splitlines()[1].split()[0])
    return found


def fit(counts: Sequence[Count], code: Mapping[str, int]) -> list[dict[str, Any]]:
    """One row for each operator, positions and codebook or none, with the errors of the fit."""
    groups: dict[tuple[str, str, bool], list[Count]] = defaultdict(list)
    for count in counts:
        groups[count.group].append(count)
    rows = []
    for (kind, positions, codebook), members in groups.items():
        terms = np.array([count.terms for count in members], float)
        measured = np.array([count.instructions for count in members])
        factors, _ = nnls(terms / measured[:, None], np.ones(len(measured)))
        factors = np.round(factors, 1)
        errors = terms @ factors / measured - 1
        sizes = {code[_kernel(kind, count.encoding)] for count in members}
        rows.append(
            {
                "operator": kind,
                "positions": positions,
                "codebook": codebook,
                **dict(zip(("stored", "skipped", "output", "run"), factors.tolist(), strict=True)),
                "code_bytes": max(sizes),
                "code_bytes_spread": max(sizes) - min(sizes),
                "largest_error": round(float(np.abs(errors).max()), 3),
                "root_mean_square_error": round(float(np.sqrt((errors**2).mean())), 3),
            }
        )
    return rows


def main() -> None:
    """Measures and writes ``bench_encodings.csv`` and ``.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    arguments = parser.parse_args()
    core = CORES["m4"]
    with tempfile.TemporaryDirectory() as folder:
        counts = measure(core, Path(folder))
        code = code_bytes(core.compiler, Path(folder))
    rows = [
        {
            "layer": c.layer.name,
            "sparsity": c.sparsity,
            "encoding": c.encoding,
            "stored": c.stored,
            "bytes": c.bytes,
            "instructions": round(c.instructions),
            "code_bytes": code[_kernel(c.layer.kind, c.encoding)],
        }
        for c in counts
    ]
    facts: dict[str, Any] = {
        "command": "python -m experiments.bench_encodings",
        "core": " ".join(core.flags),
        "optimization": {"instructions": "-O2", "code_bytes": "-Os"},
        "compiler": first_line(core.compiler.command[0]),
        "emulator": first_line("qemu-system-arm"),
        "costs": fit(counts, code),
    }
    write_results(arguments, "bench_encodings", rows, facts)
    for row in facts["costs"]:
        print(*row.values())


if __name__ == "__main__":
    main()
