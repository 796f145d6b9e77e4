"""Flash of a complete firmware for a Cortex-M4 around a dense network of about 2,000 weights.

    python -m experiments.bench_firmware

A network for images of 28x28 with two convolutions, two poolings and two fully connected operators,
every weight in a byte, exported for size and for speed and linked with vectors and start-up and
without a C library (``firmware``). Weights are random: sizes do not depend on them. The same export
runs on QEMU's Cortex-M4, where every operator is compared with the integer reference.
``bench_firmware.csv`` has a row for each:

optimize, weights      what it is
flash_bytes            all flash of the linked file
code_bytes             of them machine code and vectors
constant_bytes         of them weights, biases, multipliers, shifts and parameter records
arena_bytes            working memory, the image included
instructions           of one inference
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from sparse_search.deploy import ExportOptions, Optimize, export_c
from sparse_search.encoding import EncodingPolicy
from sparse_search.graph import Conv2d, Dense, Graph, MaxPool2d, Tensor
from sparse_search.memory import plan_memory

from .bench_inference import FLAGS, random_model
from .emulator import CORES, first_line
from .firmware import link
from .model_program import run_models
from .provenance import add_arguments, write_results


def network() -> Graph:
    """1,958 weights."""
    none = (0, 0, 0, 0)
    shapes = ((28, 28, 1), (12, 12, 6), (6, 6, 6), (4, 4, 12), (2, 2, 12), (1, 1, 20), (1, 1, 10))
    return Graph(
        tuple(Tensor(f"t{index}", shape) for index, shape in enumerate(shapes)),
        (
            Conv2d("conv1", ("t0",), "t1", (5, 5), (2, 2), none),
            MaxPool2d("pool1", ("t1",), "t2", (2, 2), (2, 2)),
            Conv2d("conv2", ("t2",), "t3", (3, 3), (1, 1), none),
            MaxPool2d("pool2", ("t3",), "t4", (2, 2), (2, 2)),
            Dense("hidden", ("t4",), "t5", "relu"),
            Dense("output", ("t5",), "t6"),
        ),
    )


def measure(optimize: Optimize) -> dict[str, Any]:
    """One row of the table.

    Raises:
        RuntimeError: An operator does not compute what the reference does.
    """
    model = random_model(network())
    plan = plan_memory(model, policy=EncodingPolicy(allowed=("dense",)))
    (optimization,) = FLAGS[optimize]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        export = export_c(model, plan, folder / "c", options=ExportOptions(optimize=optimize))
        runs = run_models(CORES["m4"], [export], folder / "run", (optimization,))["model"]
        sizes = link(export.folder, folder / "firmware", optimization)
    if not all(run.equal for run in runs):
        raise RuntimeError(f"the firmware for {optimize} differs from the reference")
    operators = len(model.graph.operators)
    return {
        "optimize": optimize,
        "weights": sum(layer.weights for layer in plan.layers),
        "flash_bytes": sizes.flash,
        "code_bytes": sizes.code,
        "constant_bytes": sizes.constants,
        "arena_bytes": plan.arena_bytes,
        "instructions": sum(run.instructions for run in runs[:operators]),
    }


def main() -> None:
    """Measures and writes ``bench_firmware.csv`` and ``.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = [measure(optimize) for optimize in FLAGS]
    facts = {
        "command": "python -m experiments.bench_firmware",
        "core": " ".join(CORES["m4"].flags),
        "optimization": {name: " ".join(flags) for name, flags in FLAGS.items()},
        "compiler": first_line("arm-none-eabi-gcc"),
        "emulator": first_line("qemu-system-arm"),
    }
    write_results(arguments, "bench_firmware", rows, facts)
    for row in rows:
        print(*row.values())


if __name__ == "__main__":
    main()
