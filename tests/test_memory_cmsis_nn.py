"""CMSIS-NN's scratch sizes: a table of 1525 layers and the library's own getters."""

import csv
import importlib.machinery
import importlib.metadata
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sparse_search.errors import MemoryPlanError
from sparse_search.graph import (
    Add,
    AvgPool2d,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Tensor,
)
from sparse_search.memory.cmsis_nn import (
    ConvLayer,
    average_pool_scratch_bytes,
    conv_scratch_bytes,
    dense_scratch_bytes,
    depthwise_scratch_bytes,
    operator_scratch_bytes,
)
from sparse_search.memory.kernels import KernelLibrary
from sparse_search.target import Core

GOLDEN = Path(__file__).parent / "golden" / "cmsis_nn_buffer_sizes.csv"
COLUMNS = {
    KernelLibrary.CMSIS_SCALAR: "buf_default",
    KernelLibrary.CMSIS_DSP: "buf_dsp",
    KernelLibrary.CMSIS_MVE: "buf_mve",
}
BACKENDS = {
    KernelLibrary.CMSIS_SCALAR: "SCALAR",
    KernelLibrary.CMSIS_DSP: "DSP",
    KernelLibrary.CMSIS_MVE: "MVE",
}
LAYERS_PER_OPERATOR = 5000


def scratch_of_row(row: dict[str, str], kernels: KernelLibrary) -> int:
    """Scratch bytes of one row of the golden table."""
    operator = row["op"]
    number = {key: int(text) for key, text in row.items() if key not in ("op", "pad_mode")}
    if operator == "fc":
        return dense_scratch_bytes(number["out_c"], kernels)
    if operator == "avgpool":
        return average_pool_scratch_bytes(number["in_c"], kernels)
    if operator == "maxpool":
        return 0
    layer = ConvLayer(
        input=(number["in_h"], number["in_w"], number["in_c"]),
        output=(number["out_h"], number["out_w"], number["out_c"]),
        kernel=(number["k_h"], number["k_w"]),
        stride=(number["stride_h"], number["stride_w"]),
        padding=(number["pad_h"], number["pad_w"]),
        dilation=(number["dil_h"], number["dil_w"]),
        groups=number["groups"],
        batch=number["in_n"],
    )
    rule = depthwise_scratch_bytes if operator == "dw" else conv_scratch_bytes
    return rule(layer, kernels)


@pytest.mark.parametrize("kernels", list(COLUMNS))
def test_every_row_of_the_golden_table_agrees(kernels: KernelLibrary) -> None:
    """All 1525 layers give the bytes that CMSIS-NN's getters gave, in all three variants."""
    with GOLDEN.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1525
    wrong = [
        (row, scratch_of_row(row, kernels))
        for row in rows
        if scratch_of_row(row, kernels) != int(row[COLUMNS[kernels]])
    ]
    assert wrong == []


@pytest.fixture(scope="module")
def getters() -> ModuleType:
    """CMSIS-NN's size getters from an installed executorch wheel, without importing executorch."""
    try:
        files = importlib.metadata.files("executorch") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("needs executorch (pip install --no-deps executorch) for CMSIS-NN's getters")
    objects = [f for f in files if f.match("cortex_m/library/_cmsis_nn/cmsis_nn.*.so")]
    if not objects:
        pytest.skip("the installed executorch has no cortex_m/library/_cmsis_nn")
    path = str(objects[0].locate())
    loader = importlib.machinery.ExtensionFileLoader("cmsis_nn", path)
    spec = importlib.util.spec_from_file_location("cmsis_nn", path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def random_layer(rng: np.random.Generator, *, depthwise: bool) -> ConvLayer:
    """A layer with the corner cases over-represented: 1x1, 1xN, one channel, no padding."""

    def pick(*choices: int) -> int:
        return int(rng.choice(choices))

    one_dimensional = rng.random() < 0.3
    kernel = (1 if one_dimensional else pick(1, 2, 3, 3, 4, 5, 7), pick(1, 1, 2, 3, 3, 5, 8))
    dilation = (1, 1) if rng.random() < 0.8 else (pick(1, 2, 3), pick(1, 2, 3))
    stride = (pick(1, 1, 2, 3), pick(1, 1, 2, 3, 4))
    padding = (0, 0) if rng.random() < 0.4 else (pick(0, 1, 2), pick(0, 1, 2, 3))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    height = 1 if one_dimensional else int(rng.integers(1, 40))
    width = int(rng.integers(1, 60))
    height, width = max(height, reach[0]), max(width, reach[1])
    # Padding at the bottom and right may be larger than at the top and left, as with SAME.
    extra = (pick(0, 0, 1), pick(0, 0, 1))
    output = tuple(
        (size + 2 * pad + more - r) // step + 1
        for size, pad, more, r, step in zip(
            (height, width), padding, extra, reach, stride, strict=True
        )
    )
    groups = 1 if depthwise else pick(1, 1, 1, 1, 2, 4)
    in_c = pick(1, 1, 2, 3, 4, 5, 8, 12, 16, 31, 64, 130) * groups
    out_c = in_c * pick(1, 1, 1, 2, 3, 8) if depthwise else groups * int(rng.integers(1, 40))
    return ConvLayer(
        input=(height, width, in_c),
        output=(output[0], output[1], out_c),
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        batch=pick(1, 1, 1, 2, 3),
    )


def ask(getters: ModuleType, layer: ConvLayer, kernels: KernelLibrary, *, depthwise: bool) -> int:
    """What CMSIS-NN itself says about a layer."""
    backend = getattr(getters.Backend, BACKENDS[kernels])
    arguments: dict[str, int | list[int]] = {
        "input_nhwc": [layer.batch, *layer.input],
        "output_nhwc": [layer.batch, *layer.output],
        "padding_hw": list(layer.padding),
        "stride_hw": list(layer.stride),
        "dilation_hw": list(layer.dilation),
    }
    in_c, out_c = layer.input[2], layer.output[2]
    getter: Callable[..., int]
    if depthwise:
        getter = getters.depthwise_conv_wrapper_buffer_size
        arguments["filter_nhwc"] = [1, *layer.kernel, out_c]
        arguments["ch_mult"] = out_c // in_c
    else:
        getter = getters.convolve_wrapper_buffer_size
        arguments["filter_nhwc"] = [out_c, *layer.kernel, in_c // layer.groups]
    return int(getter(backend, getters.DataType.A8W8, **arguments))


@pytest.mark.parametrize("depthwise", [False, True])
def test_random_convolutions_agree_with_the_getters(getters: ModuleType, depthwise: bool) -> None:
    """Random layers need what CMSIS-NN's own functions report, in all three variants."""
    rng = np.random.default_rng(1)
    rule = depthwise_scratch_bytes if depthwise else conv_scratch_bytes
    for _ in range(LAYERS_PER_OPERATOR):
        layer = random_layer(rng, depthwise=depthwise)
        for kernels in COLUMNS:
            expected = ask(getters, layer, kernels, depthwise=depthwise)
            assert rule(layer, kernels) == expected, (layer, kernels)


def test_random_dense_and_pooling_layers_agree_with_the_getters(getters: ModuleType) -> None:
    """Fully connected and average pooling layers need what CMSIS-NN's functions report."""
    rng = np.random.default_rng(2)
    for _ in range(500):
        in_count, out_count, channels, width = (int(v) for v in rng.integers(1, 400, 4))
        for kernels in COLUMNS:
            backend = getattr(getters.Backend, BACKENDS[kernels])
            assert dense_scratch_bytes(out_count, kernels) == getters.fully_connected_buffer_size(
                backend, getters.DataType.A8W8, filter_nhwc=[in_count, 1, 1, out_count]
            )
            assert average_pool_scratch_bytes(channels, kernels) == getters.avgpool_buffer_size(
                backend, getters.DataType.A8W8, dim_dst_width=width, ch_src=channels
            )


def test_cores_run_the_variant_that_cmsis_nn_resolves(getters: ModuleType) -> None:
    """Each Cortex-M maps to scalar, DSP or MVE as CMSIS-NN itself says."""
    for core in Core:
        if core.cmsis_kernels is not None:
            backend = getters.resolve_backend(getattr(getters.CortexM, core.name))
            assert backend.name == BACKENDS[core.cmsis_kernels]


def test_operators_of_a_graph_are_translated() -> None:
    """The adapter hands each operator's shape, kernel and top/left padding to the right rule."""
    graph = Graph(
        (
            Tensor("input", (16, 16, 8)),
            Tensor("a", (16, 16, 16)),
            Tensor("b", (16, 16, 16)),
            Tensor("c", (16, 16, 16)),
            Tensor("d", (8, 8, 16)),
            Tensor("e", (4, 4, 16)),
            Tensor("f", (1, 1, 10)),
        ),
        (
            Conv2d("conv", ("input",), "a", (3, 3), (1, 1), (1, 1, 1, 1)),
            DepthwiseConv2d("depthwise", ("a",), "b", (5, 5), (1, 1), (2, 2, 2, 2)),
            Add("add", ("a", "b"), "c"),
            MaxPool2d("max", ("c",), "d", (2, 2), (2, 2)),
            AvgPool2d("mean", ("d",), "e", (2, 2), (2, 2)),
            Dense("dense", ("e",), "f"),
        ),
    )
    expected = {
        KernelLibrary.CMSIS_SCALAR: [288, 0, 0, 0, 0, 0],
        KernelLibrary.CMSIS_DSP: [288, 800, 0, 0, 64, 0],
        KernelLibrary.CMSIS_MVE: [320, 12400, 0, 0, 0, 40],
    }
    for kernels, sizes in expected.items():
        found = [operator_scratch_bytes(graph, op, kernels) for op in graph.operators]
        assert found == sizes


def test_the_exported_runtime_has_no_cmsis_scratch() -> None:
    """Asking for the runtime's scratch by CMSIS-NN's rules is an error, not a silent zero."""
    graph = Graph(
        (Tensor("input", (1, 1, 4)), Tensor("a", (1, 1, 2))), (Dense("fc", ("input",), "a"),)
    )
    with pytest.raises(MemoryPlanError, match="expected kernels of CMSIS-NN"):
        operator_scratch_bytes(graph, graph.operators[0], KernelLibrary.RUNTIME)
