"""Convolutions that pool their output: kernels, plan and C say what two operators say."""

import ctypes
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_tool
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_kernels import write_inline_kernels
from numpy.typing import NDArray
from random_models import random_images, random_model
from runtime_structs import ConvGeometry, PooledConvGeometry, pointer
from test_deploy_encodings import INPUT_ZERO_POINT, OUTPUT_ZERO_POINT, random_weights
from test_deploy_encodings import requantization as random_factors

from sparse_search.deploy import ExportOptions, export_c, verify
from sparse_search.deploy.build import compile_c, find_compiler
from sparse_search.deploy.runtime_files import all_kernels, write_runtime
from sparse_search.deploy.weighted_kernels import kernel_name, paired
from sparse_search.encoding import ALL_ENCODINGS, encode_as, measured_options
from sparse_search.graph import Add, Conv2d, Dense, Graph, MaxPool2d, Tensor, window_count
from sparse_search.integer import conv2d, max_pool2d
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.memory.fusion import fused_pools
from sparse_search.memory.kernels import POOLED_BLOCK
from sparse_search.memory.overlap import find_leads

SAME = (1, 1, 1, 1)
CASES = 40


@pytest.fixture(scope="module", params=["fast", "portable"])
def runtime(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> ctypes.CDLL:
    """Every kernel, once with what this machine is good at, once in plain C99."""
    requires_tool("gcc")
    folder = tmp_path_factory.mktemp("runtime")
    inline = write_inline_kernels(folder, "speed_", small=True)
    sources = [*write_runtime(folder, all_kernels()), inline]
    choices = ("-DSS_PORTABLE",) if request.param == "portable" else ()
    flags = ("-O2", "-shared", "-fPIC", *choices)
    compile_c(find_compiler(), sources, folder / "runtime.so", include=[folder], flags=flags)
    return ctypes.CDLL(str(folder / "runtime.so"))


def random_layer(
    generator: np.random.Generator,
) -> tuple[Graph, NDArray[np.int8], list[NDArray[np.generic]], ctypes.Structure, NDArray[np.int8]]:
    """Graph, weights, (image, biases, multipliers, shifts), record and the expected output."""
    sizes, kernel, stride, pool, pads = [], [], [], [], []
    for _ in range(2):
        k, p = int(generator.integers(1, 6)), int(generator.integers(1, 5))
        s = int(generator.integers(1, 3))
        # Room for one window of the pooling at least.
        size = int(generator.integers((p - 1) * s + k, (p - 1) * s + k + 9))
        sizes.append(size)
        kernel.append(k)
        stride.append(s)
        pool.append(p)
        pads.append(tuple(int(generator.integers(0, k)) for _ in range(2)))
    channels, outputs = int(generator.integers(1, 6)), int(generator.integers(1, 10))
    out = [window_count(n, *rest) for n, *rest in zip(sizes, kernel, stride, pads, strict=True)]
    padding = (*pads[0], *pads[1])
    weights = random_weights(generator, (outputs, *kernel, channels))
    image = generator.integers(-128, 128, (*sizes, channels)).astype(np.int8)
    bias = generator.integers(-3000, 3000, outputs).astype(np.int32)
    factors = random_factors(generator, outputs)
    found = conv2d(
        image[None],
        weights,
        bias,
        factors,
        input_zero_point=INPUT_ZERO_POINT,
        stride=(stride[0], stride[1]),
        padding=padding,
    )
    window = (pool[0], pool[1])
    expected = max_pool2d(found, kernel=window, stride=window)[0]
    pooled = [n // p for n, p in zip(out, pool, strict=True)]
    conv = ConvGeometry(
        *(*sizes, channels, *pooled, outputs, *kernel, *stride, padding[0], padding[2]),
        *(INPUT_ZERO_POINT, OUTPUT_ZERO_POINT, -120, 125),
    )
    graph = Graph(
        (
            Tensor("x", (sizes[0], sizes[1], channels)),
            Tensor("map", (out[0], out[1], outputs)),
            Tensor("y", (pooled[0], pooled[1], outputs)),
        ),
        (
            Conv2d("conv", ("x",), "map", (kernel[0], kernel[1]), (stride[0], stride[1]), padding),
            MaxPool2d("pool", ("map",), "y", window, window),
        ),
    )
    constants = [image, bias, factors.multiplier, factors.shift.astype(np.int8)]
    return graph, weights, constants, PooledConvGeometry(conv, *pool), expected


def test_every_kernel_equals_two_operators_also_over_its_own_input(runtime: ctypes.CDLL) -> None:
    """All encodings that can hold the weights, by pairs, and the kernel for speed.

    The output begins as many bytes before the input as the plan says.
    """
    tried: set[str] = set()
    over = varied = 0
    for seed in range(CASES):
        generator = np.random.default_rng(seed)
        graph, weights, (image, *channels), geometry, expected = random_layer(generator)
        rows = weights.reshape(len(weights), -1)
        functions = [("speed_conv2d_pooled", "dense")]
        for option in measured_options(rows):
            name = kernel_name("conv2d", option.encoding, pooled=True)
            functions += [(n, option.encoding) for n in (name, paired(name)) if n is not None]
        size = graph.output.size
        lead = find_leads(graph).get(("y", "x"), size)
        over += lead < size
        varied += len(np.unique(expected)) > 2
        for name, encoding in functions:
            held = encode_as(encoding, rows)
            stored = [held.positions] if not encoding.startswith(("dense", "codebook")) else []
            stored += [held.values, *([held.codebook] if held.values.dtype == np.uint8 else [])]
            arrays = [pointer(a) if a.size else None for a in (*stored, *channels)]
            buffer = np.zeros(max(size, lead + image.size), np.int8)
            buffer[lead : lead + image.size] = image.ravel()
            start = ctypes.c_void_p(buffer.ctypes.data + lead)
            getattr(runtime, name)(ctypes.byref(geometry), start, *arrays, pointer(buffer))
            found = buffer[:size].reshape(expected.shape)
            np.testing.assert_array_equal(found, expected, f"{seed}: {name}")
            tried.add(encoding)
    assert tried == set(ALL_ENCODINGS)
    assert over > CASES / 4
    assert varied > CASES / 2


@st.composite
def pooled(draw: st.DrawFn) -> Graph:
    """A convolution of a small map, and its pooling."""
    size, kernel, stride, window, out = [], [], [], [], []
    for _ in range(2):
        k, s, p = draw(st.integers(1, 4)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
        n = draw(st.integers((p - 1) * s + k, (p - 1) * s + k + 4))
        size.append(n)
        kernel.append(k)
        stride.append(s)
        window.append(p)
    padding = tuple(draw(st.integers(0, kernel[axis] - 1)) for axis in (0, 0, 1, 1))
    pads = (padding[:2], padding[2:])
    out = [window_count(n, *rest) for n, *rest in zip(size, kernel, stride, pads, strict=True)]
    channels, filters = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    whole = [n // p for n, p in zip(out, window, strict=True)]
    return Graph(
        (
            Tensor("x", (size[0], size[1], channels)),
            Tensor("map", (out[0], out[1], filters)),
            Tensor("y", (whole[0], whole[1], filters)),
        ),
        (
            Conv2d("conv", ("x",), "map", tuple(kernel), tuple(stride), padding),
            MaxPool2d("pool", ("map",), "y", tuple(window), tuple(window)),
        ),
    )


def accesses(graph: Graph) -> Iterator[tuple[set[int], set[int]]]:
    """(input bytes read, output bytes written) of each window of the pooling, in order."""
    conv, pool = graph.operators
    assert isinstance(conv, Conv2d)
    assert isinstance(pool, MaxPool2d)
    height, width, channels = graph.input.shape
    rows, columns, filters = graph.output.shape
    for pixel in range(rows * columns):
        y, x = divmod(pixel, columns)
        read = set()
        for a in range(pool.kernel[0]):
            for b in range(pool.kernel[1]):
                top = (y * pool.kernel[0] + a) * conv.stride[0] - conv.padding[0]
                left = (x * pool.kernel[1] + b) * conv.stride[1] - conv.padding[2]
                read |= {
                    (i * width + j) * channels + c
                    for i in range(max(top, 0), min(top + conv.kernel[0], height))
                    for j in range(max(left, 0), min(left + conv.kernel[1], width))
                    for c in range(channels)
                }
        yield read, set(range(pixel * filters, (pixel + 1) * filters))


@settings(max_examples=200, deadline=None)
@given(pooled())
def test_an_output_at_its_lead_overwrites_nothing_that_is_still_read(graph: Graph) -> None:
    """Byte by byte; a kernel may write a pixel before all of its windows are read."""
    assert POOLED_BLOCK == 1
    lead = find_leads(graph).get(("y", "x"), graph.output.size)
    written: set[int] = set()
    for read, write in accesses(graph):
        written |= {byte - lead for byte in write}
        assert not read & written


def network(window: int = 2, stride: int = 2) -> Graph:
    """Two convolutions of which the first one is pooled, and a fully connected operator."""
    side = (12 - window) // stride + 1
    return Graph(
        (
            Tensor("x", (12, 12, 1)),
            Tensor("map", (12, 12, 8)),
            Tensor("pooled", (side, side, 8)),
            Tensor("second", (side, side, 3)),
            Tensor("y", (1, 1, 4)),
        ),
        (
            Conv2d("conv1", ("x",), "map", (3, 3), (1, 1), SAME),
            MaxPool2d("pool1", ("map",), "pooled", (window, window), (stride, stride)),
            Conv2d("conv2", ("pooled",), "second", (3, 3), (1, 1), SAME),
            Dense("output", ("second",), "y"),
        ),
    )


def test_the_map_between_does_not_exist() -> None:
    """Input and pooled map are all there is; under CMSIS-NN's kernels there are both maps."""
    graph = network()
    plan = plan_memory(graph)
    assert [(a.name, a.first, a.last) for a in plan.allocations] == [
        ("x", 0, 0),
        ("pooled", 0, 2),
        ("second", 2, 3),
        ("y", 3, 3),
    ]
    # 6 x 6 x 8 and 6 x 6 x 3 together; the input lies over the pooled map.
    assert plan.live_no_input_bytes == 288 + 108
    assert plan.in_out_bytes == 144 + 288
    assert plan.arena_bytes < 144 + 288
    conv1, pool1, conv2, _ = plan.layers
    assert [layer.table_bytes for layer in (conv1, pool1, conv2)] == [24, 0, 24]
    assert conv1.macs == 144 * 9 * 8
    apart = plan_memory(graph, KernelLibrary.CMSIS_SCALAR)
    assert "map" in {a.name for a in apart.allocations}
    assert [layer.table_bytes for layer in apart.layers[:3]] == [22, 16, 22]
    assert apart.in_out_bytes == 1152 + 288


def test_what_is_not_fused() -> None:
    """Windows that overlap, and a map that something else reads."""
    assert set(fused_pools(network())) == {"conv1"}
    assert not fused_pools(network(3, 2))
    graph = network()
    tensors = (*graph.tensors[:3], Tensor("sum", (12, 12, 8)))
    read_twice = Graph(tensors, (*graph.operators[:2], Add("sum", ("map", "map"), "sum")))
    assert not fused_pools(read_twice)


@pytest.mark.parametrize("optimize", ["size", "speed"])
@pytest.mark.parametrize("window", [2, 3, 4])
@pytest.mark.parametrize("bits", [None, 3])
def test_exported_c_gives_the_bytes_of_the_reference(
    tmp_path: Path, optimize: str, window: int, bits: int | None
) -> None:
    """One convolution pools and the other one does not; they share a kernel."""
    requires_tool("gcc")
    generator = np.random.default_rng(window)
    graph = network(window, window)
    model = random_model(generator, graph, codebook_bits=bits)
    export = export_c(model, plan_memory(model), tmp_path, options=ExportOptions(optimize=optimize))
    names = {path.name for path in export.folder.iterdir()}
    assert not {"ss_max_pool2d.c", "ss_conv2d.c", "ss_max_pool2d_inline.h"} & names
    certificate = verify(export.folder, random_images(generator, graph, 40))
    assert certificate.passed, certificate.failures


def test_a_difference_is_found_in_the_pooled_map(tmp_path: Path) -> None:
    """The convolution itself leaves nothing to compare."""
    requires_tool("gcc")
    generator = np.random.default_rng(0)
    model = random_model(generator, network())
    held = model.weights["conv1"]
    changed = replace(held, bias=held.bias + 40 * np.abs(held.bias).max() + 1000)
    other = replace(model, weights={**model.weights, "conv1": changed})
    export = export_c(model, plan_memory(model), tmp_path)
    source = export_c(other, plan_memory(other), tmp_path / "other")
    for name in ("model.c", "model_weights.h"):
        text = (source.folder / name).read_text()
        (export.folder / name).write_text(text)
    certificate = verify(export.folder, random_images(generator, model.graph, 3))
    assert certificate.first_difference is not None
    assert certificate.first_difference.operator == "pool1"
