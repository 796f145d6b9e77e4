"""Narrow channels: fewer bytes, the same integers, and kernels of both forms that agree."""

import ctypes
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_tool
from numpy.typing import NDArray
from random_models import random_graph, random_model
from runtime_structs import ConvGeometry, FullyConnectedGeometry, pointer
from sanitizers import requires_sanitizers

from sparse_search.deploy import ExportOptions, export_c, verify
from sparse_search.deploy.build import compile_c, find_compiler
from sparse_search.deploy.runtime_files import write_runtime
from sparse_search.deploy.weighted_kernels import kernel_name, paired, weighted_kernels
from sparse_search.encoding import ALL_ENCODINGS, EncodingPolicy, encode_as
from sparse_search.errors import ExportError
from sparse_search.integer import (
    BIAS_STEPS_MAX,
    QuantizedWeights,
    bias_units,
    narrow_channels,
    powers_of_two_apart,
    wide_channels,
)
from sparse_search.memory import KernelLibrary, plan_memory


def weights(shift: list[int], bias: list[int], multiplier: int = 2**30 + 99) -> QuantizedWeights:
    """Channels with the same multiplier."""
    count = len(shift)
    return QuantizedWeights(
        np.zeros((count, 1), np.int8),
        np.array(bias, np.int32),
        np.full(count, multiplier, np.int32),
        np.array(shift, np.int32),
        np.ones(count),
    )


def test_narrow_channels_are_the_same_integers() -> None:
    """Whatever the shift, up to the ends of int16."""
    shift = list(range(-20, 31))
    for factor in (-(2**15) + 1, -1, 0, 1, 2**15 - 1):
        bias = (bias_units(np.array(shift)) * factor).tolist()
        held = weights(shift, bias)
        narrow = narrow_channels(held)
        assert narrow is not None
        assert (narrow.bias.dtype, narrow.multiplier.size) == (np.int16, 1)
        np.testing.assert_array_equal(narrow.bias * bias_units(narrow.shift), held.bias)
        assert narrow.multiplier[0] == held.multiplier[0]
        np.testing.assert_array_equal(wide_channels(held).bias, held.bias)


def test_what_would_change_is_not_narrow() -> None:
    """A bias between two units or beyond int16, and a multiplier of its own."""
    assert narrow_channels(weights([-6, -6], [4, 8])) is not None
    assert narrow_channels(weights([-6, -6], [4, 9])) is None
    assert narrow_channels(weights([0, 0], [2**15, 0])) is None
    held = weights([0, 0], [1, 1])
    other = np.array([2**30, 2**30 + 1], np.int32)
    assert narrow_channels(replace(held, multiplier=other)) is None


def test_scales_are_the_least_error_of_powers_of_two() -> None:
    """No factor in common would do better, and what is in powers of two stays."""
    generator = np.random.default_rng(0)
    for _ in range(50):
        scale = np.exp(generator.normal(0, 2, generator.integers(1, 20)))
        found = powers_of_two_apart(scale)
        assert (found >= scale * (1 - 1e-6)).all()
        for factor in np.exp2(generator.uniform(0, 1, 50)):
            other = factor * np.exp2(np.ceil(np.log2(scale / factor)))
            assert np.square(found).sum() <= np.square(other).sum() * (1 + 1e-6)
        np.testing.assert_array_equal(powers_of_two_apart(found), found)


def test_any_bias_within_the_bound_fits() -> None:
    """``levels`` widens an output whose bias is more steps than that."""
    for factor in np.exp2(np.linspace(-20, 10, 200)):
        made = QuantizedWeights.from_scales(
            np.zeros((1, 1), np.int8), np.zeros(1, np.int32), np.array([factor]), 1.0, 1.0
        )
        steps = BIAS_STEPS_MAX / (factor * bias_units(made.shift)[0])
        assert steps < 2**15


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Every kernel over weights."""
    requires_tool("gcc")
    folder = tmp_path_factory.mktemp("runtime")
    sources = write_runtime(folder, weighted_kernels())
    flags = ("-O1", "-shared", "-fPIC")
    compile_c(find_compiler(), sources, folder / "runtime.so", include=[folder], flags=flags)
    return ctypes.CDLL(str(folder / "runtime.so"))


CASES = [
    *(("conv2d", name) for name in ALL_ENCODINGS),
    *(("dense", name) for name in ALL_ENCODINGS),
    ("depthwise_conv2d", "dense"),
]


@pytest.mark.parametrize(("kind", "encoding"), CASES)
def test_kernels_of_both_forms_agree(runtime: ctypes.CDLL, kind: str, encoding: str) -> None:
    """The same channels, given in either form, to shared kernels and to those by pairs."""
    generator = np.random.default_rng(len(encoding))
    outputs, size = 5, (1 if kind == "dense" else 6)
    inputs, taps = (24, 24) if kind == "dense" else (4, 36)
    if kind == "depthwise_conv2d":
        outputs, inputs, taps = 4, 4, 9
    bits = int(encoding[-1]) if "codebook" in encoding else 3
    few = generator.choice(np.arange(1, 128), (1 << min(bits, 3)) - 1, False)
    rows = (
        generator.choice(few, (outputs, taps)) * (generator.random((outputs, taps)) < 0.4)
    ).astype(np.int8)
    shift = generator.integers(-12, -3, outputs)
    held = weights(
        shift.tolist(), (bias_units(shift) * generator.integers(-99, 99, outputs)).tolist()
    )
    stored: list[NDArray[np.generic]] = [np.ascontiguousarray(rows)]
    if encoding != "dense":
        encoded = encode_as(encoding, rows)
        stored = [] if encoding.startswith("codebook") else [encoded.positions]
        stored += [encoded.values, *([encoded.codebook] if "codebook" in encoding else [])]
    image = generator.integers(-128, 128, size * size * inputs).astype(np.int8)
    geometry: ctypes.Structure = ConvGeometry(
        *(size, size, inputs, size, size, outputs, 3, 3, 1, 1, 1, 1, 3, -5, -128, 127)
    )
    if kind == "dense":
        geometry = FullyConnectedGeometry(inputs, outputs, 3, -5, -128, 127)
    seen = []
    for narrow in (False, True):
        channels = narrow_channels(held) if narrow else wide_channels(held)
        assert channels is not None
        name = kernel_name(kind, encoding, narrow=narrow)
        for function in filter(None, (name, paired(name))):
            output = np.zeros(size * size * outputs, np.int8)
            arrays = [image, *stored, channels.bias, channels.multiplier, channels.shift, output]
            getattr(runtime, function)(ctypes.byref(geometry), *map(pointer, arrays))
            seen.append(output)
    assert len(np.unique(seen[0])) > 2
    for output in seen[1:]:
        np.testing.assert_array_equal(output, seen[0])


@pytest.mark.parametrize("seed", range(6))
def test_a_model_computes_the_same_in_both_forms(seed: int, tmp_path_factory) -> None:
    """Exported either way; the bytes that a plan without narrow channels has more are its own."""
    requires_tool("gcc")
    generator = np.random.default_rng(seed)
    graph = random_graph(generator)
    model = random_model(generator, graph, narrow=True)
    narrow = plan_memory(model)
    wide = plan_memory(model, policy=EncodingPolicy(narrow_channels=False))
    weighted = [layer for layer in narrow.layers if layer.biases]
    assert all(layer.narrow for layer in weighted)
    saved = sum(6 * layer.biases - 4 for layer in weighted)
    assert wide.flash_bytes - narrow.flash_bytes == saved
    for number, plan in enumerate((narrow, wide)):
        for optimize in ("size", "speed"):
            folder = tmp_path_factory.mktemp("export")
            export_c(model, plan, folder, options=ExportOptions(optimize=optimize))
            assert verify(folder, flags=requires_sanitizers(folder)).passed, (number, optimize)


def test_a_plan_of_narrow_channels_needs_them(tmp_path: Path) -> None:
    """Of a model that has none it is refused, not exported wrongly."""
    graph = random_graph(np.random.default_rng(1))
    narrow, wide = (
        random_model(np.random.default_rng(1), graph, 0.0, narrow=x) for x in (True, False)
    )
    with pytest.raises(ExportError, match="call plan_memory on the model"):
        export_c(wide, plan_memory(narrow), tmp_path)


def test_other_kernels_have_wide_channels() -> None:
    """CMSIS-NN knows one form."""
    generator = np.random.default_rng(2)
    model = random_model(generator, random_graph(generator), narrow=True)
    for kernels in KernelLibrary:
        plan = plan_memory(model, kernels)
        narrow = any(layer.narrow for layer in plan.layers)
        assert narrow == (kernels is KernelLibrary.RUNTIME)
