"""Kernels on emulated cores: portable, DSP and MVE paths give the bytes of the integer reference.

Every operator of every model is compared by a checksum of what it writes.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_tool
from random_models import random_images, random_model

from experiments.emulator import CORES
from experiments.model_program import run_models
from sparse_search.deploy import Export, ExportOptions, Optimize, export_c
from sparse_search.graph import (
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Operator,
    Padding,
    Shape,
    Tensor,
    window_count,
)
from sparse_search.memory import plan_memory
from sparse_search.quantized import QuantizedModel, QuantizedWeights

MODELS = 5
_Random = np.random.Generator


def _window(
    generator: _Random, shape: Shape
) -> tuple[tuple[int, int], tuple[int, int], Padding, tuple[int, int]]:
    """A kernel, a stride and any padding less than the kernel; the size that results."""
    kernel, stride, padding, size = [], [], [], []
    for axis in range(2):
        k = int(generator.integers(1, min(shape[axis], 5) + 1))
        pads = generator.integers(0, k, 2).tolist() if generator.random() < 0.7 else [0, 0]
        kernel.append(k)
        stride.append(int(generator.choice([1, 1, 2, 3])))
        padding += pads
        size.append(window_count(shape[axis], k, stride[-1], (pads[0], pads[1])))
    top, bottom, left, right = padding
    return (
        (kernel[0], kernel[1]),
        (stride[0], stride[1]),
        (top, bottom, left, right),
        (size[0], size[1]),
    )


def wide_graph(generator: _Random) -> Graph:
    """Every kind of operator, most of them on the input: 1 to 40 channels."""
    height, width = generator.integers(3, 13, 2).tolist()
    channels = int(generator.choice([1, 2, 3, 4, 8, 13, 16, 17, 32, 40]))
    shape = (height, width, channels)
    tensors, operators = [Tensor("in", shape)], []

    def append(operator: Operator, output: Shape) -> None:
        operators.append(operator)
        tensors.append(Tensor(operator.output, output))

    for name in ("conv1", "conv2"):
        kernel, stride, padding, size = _window(generator, shape)
        outputs = int(generator.integers(1, 20))
        append(Conv2d(name, ("in",), f"{name}_out", kernel, stride, padding), (*size, outputs))
    outputs = int(generator.integers(1, 20))
    pointwise = Conv2d("pointwise", ("in",), "points", (1, 1), (1, 1), (0, 0, 0, 0), "none")
    append(pointwise, (height, width, outputs))
    for make in (DepthwiseConv2d, MaxPool2d, AvgPool2d):
        kernel, stride, padding, size = _window(generator, shape)
        operator = make(make.__name__, ("in",), f"{make.__name__}_out", kernel, stride, padding)
        append(operator, (*size, channels))
    append(DepthwiseConv2d("other", ("in",), "same", (3, 3), (1, 1), (1, 1, 1, 1), "none"), shape)
    append(Add("add", ("same", "in"), "sum", "relu" if generator.random() < 0.5 else "none"), shape)
    append(Dense("dense", ("sum",), "vector"), (1, 1, int(generator.integers(1, 20))))
    pooled = next(t for t in tensors if t.name == "MaxPool2d_out")
    append(Concat("concat", ("vector", pooled.name), "all"), (1, 1, pooled.size + tensors[-1].size))
    return Graph(tuple(tensors), tuple(operators))


def large_factors(model: QuantizedModel) -> QuantizedModel:
    """The same with small weights and factors around 1: shifts in both directions, and none."""
    weights = {}
    for name, held in model.weights.items():
        shift = (held.shift + 7).clip(-8, 4).astype(np.int32)
        small = (held.weights // 64).astype(np.int8)
        bias = (held.bias // 256).astype(np.int32)
        weights[name] = QuantizedWeights(small, bias, held.multiplier, shift, held.scale)
    return replace(model, weights=weights)


def export(model: QuantizedModel, folder: Path, optimize: Optimize) -> Export:
    """An export whose prefix is the name of its folder."""
    images = random_images(np.random.default_rng(0), model.graph, 2)
    options = ExportOptions(prefix=folder.name, golden_images=images, optimize=optimize)
    return export_c(model, plan_memory(model), folder, options=options)


def assert_equal_on(core: str, exports: list[Export], folder: Path) -> None:
    """Every operator of every export writes what the reference computes."""
    requires_tool("arm-none-eabi-gcc")
    requires_tool("qemu-system-arm")
    for prefix, runs in run_models(CORES[core], exports, folder).items():
        assert [run.name for run in runs if not run.equal] == [], prefix


@pytest.mark.parametrize("optimize", ["size", "speed"])
@pytest.mark.parametrize("core", CORES)
def test_every_operator_equals_the_reference(tmp_path: Path, core: str, optimize: Optimize) -> None:
    """Random shapes, paddings and strides of every operator."""
    models = []
    for seed in range(MODELS):
        generator = np.random.default_rng(seed)
        # The last one has encoded weights.
        sparsity = 0.8 if seed == MODELS - 1 else 0.0
        models.append(random_model(generator, wide_graph(generator), sparsity))
    exports = [export(m, tmp_path / f"net{i}", optimize) for i, m in enumerate(models)]
    assert_equal_on(core, exports, tmp_path / "build")


@pytest.mark.parametrize("core", ["m0", "m4", "m55"])
def test_factors_of_any_size(tmp_path: Path, core: str) -> None:
    """Shifts to the left, none, and to the right: the path for small factors must not be taken."""
    exports = []
    for seed in range(2):
        generator = np.random.default_rng(100 + seed)
        model = large_factors(random_model(generator, wide_graph(generator), 0.0))
        shifts = np.concatenate([held.shift for held in model.weights.values()])
        assert (shifts > 0).any()
        assert (shifts == 0).any()
        assert (shifts < 0).any()
        exports.append(export(model, tmp_path / f"net{seed}", "speed"))
    assert_equal_on(core, exports, tmp_path / "build")


@pytest.mark.parametrize("core", ["m4", "m55"])
def test_pooling_over_large_windows(tmp_path: Path, core: str) -> None:
    """Sums that do not fit 16 bits, and means that no reciprocal gives exactly."""
    tensors, operators = [Tensor("in", (80, 75, 5))], []
    for size in ((16, 16), (20, 20), (80, 75)):
        for make in (AvgPool2d, MaxPool2d):
            name = f"{make.__name__}{size[0]}"
            counts = (80 // size[0], 75 // size[1])
            operators.append(make(name, ("in",), f"{name}_out", size, size))
            tensors.append(Tensor(f"{name}_out", (*counts, 5)))
    model = random_model(np.random.default_rng(0), Graph(tuple(tensors), tuple(operators)))
    assert_equal_on(core, [export(model, tmp_path / "net", "speed")], tmp_path / "build")
