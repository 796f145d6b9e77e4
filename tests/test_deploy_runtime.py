"""The C runtime against layers that CMSIS-NN computed, and sparse kernels against dense ones."""

import ctypes
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_tool
from inline_kernels import INLINE_KINDS, write_inline_kernels
from numpy.typing import NDArray
from runtime_structs import (
    AddGeometry,
    ConvGeometry,
    FullyConnectedGeometry,
    PoolGeometry,
    pointer,
)

from sparse_search.deploy.build import Compiler, compile_c, find_compiler
from sparse_search.deploy.runtime_files import all_kernels, write_runtime
from sparse_search.deploy.weighted_kernels import kernel_name
from sparse_search.encoding import ALL_ENCODINGS, encode_as
from sparse_search.integer import ConcatInput, concat

GOLDEN = dict(
    np.load(Path(__file__).parent / "golden" / "cmsis_nn_golden.npz", allow_pickle=False).items()
)
# Left out because a Graph cannot express them: grouped convolution (conv_12), depthwise with a
# channel multiplier of 2 (dw_05), softmax.
INEXPRESSIBLE = {"conv_12_grouped", "dw_05_mult2", "softmax_01", "softmax_02"}
CASES = sorted({str(case) for case in GOLDEN["case_ids"]} - INEXPRESSIBLE)

Fields = Mapping[str, NDArray[np.generic]]


class ConcatGeometry(ctypes.Structure):
    """ss_concat_geometry."""

    _fields_ = [
        ("count", ctypes.c_uint32),
        ("multiplier", ctypes.c_int32),
        *((n, ctypes.c_int8) for n in ("shift", "zp_in", "zp_out")),
        ("reserved", ctypes.c_uint8),
    ]


@pytest.fixture(scope="module", params=["fast", "portable", "inline"])
def runtime(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> ctypes.CDLL:
    """Every kernel in one shared library, and the requantization as a function.

    Once with what the compiler's machine is good at, once in plain C99, and once with the bodies
    that are inlined for speed in the place of the shared kernels.
    """
    requires_tool("gcc")
    folder = tmp_path_factory.mktemp("runtime")
    probe = folder / "probe.c"
    probe.write_text(
        '#include "ss_requantize.h"\n'
        "int32_t probe_requantize(int32_t value, int32_t multiplier, int32_t shift);\n"
        "int32_t probe_requantize(int32_t value, int32_t multiplier, int32_t shift)\n"
        "{ return ss_requantize(value, multiplier, shift); }\n"
    )
    library = folder / "runtime.so"
    sources = [*write_runtime(folder, all_kernels()), probe]
    if request.param == "inline":
        shared = {f"ss_{kind}" for kind in INLINE_KINDS}
        sources = [path for path in sources if path.stem not in shared]
        sources.append(write_inline_kernels(folder, "ss_", small=False))
    choices = ("-DSS_PORTABLE",) if request.param == "portable" else ()
    flags = ("-O2", "-shared", "-fPIC", *choices)
    compile_c(find_compiler(), sources, library, include=[folder], flags=flags)
    return ctypes.CDLL(str(library))


def fields_of(case: str) -> dict[str, NDArray[np.generic]]:
    """The arrays of one golden case by field name."""
    prefix = f"{case}__"
    return {key.removeprefix(prefix): a for key, a in GOLDEN.items() if key.startswith(prefix)}


def encoded(weights: NDArray[np.generic], kind: str) -> list[NDArray[np.generic]]:
    """The arrays that a kernel takes for weights [outputs, ...] in an encoding, in its order."""
    if kind == "dense":
        return [weights]
    held = encode_as(kind, weights.reshape(len(weights), -1).astype(np.int8))
    positions = [] if kind.startswith("codebook") else [held.positions]
    return [*positions, held.values, *([held.codebook] if held.values.dtype == np.uint8 else [])]


def run_conv(
    runtime: ctypes.CDLL,
    fields: Fields,
    weights: NDArray[np.generic],
    kind: str = "conv2d",
    encoding: str = "dense",
) -> NDArray[np.int8]:
    """Output of a convolution, depthwise or not, for every image of the case."""
    offset_in, zp_out, act_min, act_max, s_h, s_w, pad_h, pad_w = map(int, fields["params"][:8])
    _, in_h, in_w, in_c = fields["input"].shape
    out_h, out_w, out_c = fields["output"].shape[1:]
    geometry = ConvGeometry(
        *(in_h, in_w, in_c, out_h, out_w, out_c),
        *(*weights.shape[1:3], s_h, s_w, pad_h, pad_w),
        *(-offset_in, zp_out, act_min, act_max),
    )
    stored = encoded(weights, encoding)
    shift = fields["shift"].astype(np.int8)
    output = np.zeros(fields["output"].shape, np.int8)
    for image, result in zip(fields["input"], output, strict=True):
        getattr(runtime, kernel_name(kind, encoding))(
            ctypes.byref(geometry),
            pointer(image),
            *map(pointer, stored),
            *map(pointer, (fields["bias"], fields["mult"], shift, result)),
        )
    return output


def run_fully_connected(
    runtime: ctypes.CDLL, fields: Fields, weights: NDArray[np.generic], encoding: str = "dense"
) -> NDArray[np.int8]:
    """Output of a fully connected case; one multiplier is repeated for every output."""
    offset_in, zp_out, act_min, act_max = map(int, fields["params"])
    outputs, inputs = weights.shape
    geometry = FullyConnectedGeometry(inputs, outputs, -offset_in, zp_out, act_min, act_max)
    stored = encoded(weights, encoding)
    bias = fields["bias"] if fields["bias"].size else np.zeros(outputs, np.int32)
    multiplier = np.ascontiguousarray(np.broadcast_to(fields["mult"], outputs))
    shift = np.ascontiguousarray(np.broadcast_to(fields["shift"], outputs)).astype(np.int8)
    output = np.zeros(fields["output"].shape, np.int8)
    for vector, result in zip(fields["input"], output, strict=True):
        getattr(runtime, kernel_name("dense", encoding))(
            ctypes.byref(geometry),
            pointer(vector),
            *map(pointer, stored),
            *map(pointer, (bias, multiplier, shift, result)),
        )
    return output


def run_pool(runtime: ctypes.CDLL, fields: Fields, kernel: str) -> NDArray[np.int8]:
    """Output of a pooling case, clamped as the case asks (the clamp is CMSIS-NN's last step)."""
    k_h, k_w, s_h, s_w, pad_h, pad_w, act_min, act_max = map(int, fields["params"])
    _, in_h, in_w, channels = fields["input"].shape
    out_h, out_w = fields["output"].shape[1:3]
    geometry = PoolGeometry(in_h, in_w, channels, out_h, out_w, k_h, k_w, s_h, s_w, pad_h, pad_w)
    output = np.zeros(fields["output"].shape, np.int8)
    for image, result in zip(fields["input"], output, strict=True):
        getattr(runtime, kernel)(ctypes.byref(geometry), pointer(image), pointer(result))
    clamped: NDArray[np.int8] = output.clip(act_min, act_max)
    return clamped


def run_add(runtime: ctypes.CDLL, fields: Fields) -> NDArray[np.int8]:
    """Output of an add case."""
    off1, m1, sh1, off2, m2, sh2, left, zp_out, m_out, sh_out, low, high = map(
        int, fields["params"]
    )
    assert left == 20
    count = fields["input1"].size
    shifts_and_zero_points = (sh1, sh2, sh_out, -off1, -off2, zp_out)
    geometry = AddGeometry(count, m1, m2, m_out, *shifts_and_zero_points, low, high)
    output = np.zeros(count, np.int8)
    runtime.ss_add(
        ctypes.byref(geometry), *map(pointer, (fields["input1"], fields["input2"], output))
    )
    return output


def run_case(runtime: ctypes.CDLL, case: str) -> NDArray[np.int8]:
    """Output of the dense kernel for a golden case."""
    fields = fields_of(case)
    if case.startswith("conv"):
        return run_conv(runtime, fields, fields["weights"])
    if case.startswith("dw"):
        return run_conv(runtime, fields, fields["weights"], "depthwise_conv2d")
    if case.startswith("fc"):
        return run_fully_connected(runtime, fields, fields["weights"])
    if case.startswith("add"):
        return run_add(runtime, fields)
    return run_pool(runtime, fields, f"ss_{case[:3]}_pool2d")


@pytest.mark.parametrize("case", CASES)
def test_kernel_equals_cmsis_nn(runtime: ctypes.CDLL, case: str) -> None:
    """Every golden layer that a Graph can express, byte for byte."""
    np.testing.assert_array_equal(run_case(runtime, case), fields_of(case)["output"])


def test_requantization_equals_cmsis_nn(runtime: ctypes.CDLL) -> None:
    """Two thousand samples of arm_nn_requantize."""
    samples = zip(
        *(GOLDEN[f"requant_{name}"].tolist() for name in ("val", "mult", "shift")), strict=True
    )
    found = [runtime.probe_requantize(*sample) for sample in samples]
    np.testing.assert_array_equal(found, GOLDEN["requant_out"])


def test_concat_equals_the_integer_reference(runtime: ctypes.CDLL) -> None:
    """Every level at every shift, with the extreme zero points and multipliers."""
    levels = np.arange(-128, 128, dtype=np.int8)
    output = np.zeros(256, np.int8)
    generator = np.random.default_rng(0)
    for shift in range(-31, 24):
        for zero_point in (-128, 0, 127):
            multiplier = int(generator.choice([2**30, 2**31 - 1, generator.integers(2**30, 2**31)]))
            to = int(generator.integers(-128, 128))
            geometry = ConcatGeometry(256, multiplier, shift, zero_point, to)
            runtime.ss_concat(ctypes.byref(geometry), pointer(levels), pointer(output))
            parameters = ConcatInput(multiplier, shift, zero_point, to)
            expected = concat([levels[None, None, None]], [parameters]).reshape(-1)
            np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize("size", [(7, 7), (28, 28), (255, 3), (255, 255)])
def test_pooling_over_a_whole_map(runtime: ctypes.CDLL, size: tuple[int, int]) -> None:
    """One maximum and one mean for each channel, up to the largest kernel."""
    image = np.random.default_rng(0).integers(-128, 128, (*size, 5)).astype(np.int8)
    geometry = PoolGeometry(*size, 5, 1, 1, *size, *size, 0, 0)
    output = np.zeros(5, np.int8)
    runtime.ss_max_pool2d(ctypes.byref(geometry), pointer(image), pointer(output))
    np.testing.assert_array_equal(output, image.max(axis=(0, 1)))
    runtime.ss_avg_pool2d(ctypes.byref(geometry), pointer(image), pointer(output))
    exact = image.mean(axis=(0, 1))
    np.testing.assert_array_equal(output, np.trunc(exact + np.copysign(0.5, exact)))


@pytest.mark.parametrize("encoding", [name for name in ALL_ENCODINGS if name != "dense"])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.1, 0.5, 1.0])
def test_encoded_kernel_equals_dense_kernel(
    runtime: ctypes.CDLL, encoding: str, density: float
) -> None:
    """Every encoding computes the same bytes at any number of nonzero weights, for every case."""
    for case in (case for case in CASES if case.startswith(("conv", "fc"))):
        fields = fields_of(case)
        generator = np.random.default_rng(CASES.index(case))
        weights = fields["weights"] * (generator.random(fields["weights"].shape) < density)
        if "codebook" in encoding:
            # As many different values as the codebook holds, zero among them.
            half = 1 << (int(encoding[-1]) - 1)
            weights = np.clip(weights // 16, 1 - half, half - 1) * 16
        weights = np.ascontiguousarray(weights, np.int8)
        run = run_conv if case.startswith("conv") else run_fully_connected
        found = run(runtime, fields, weights, encoding=encoding)
        np.testing.assert_array_equal(found, run(runtime, fields, weights), case)


@pytest.mark.parametrize(
    "command",
    [
        ("gcc", "-O2"),
        ("gcc", "-Os"),
        ("clang", "-O2"),
        ("arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb", "-Os"),
        ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-O2"),
        ("arm-none-eabi-gcc", "-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard", "-O2"),
        ("avr-gcc", "-mmcu=atmega328p", "-Os"),
    ],
    ids=" ".join,
)
def test_runtime_compiles_without_a_message(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Strict flags, several compilers and cores; no function needs the heap or the stdio."""
    compiler = Compiler((requires_tool(command[0]),), "")
    inline = write_inline_kernels(tmp_path, "inline_", small=True)
    for source in [*write_runtime(tmp_path, all_kernels()), inline]:
        output = tmp_path / f"{source.stem}.o"
        compile_c(compiler, [source], output, flags=(*command[1:], "-c"))
    for path in tmp_path.glob("*.[ch]"):
        text = path.read_text()
        assert "stdio.h" not in text
        assert "stdlib.h" not in text
