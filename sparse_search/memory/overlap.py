"""Overlap: how far the output of an operator may lie over its own input.

A kernel writes its output from front to back while it reads its input from front to back. Once the
first rows of the input have been used, their bytes are free, and the output may take them: it lies
a little below the input, and both move up together.

| symbol | meaning |
|---|---|
| p | number of an output pixel in raster order, n of them, each with all its channels |
| c | output bytes of a pixel: its channels |
| b | pixels that a kernel may compute before it writes the first (``OUTPUT_BLOCK``) |
| r[p] | first input byte that pixel p or any later one reads |

    lead = max over p of (min(p + b, n) c - r[p]), at least 0

An output that begins ``lead`` bytes or more before its input never overwrites what is still to be
read: before the block that begins at p is done, at most min(p + b, n) pixels are written. Fully
connected operators need the whole input until the end, and a concatenation writes in parts. A
convolution that pools its output (``fusion``) moves on by the windows of the pooling: p counts the
pixels of the pooled map, and its stride is that of both together.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from ..graph import Add, Concat, Dense, Graph, Padding, Shape
from .fusion import Run, runs
from .kernels import OUTPUT_BLOCK, POOLED_BLOCK


def find_leads(graph: Graph) -> Mapping[tuple[str, str], int]:
    """By (output, input) of an operator, how many bytes before the input the output must begin.

    Only for inputs that nothing reads afterwards, and only where overlapping gains anything: a
    pair that is not named must lie apart.
    """
    last = {name: operator for operator in graph.operators for name in operator.inputs}
    leads = {}
    for run in runs(graph):
        for name in dict.fromkeys(run.operator.inputs):
            if last[name] is run.operator and name != graph.output.name:
                lead = lead_of(graph, run, name)
                if lead is not None and lead < graph.tensor(run.output).size:
                    leads[run.output, name] = lead
    return leads


def lead_of(graph: Graph, run: Run, source: str) -> int | None:
    """Bytes for an input of a kernel; None where input and output must lie apart."""
    operator, pool = run.operator, run.pool
    if isinstance(operator, Dense | Concat):
        return None
    if isinstance(operator, Add):
        # An element is written after both inputs of it were read.
        return None if operator.inputs[0] == operator.inputs[1] else 0
    stride, block = operator.stride, OUTPUT_BLOCK[operator.kind]
    if pool is not None:
        stride = (stride[0] * pool.stride[0], stride[1] * pool.stride[1])
        block = POOLED_BLOCK
    shapes = graph.shape(source), graph.shape(run.output)
    return _window_lead(*shapes, stride, operator.padding, block)


@lru_cache(maxsize=20_000)
def _window_lead(
    source: Shape, output: Shape, stride: tuple[int, int], padding: Padding, block: int
) -> int:
    rows = np.maximum(np.arange(output[0]) * stride[0] - padding[0], 0)
    columns = np.maximum(np.arange(output[1]) * stride[1] - padding[2], 0)
    reads = ((rows[:, None] * source[1] + columns) * source[2]).ravel()
    first = np.minimum.accumulate(reads[::-1])[::-1]
    written = np.minimum(np.arange(len(reads)) + block, len(reads)) * output[2]
    return max(0, int((written - first).max()))
