"""Our memory plan beside that of TensorFlow Lite Micro's interpreter for the same network.

    python -m experiments.tflite_arena --results experiments/results

Networks are random members of the search space. ``tflite_arena.csv`` has a row for each:

network, operators   number, and how many operators it has
plan_bytes           arena of the runtime's plan, tensors aligned to 4 bytes
plan16_bytes         the same aligned to 16 bytes, as the interpreter aligns
head_bytes           what the interpreter plans for tensors; the rest of its arena is bookkeeping
extra_tensors        tensors of the .tflite file that the graph lacks: of PAD, RESHAPE and QUANTIZE

The interpreter of the wheel runs reference kernels, which need no scratch memory.
"""

import argparse
import os
import re
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from sparse_search.deploy.tflite import tflite_bytes
from sparse_search.deploy.tflite.lower import lower
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.memory.lifetimes import find_lifetimes
from sparse_search.memory.offsets import place
from sparse_search.network import Network
from sparse_search.quantize import quantize
from sparse_search.quantized import QuantizedModel
from sparse_search.space import SearchSpace

from .provenance import add_arguments, write_results

TFLITE_ALIGNMENT_BYTES = 16

_SHAPES = ((8, 8, 1), (28, 28, 1), (32, 32, 3), (49, 10, 1))
_ARENA_BYTES = 8_000_000
_HEAD = re.compile(r"Arena allocation head (\d+) bytes")


def arena_head_bytes(data: bytes) -> int:
    """What the interpreter plans for the tensors of a .tflite file."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(data, arena_size=_ARENA_BYTES)
    # The interpreter is C++ and writes to the file descriptor, not to sys.stderr.
    with tempfile.TemporaryFile() as caught:
        kept = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            interpreter.print_allocations()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        caught.seek(0)
        said = caught.read().decode()
    found = _HEAD.search(said)
    if found is None:
        raise RuntimeError(f"expected the interpreter to print its allocations, got {said!r}")
    return int(found[1])


def compare(model: QuantizedModel) -> dict[str, int]:
    """The columns of one model, its number left out."""
    graph = model.graph
    lifetimes = find_lifetimes(graph, KernelLibrary.RUNTIME)
    computed = sum(tensor.data is None for tensor in lower(model).tensors)
    return {
        "operators": len(graph.operators),
        "plan_bytes": plan_memory(model).arena_bytes,
        "plan16_bytes": place(lifetimes, TFLITE_ALIGNMENT_BYTES).arena_bytes,
        "head_bytes": arena_head_bytes(tflite_bytes(model)),
        "extra_tensors": computed - len(graph.tensors),
    }


def sample(seed: int) -> QuantizedModel:
    """A member of the space with random weights."""
    rng = np.random.default_rng(seed)
    space = SearchSpace(_SHAPES[seed % len(_SHAPES)], 10, max_filters=32)
    network = Network(space.build(space.sample(rng)), torch.Generator().manual_seed(seed))
    return quantize(network, rng.integers(0, 256, (2, *space.input_shape), dtype=np.uint8))


def main() -> None:
    """Compares, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=200)
    add_arguments(parser)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = [
        {"network": seed, **compare(sample(seed))} for seed in range(arguments.networks)
    ]
    sentences = list(_sentences(pd.DataFrame(rows)))
    print("\n".join(sentences))
    command = f"python -m experiments.tflite_arena --networks {arguments.networks}"
    write_results(arguments, "tflite_arena", rows, {"command": command, "found": sentences})


def _sentences(frame: pd.DataFrame) -> Iterator[str]:
    """What the table shows, for files with and without further tensors."""
    for extra, part in frame.groupby(frame.extra_tensors > 0):
        ratio = part.head_bytes / part.plan16_bytes
        yield (
            f"{'with' if extra else 'without'} further tensors: {len(part)} networks; ours aligned "
            f"to 16 bytes is equal for {(ratio == 1).sum()}, smaller for {(ratio > 1).sum()}, "
            f"larger for {(ratio < 1).sum()}; theirs / ours is {ratio.mean():.3f} on average, "
            f"{ratio.max():.2f} at most"
        )


if __name__ == "__main__":
    main()
