"""Instructions and flash of single layers on emulated cores, beside those of CMSIS-NN.

    python -m experiments.bench_inference

Each of ten layers is exported as a model of its own, for size and for speed, and runs on QEMU's
Cortex-M0+, M3, M4 (DSP) and M55 (MVE); its output is compared with the integer reference. What is
counted is the whole call, tables read and all. ``bench_inference.csv`` has a row for each:

core, layer, optimize, macs     what ran
instructions                    of one inference: no wait states, no caches
cmsis_nn_instructions           of CMSIS-NN 7's wrapper on the same layer, gcc 12.2 -O3
ratio                           of the two
scratch_bytes                   working memory beside input and output
cmsis_nn_scratch_bytes          what CMSIS-NN asks for
stack_bytes                     of the largest function
code_bytes                      machine code of the layer, without functions of libgcc
constant_bytes                  weights, biases, multipliers, shifts and parameter records in flash

Needs arm-none-eabi-gcc and qemu-system-arm.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np

from sparse_search.deploy import Export, ExportOptions, Optimize, export_c
from sparse_search.graph import (
    Add,
    AvgPool2d,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Operator,
    Shape,
    Tensor,
    WeightedOperator,
)
from sparse_search.integer import (
    INPUT_QUANTIZATION,
    QuantizedWeights,
    TensorQuantization,
    narrow_biases,
    powers_of_two_apart,
)
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.quantized import QuantizedModel

from .emulator import CORES, Core, compile_objects, first_line
from .model_program import model_sources, run_models
from .provenance import add_arguments, write_results

FLAGS: Mapping[Optimize, tuple[str, ...]] = {"size": ("-Os",), "speed": ("-O2",)}
"""Of the compiler, by what an export is optimized for."""

LIBRARIES = {
    "m0": KernelLibrary.CMSIS_SCALAR,
    "m3": KernelLibrary.CMSIS_SCALAR,
    "m4": KernelLibrary.CMSIS_DSP,
    "m55": KernelLibrary.CMSIS_MVE,
}

CMSIS_NN: Mapping[str, Mapping[str, int]] = {
    "conv 3x3 16x16x8-16": {"m4": 846743, "m3": 1128383, "m0": 2557596, "m55": 183777},
    "fully connected 256-64": {"m4": 34084, "m3": 57887, "m0": 105389, "m55": 8711},
    "conv 1x1 16x16x16-32": {"m4": 521076, "m3": 630475, "m0": 1592462, "m55": 140142},
    "depthwise 3x3 16x16x16": {"m4": 336432, "m3": 371849, "m0": 1400962, "m55": 127890},
    "depthwise 5x5 16x16x16": {"m4": 1146991, "m3": 1829060, "m0": 3996085, "m55": 258816},
    "conv 3x3 16x16x1-16": {"m4": 387890, "m3": 389722, "m0": 787891, "m55": 138725},
    "conv 3x3 16x16x7-13": {"m4": 713402, "m3": 910690, "m0": 1956397, "m55": 153317},
    "average pool 2x2 16x16x16": {"m4": 47044, "m3": 110580, "m0": 228836, "m55": 19172},
    "max pool 2x2 16x16x16": {"m4": 44709, "m3": 44433, "m0": 171581, "m55": 11501},
    "add 16x16x16": {"m4": 332671, "m3": 344200, "m0": 968475, "m55": 56459},
}
"""Instructions of CMSIS-NN (commit 99f736a6) by layer and core, counted in the same way."""


def layers() -> Iterator[tuple[str, Graph]]:
    """The layers by name; what is measured is the last operator of each graph."""
    same = (1, 1, 1, 1)
    shape = (16, 16, 16)
    convolutions = {"conv 3x3 16x16x8-16": (8, 16), "conv 3x3 16x16x1-16": (1, 16)}
    convolutions |= {"conv 3x3 16x16x7-13": (7, 13)}
    for name, (inputs, outputs) in convolutions.items():
        operator: Operator = Conv2d("op", ("in",), "out", (3, 3), (1, 1), same)
        yield name, _graph((16, 16, inputs), operator, (16, 16, outputs))
    pointwise = Conv2d("op", ("in",), "out", (1, 1), (1, 1), (0, 0, 0, 0))
    yield "conv 1x1 16x16x16-32", _graph(shape, pointwise, (16, 16, 32))
    for kernel in (3, 5):
        padding = (kernel // 2,) * 4
        operator = DepthwiseConv2d("op", ("in",), "out", (kernel, kernel), (1, 1), padding)
        yield f"depthwise {kernel}x{kernel} 16x16x16", _graph(shape, operator, shape)
    fully_connected = Dense("op", ("in",), "out", "relu")
    yield "fully connected 256-64", _graph((1, 1, 256), fully_connected, (1, 1, 64))
    for name, make in (("average", AvgPool2d), ("max", MaxPool2d)):
        operator = make("op", ("in",), "out", (2, 2), (2, 2))
        yield f"{name} pool 2x2 16x16x16", _graph(shape, operator, (8, 8, 16))
    # The second input has a scale of its own: it comes from another operator.
    other = DepthwiseConv2d("other", ("in",), "other", (1, 1), (1, 1), (0, 0, 0, 0))
    tensors = tuple(Tensor(n, shape) for n in ("in", "other", "out"))
    yield "add 16x16x16", Graph(tensors, (other, Add("op", ("in", "other"), "out", "relu")))


def _graph(input_shape: Shape, operator: Operator, output_shape: Shape) -> Graph:
    return Graph((Tensor("in", input_shape), Tensor("out", output_shape)), (operator,))


def random_model(graph: Graph) -> QuantizedModel:
    """Random weights under which outputs are spread over all int8 values; channels are narrow."""
    generator = np.random.default_rng(0)
    tensors = {graph.input.name: INPUT_QUANTIZATION}
    weights = {}
    for operator in graph.operators:
        source = tensors[operator.inputs[0]]
        if isinstance(operator, MaxPool2d | AvgPool2d):
            tensors[operator.output] = source
            continue
        tensors[operator.output] = TensorQuantization(0.021, -128)
        if isinstance(operator, WeightedOperator):
            outputs = graph.bias_count(operator)
            held = generator.integers(-127, 128, graph.weight_shape(operator)).astype(np.int8)
            bias = generator.integers(-3000, 3000, outputs)
            fan_in = held.size / outputs
            scale = powers_of_two_apart(generator.uniform(0.5, 1, outputs) / (40 * np.sqrt(fan_in)))
            made = QuantizedWeights.from_scales(
                held, bias.astype(np.int32), scale, source.scale, 0.021
            )
            weights[operator.name] = replace(made, bias=narrow_biases(bias, made.shift))
    return QuantizedModel(graph, tensors, weights)


def export_layer(graph: Graph, optimize: Optimize, folder: Path) -> Export:
    """A layer as a model of its own."""
    model = random_model(graph)
    options = ExportOptions(optimize=optimize)
    return export_c(model, plan_memory(model), folder, options=options)


def code_and_stack(
    core: Core, export: Export, folder: Path, flags: tuple[str, ...]
) -> tuple[int, int]:
    """Bytes of a model's last operator, without what the compiler's library adds."""
    folder.mkdir()
    objects = compile_objects(
        core,
        model_sources(export),
        folder,
        include=[export.folder],
        flags=(*flags, "-fstack-usage"),
    )
    listing = subprocess.run(
        ["arm-none-eabi-size", "-A", *map(str, objects)], capture_output=True, text=True, check=True
    ).stdout
    others = {f"model_{name}" for name in ("input", "output", "invoke", "argmax")}
    for operator in export.manifest.graph["operators"][:-1]:
        others |= {
            f"model_{operator['name']}_run",
            f"ss_{operator['kind']}",
            f"ss_{operator['kind']}_narrow",
        }
    sections = [line.split() for line in listing.splitlines() if line.startswith(".text")]
    sizes = [int(s) for name, s, _ in sections if name.removeprefix(".text.") not in others]
    reports = [o.with_suffix(".su").read_text().splitlines() for o in objects]
    frames = [line.split("\t") for report in reports for line in report]
    stack = [int(s) for name, s, _ in frames if name.split(":")[-1] not in others]
    return sum(sizes), max(stack)


def measure(core: Core, name: str, graph: Graph, optimize: Optimize) -> dict[str, Any]:
    """One row of the table.

    Raises:
        RuntimeError: The output is not that of the reference.
    """
    flags = FLAGS[optimize]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        export = export_layer(graph, optimize, folder / "export")
        runs = run_models(core, [export], folder / "run", flags)["model"]
        code, stack = code_and_stack(core, export, folder / "code", flags)
    if not all(run.equal for run in runs):
        raise RuntimeError(f"{name} on {core.name} for {optimize} differs from the reference")
    instructions = runs[-1].instructions
    plan = plan_memory(random_model(graph))
    other = plan_memory(graph, LIBRARIES[core.name])
    return {
        "core": core.name,
        "layer": name,
        "optimize": optimize,
        "macs": graph.operator_macs(graph.operators[-1]),
        "instructions": instructions,
        "cmsis_nn_instructions": CMSIS_NN[name][core.name],
        "ratio": round(instructions / CMSIS_NN[name][core.name], 3),
        "scratch_bytes": sum(a.size_bytes for a in plan.allocations if a.kind == "scratch"),
        "cmsis_nn_scratch_bytes": sum(
            a.size_bytes for a in other.allocations if a.kind == "scratch"
        ),
        "stack_bytes": stack,
        "code_bytes": code,
        "constant_bytes": plan.layers[-1].flash_bytes,
    }


def main() -> None:
    """Measures and writes ``bench_inference.csv`` and ``.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cores", default=",".join(CORES), help="names, separated by commas")
    parser.add_argument("--optimize", default="size,speed")
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = []
    for core in arguments.cores.split(","):
        for optimize in arguments.optimize.split(","):
            for name, graph in layers():
                rows.append(measure(CORES[core], name, graph, optimize))
                print(*rows[-1].values(), flush=True)
    means = {
        f"{core} {optimize}": round(
            geometric_mean(
                r["ratio"] for r in rows if (r["core"], r["optimize"]) == (core, optimize)
            ),
            3,
        )
        for core, optimize in dict.fromkeys((r["core"], r["optimize"]) for r in rows)
    }
    facts = {
        "command": "python -m experiments.bench_inference",
        "flags": {name: " ".join(core.flags) for name, core in CORES.items()},
        "optimization": {name: " ".join(flags) for name, flags in FLAGS.items()},
        "compiler": first_line("arm-none-eabi-gcc"),
        "emulator": first_line("qemu-system-arm"),
        "geometric_mean_ratio": means,
    }
    write_results(arguments, "bench_inference", rows, facts)
    print(means)


if __name__ == "__main__":
    main()
