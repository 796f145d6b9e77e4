"""The order in which kernels read and write: an output may lie over input that was read before.

Each kernel runs with its output as far over its own input as ``OUTPUT_BLOCK`` allows.
"""

import ctypes

import numpy as np
import pytest
from conftest import requires_tool
from inline_kernels import write_inline_kernels
from numpy.typing import NDArray
from runtime_structs import AddGeometry, ConvGeometry, PoolGeometry

from sparse_search.deploy.build import compile_c, find_compiler
from sparse_search.deploy.runtime_files import all_kernels, write_runtime
from sparse_search.encoding import encode_as
from sparse_search.graph import window_count
from sparse_search.memory import OUTPUT_BLOCK

ENCODING = "bitmap"
WINDOWED = ("conv2d", "depthwise_conv2d", "max_pool2d", "avg_pool2d")
CASES = 40


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The shared kernels, and those for speed as functions speed_<kind>."""
    requires_tool("gcc")
    folder = tmp_path_factory.mktemp("runtime")
    inline = write_inline_kernels(folder, "speed_", small=True)
    sources = [*write_runtime(folder, all_kernels()), inline]
    flags = ("-O2", "-shared", "-fPIC")
    compile_c(find_compiler(), sources, folder / "runtime.so", include=[folder], flags=flags)
    return ctypes.CDLL(str(folder / "runtime.so"))


def overlap(written: NDArray[np.int64], needed: NDArray[np.int64], block: int) -> int:
    """Where the input must begin, counted from the output's first byte.

    Args:
        written: Bytes of output at the end of each pixel.
        needed: First byte of input that each pixel reads.
        block: Pixels that are written at a time; a block may begin at any.
    """
    later = np.minimum.accumulate(needed[::-1])[::-1]
    pixels = len(written)
    return max(
        int(written[min(first + block, pixels) - 1] - later[first]) for first in range(pixels)
    )


def random_window(generator: np.random.Generator) -> tuple[list[int], list[int], list[int]]:
    """Input sizes, output sizes, then kernel, stride and padding, each of both axes."""
    sizes, outs, rest = [], [], []
    for _ in range(2):
        kernel = int(generator.integers(1, 5))
        size, stride = int(generator.integers(kernel, 12)), int(generator.integers(1, 4))
        pads = (int(generator.integers(0, kernel)), int(generator.integers(0, kernel)))
        sizes.append(size)
        outs.append(window_count(size, kernel, stride, pads))
        rest.append((kernel, stride, pads[0]))
    return sizes, outs, [value for pair in zip(*rest, strict=True) for value in pair]


def first_bytes(
    sizes: list[int], outs: list[int], rest: list[int], channels: int
) -> NDArray[np.int64]:
    """The first byte of input that each output pixel reads."""
    _, _, s_h, s_w, pad_h, pad_w = rest
    rows = np.maximum(np.arange(outs[0]) * s_h - pad_h, 0)
    columns = np.maximum(np.arange(outs[1]) * s_w - pad_w, 0)
    first: NDArray[np.int64] = (rows[:, None] * sizes[1] + columns).reshape(-1) * channels
    return first


def address(array: NDArray[np.generic], offset: int = 0) -> ctypes.c_void_p:
    """Of an element of bytes."""
    return ctypes.c_void_p(array.ctypes.data + offset)


FUNCTIONS = [
    *((kind, f"{variant}_{kind}") for kind in WINDOWED for variant in ("ss", "speed")),
    *(("conv2d", f"ss_conv2d_{ENCODING}{ending}") for ending in ("", "_pairs", "_narrow")),
]


@pytest.mark.parametrize(("kind", "name"), FUNCTIONS)
def test_output_may_lie_over_input_that_was_read(
    runtime: ctypes.CDLL, kind: str, name: str
) -> None:
    """Random shapes: the bytes are those of a run in which nothing overlaps."""
    function = getattr(runtime, name)
    for seed in range(CASES):
        generator = np.random.default_rng(seed)
        sizes, outs, rest = random_window(generator)
        channels = int(generator.integers(1, 9))
        outputs = int(generator.integers(1, 9)) if kind == "conv2d" else channels
        constants: list[NDArray[np.generic]] = []
        geometry: ctypes.Structure
        if kind.endswith("conv2d"):
            taps = rest[0] * rest[1] * (channels if kind == "conv2d" else 1)
            constants = [
                generator.integers(-127, 128, taps * outputs).astype(np.int8),
                generator.integers(-999, 999, outputs).astype(np.int32),
                generator.integers(2**30, 2**31, outputs).astype(np.int32),
                generator.integers(-9, -5, outputs).astype(np.int8),
            ]
            if "narrow" in name:
                constants[1:3] = [constants[1].astype(np.int16), constants[2][:1]]
            if ENCODING in name:
                encoded = encode_as(ENCODING, constants[0].reshape(outputs, -1).astype(np.int8))
                constants[:1] = [encoded.positions, encoded.values]
            geometry = ConvGeometry(*sizes, channels, *outs, outputs, *rest, 3, -5, -128, 127)
        else:
            geometry = PoolGeometry(*sizes, channels, *outs, *rest)
        image = generator.integers(-128, 128, sizes[0] * sizes[1] * channels).astype(np.int8)
        expected = np.zeros(outs[0] * outs[1] * outputs, np.int8)
        held = [address(array) for array in constants]
        function(ctypes.byref(geometry), address(image), *held, address(expected))
        written = (np.arange(outs[0] * outs[1]) + 1) * outputs
        begin = overlap(written, first_bytes(sizes, outs, rest, channels), OUTPUT_BLOCK[kind])
        buffer = np.zeros(abs(begin) + image.size + expected.size, np.int8)
        where, output = max(begin, 0), max(-begin, 0)
        buffer[where : where + image.size] = image
        function(ctypes.byref(geometry), address(buffer, where), *held, address(buffer, output))
        np.testing.assert_array_equal(buffer[output:][: expected.size], expected, str(seed))


@pytest.mark.parametrize("variant", ["ss", "speed"])
def test_sum_may_lie_over_an_input(runtime: ctypes.CDLL, variant: str) -> None:
    """At the place of an input, or before it."""
    generator = np.random.default_rng(0)
    inputs = generator.integers(-128, 128, (2, 1001)).astype(np.int8)
    factors = (2**30 + 12345, 2**30, 2**31 - 7)
    geometry = AddGeometry(1001, *factors, -1, 0, -19, 5, -6, 7, -128, 127)
    function = getattr(runtime, f"{variant}_add")
    expected = np.zeros(1001, np.int8)
    function(ctypes.byref(geometry), address(inputs[0]), address(inputs[1]), address(expected))
    for distance in (0, 1, OUTPUT_BLOCK["add"]):
        for place in (0, 1):
            buffer = np.concatenate([np.zeros(distance, np.int8), inputs[place]])
            pair = [address(buffer, distance), address(inputs[1 - place])]
            function(ctypes.byref(geometry), *(pair[::-1] if place else pair), address(buffer))
            np.testing.assert_array_equal(buffer[:1001], expected)
