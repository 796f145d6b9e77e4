"""Kernels over encoded weights on random layers: the C equals the integer reference, byte for byte.

All kernels are in one library, so that many layers can be tried in little time.
"""

import ctypes
import os
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import requires_tool
from numpy.typing import NDArray
from runtime_structs import ConvGeometry, FullyConnectedGeometry, pointer

from sparse_search.deploy.build import compile_c, find_compiler
from sparse_search.deploy.runtime_files import all_kernels, write_runtime
from sparse_search.deploy.weighted_kernels import kernel_name, paired
from sparse_search.encoding import ALL_ENCODINGS, encode_as, measured_options
from sparse_search.graph import window_count
from sparse_search.integer import Requantization, conv2d, dense

CASES = int(os.environ.get("SPARSE_SEARCH_FUZZ_CASES", "12"))
INPUT_ZERO_POINT, OUTPUT_ZERO_POINT = 17, -9


@dataclass(frozen=True, eq=False)
class Layer:
    """A random layer with what the reference computes.

    Attributes:
        weights: int8, as the operator lays them out, outputs first.
        image: int8 [H, W, C], or [inputs].
        geometry: The parameter record.
        bias: int32 [outputs].
        requantization: Of the reference.
        expected: int8, what the reference writes.
    """

    weights: NDArray[np.int8]
    image: NDArray[np.int8]
    geometry: ctypes.Structure
    bias: NDArray[np.int32]
    requantization: Requantization
    expected: NDArray[np.int8]


def random_weights(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Any sparsity, any number of values, empty rows and columns, long gaps."""
    few = int(generator.choice([1, 2, 3, 4, 8, 9, 15, 16, 255]))
    values = generator.permutation(np.setdiff1d(np.arange(-127, 128), 0))[:few].astype(np.int8)
    weights = generator.choice(values, shape)
    weights[generator.random(shape) < generator.choice([0.0, 0.3, 0.7, 0.95, 0.999, 1.0])] = 0
    rows = weights.reshape(shape[0], -1)
    rows[generator.random(len(rows)) < generator.choice([0.0, 0.5])] = 0
    rows[:, generator.random(rows.shape[1]) < generator.choice([0.0, 0.6])] = 0
    if generator.random() < 0.3:
        rows[-1, -1] = values[0]
    return weights


def requantization(generator: np.random.Generator, outputs: int) -> Requantization:
    """Factors under which most outputs are not clamped."""
    multiplier = generator.integers(2**30, 2**31, outputs).astype(np.int32)
    shift = generator.integers(-11, -5, outputs).astype(np.int32)
    return Requantization(multiplier, shift, OUTPUT_ZERO_POINT, -120, 125)


def random_conv(generator: np.random.Generator) -> Layer:
    """Kernels up to 5x5 with any padding less than the kernel, and strides up to 3."""
    size, kernel, stride, padding = [], [], [], []
    for _ in range(2):
        k = int(generator.integers(1, 6))
        size.append(int(generator.integers(k, 10)))
        kernel.append(k)
        stride.append(int(generator.integers(1, 4)))
        padding.append(tuple(int(generator.integers(0, k)) for _ in range(2)))
    channels, outputs = int(generator.integers(1, 12)), int(generator.integers(1, 10))
    out = [window_count(n, *rest) for n, *rest in zip(size, kernel, stride, padding, strict=True)]
    weights = random_weights(generator, (outputs, *kernel, channels))
    image = generator.integers(-128, 128, (*size, channels)).astype(np.int8)
    bias = generator.integers(-3000, 3000, outputs).astype(np.int32)
    scale = requantization(generator, outputs)
    expected = conv2d(
        image[None],
        weights,
        bias,
        scale,
        input_zero_point=INPUT_ZERO_POINT,
        stride=(stride[0], stride[1]),
        padding=(*padding[0], *padding[1]),
    )[0]
    geometry = ConvGeometry(
        *(*size, channels, *out, outputs, *kernel, *stride, padding[0][0], padding[1][0]),
        *(INPUT_ZERO_POINT, OUTPUT_ZERO_POINT, -120, 125),
    )
    return Layer(weights, image, geometry, bias, scale, expected)


def random_dense(generator: np.random.Generator) -> Layer:
    """Up to 700 inputs: more than a list of bytes can number."""
    inputs = int(generator.choice([generator.integers(1, 60), generator.integers(200, 700)]))
    outputs = int(generator.integers(1, 20))
    weights = random_weights(generator, (outputs, inputs))
    image = generator.integers(-128, 128, inputs).astype(np.int8)
    bias = generator.integers(-3000, 3000, outputs).astype(np.int32)
    scale = requantization(generator, outputs)
    expected = dense(image[None], weights, bias, scale, input_zero_point=INPUT_ZERO_POINT)[0]
    geometry = FullyConnectedGeometry(
        inputs, outputs, INPUT_ZERO_POINT, OUTPUT_ZERO_POINT, -120, 125
    )
    return Layer(weights, image, geometry, bias, scale, expected)


@pytest.fixture(scope="module", params=["fast", "portable"])
def runtime(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> ctypes.CDLL:
    """Every kernel, once with what this machine is good at, once in plain C99."""
    requires_tool("gcc")
    folder = tmp_path_factory.mktemp("runtime")
    sources = write_runtime(folder, all_kernels())
    choices = ("-DSS_PORTABLE",) if request.param == "portable" else ()
    flags = ("-O2", "-shared", "-fPIC", *choices)
    compile_c(find_compiler(), sources, folder / "runtime.so", include=[folder], flags=flags)
    return ctypes.CDLL(str(folder / "runtime.so"))


def run(runtime: ctypes.CDLL, kernel: str, encoding: str, layer: Layer) -> NDArray[np.int8]:
    """What the kernel writes; its constants end where their arrays end."""
    held = encode_as(encoding, layer.weights.reshape(len(layer.weights), -1))
    stored = [held.positions] if not encoding.startswith(("dense", "codebook")) else []
    stored += [held.values, *([held.codebook] if held.values.dtype == np.uint8 else [])]
    output = np.zeros(layer.expected.shape, np.int8)
    getattr(runtime, kernel)(
        ctypes.byref(layer.geometry),
        pointer(layer.image),
        *(pointer(array) if array.size else None for array in stored),
        pointer(layer.bias),
        pointer(layer.requantization.multiplier),
        pointer(layer.requantization.shift.astype(np.int8)),
        pointer(output),
    )
    return output


@pytest.mark.parametrize("kind", ["conv2d", "dense"])
def test_every_encoding_equals_the_reference_on_random_layers(
    runtime: ctypes.CDLL, kind: str
) -> None:
    """All encodings that can hold the weights of each layer; every one occurs."""
    tried: set[str] = set()
    varied = 0
    for seed in range(4 * CASES):
        generator = np.random.default_rng((seed, kind == "dense"))
        layer = random_conv(generator) if kind == "conv2d" else random_dense(generator)
        rows = layer.weights.reshape(len(layer.weights), -1)
        for option in measured_options(rows):
            kernel = kernel_name(kind, option.encoding)
            for name in filter(None, (kernel, paired(kernel))):
                found = run(runtime, name, option.encoding, layer)
                np.testing.assert_array_equal(found, layer.expected, f"{seed}: {name}")
            tried.add(option.encoding)
        varied += len(np.unique(layer.expected)) > 2
    assert tried == set(ALL_ENCODINGS)
    assert varied > CASES
