"""The .tflite file: TensorFlow Lite Micro's interpreter gives the bytes of the reference."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import requires_env
from random_models import random_graph, random_images, random_model
from strategies import SHAPES
from tflite_interpreter import run_tflite, tflite_schema

from sparse_search.dataset import Dataset, load_dataset
from sparse_search.deploy.tflite import export_tflite, tflite_bytes
from sparse_search.errors import ExportError
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
    same_padding,
)
from sparse_search.network import Network
from sparse_search.quantize import quantize
from sparse_search.quantized import (
    INPUT_QUANTIZATION,
    QuantizedModel,
    QuantizedWeights,
    TensorQuantization,
)
from sparse_search.space import SearchSpace

CASES = int(os.environ.get("SPARSE_SEARCH_FUZZ_CASES", "12"))
IMAGES = 12
UNPADDED: Padding = (0, 0, 0, 0)


def model_of(*parts: tuple[Operator, Shape], input_shape: Shape, seed: int = 0) -> QuantizedModel:
    """A random model of operators and the shapes that they write."""
    tensors = [Tensor(operator.output, shape) for operator, shape in parts]
    graph = Graph((Tensor("input", input_shape), *tensors), tuple(op for op, _ in parts))
    return random_model(np.random.default_rng(seed), graph)


def assert_same_bytes(model: QuantizedModel, count: int = IMAGES) -> None:
    """The interpreter and the reference agree on random images."""
    images = random_images(np.random.default_rng(1), model.graph, count)
    np.testing.assert_array_equal(run_tflite(tflite_bytes(model), images), model.forward(images))


def pads_a_mean(graph: Graph, operator: Operator) -> bool:
    """Whether it is an average pool whose windows are neither those of SAME nor unpadded ones."""
    if not isinstance(operator, AvgPool2d):
        return False
    shape, written = graph.shape(operator.inputs[0]), graph.shape(operator.output)
    starts = {"same": [], "valid": []}
    for axis in (0, 1):
        k, s, before = operator.kernel[axis], operator.stride[axis], operator.padding[2 * axis]
        same = (math.ceil(shape[axis] / s), same_padding(shape[axis], k, s)[0])
        starts["same"].append((written[axis], before) == same)
        starts["valid"].append((written[axis], before) == ((shape[axis] - k) // s + 1, 0))
    return not any(all(axes) for axes in starts.values())


@pytest.mark.parametrize("seed", range(4 * CASES))
def test_the_interpreter_equals_the_integer_reference(seed: int) -> None:
    """Every byte of every output of random models; what is refused pads an average pool."""
    generator = np.random.default_rng(seed)
    model = random_model(generator, random_graph(generator))
    if any(pads_a_mean(model.graph, op) for op in model.graph.operators):
        with pytest.raises(ExportError, match="average pool"):
            tflite_bytes(model)
    else:
        assert_same_bytes(model)


@pytest.mark.parametrize("seed", range(CASES))
def test_members_of_the_space_are_never_refused(seed: int) -> None:
    """What a search can find has a .tflite file, with the same bytes."""
    rng = np.random.default_rng(seed)
    space = SearchSpace(SHAPES[seed % len(SHAPES)], int(rng.integers(2, 12)), max_filters=32)
    network = Network(space.build(space.sample(rng)), torch.Generator().manual_seed(seed))
    images = rng.integers(0, 256, (4, *space.input_shape), dtype=np.uint8)
    assert_same_bytes(quantize(network, images))


@pytest.mark.parametrize("make", [Conv2d, DepthwiseConv2d, MaxPool2d])
@pytest.mark.parametrize("padding", [(2, 0, 1, 1), (0, 1, 0, 2), (1, 1, 0, 0), (0, 0, 2, 2)])
def test_padding_of_any_kind_is_kept(make: type[Conv2d], padding: Padding) -> None:
    """Also SAME along one axis and none along the other; a maximum never sees the padding."""
    size = (6 + sum(padding[:2]) - 3 + 1, (7 + sum(padding[2:]) - 3) // 2 + 1)
    window = make("window", ("input",), "map", (3, 3), (1, 2), padding)
    output = Dense("output", ("map",), "logits")
    assert_same_bytes(
        model_of((window, (*size, 2)), (output, (1, 1, 5)), input_shape=(6, 7, 2), seed=3)
    )


@pytest.mark.parametrize("units", [1, 2])
def test_vectors_go_between_all_operators(units: int) -> None:
    """A vector is added to another, convolved, pooled and joined; one of one number too."""
    shape = (1, 1, units)
    model = model_of(
        (Dense("first", ("input",), "a", "relu"), shape),
        (Dense("second", ("a",), "b"), shape),
        (Add("sum", ("a", "b"), "c"), shape),
        (Conv2d("conv", ("c",), "d", (1, 1), (1, 1), UNPADDED), shape),
        (Add("mixed", ("d", "b"), "e"), shape),
        (MaxPool2d("pool", ("e",), "f", (1, 1), (1, 1)), shape),
        (Concat("join", ("f", "input", "a"), "g"), (1, 1, 2 * units + 12)),
        (Conv2d("wide", ("g",), "h", (1, 1), (1, 1), UNPADDED, "none"), (1, 1, 3)),
        input_shape=(2, 3, 2),
    )
    assert_same_bytes(model)


WEIGHTED = {
    "one output": (Dense("op", ("input",), "out"), 1),
    "two outputs": (Dense("op", ("input",), "out"), 2),
    "conv": (Conv2d("op", ("input",), "out", (1, 1), (1, 1), UNPADDED, "none"), 2),
    "depthwise": (DepthwiseConv2d("op", ("input",), "out", (1, 1), (1, 1), UNPADDED, "none"), 1),
}


@pytest.mark.parametrize("name", WEIGHTED)
def test_multipliers_are_quotients_in_double_precision(name: str) -> None:
    """Where a product of scales in single precision would put a tie on its other side.

    The output's scale is 4/3 of the product in single precision, which makes the factor 3/4 and
    1.5 of 2; in double precision the factor is a little less, and 2 becomes 1.
    """
    operator, channels = WEIGHTED[name]
    out = Tensor("out", (1, 1, channels))
    graph = Graph((Tensor("input", (1, 1, 1)), out), (operator,))
    source = INPUT_QUANTIZATION.scale
    scales = np.linspace(0.3, 0.4, 50, dtype=np.float32).astype(np.float64)
    products = {s: float(np.float32(source * s)) for s in scales}
    scale, third = next(
        (s, p / 3)
        for s, p in products.items()
        if source * s < p * (1 - 2.0**-26) and p / 3 == float(np.float32(p / 3))
    )
    written = TensorQuantization(4 * third, -128)
    weights = np.ones(graph.weight_shape(operator), np.int8)
    bias = np.zeros(channels, np.int32)
    held = QuantizedWeights.from_scales(
        weights, bias, np.full(channels, scale), source, written.scale
    )
    model = QuantizedModel(graph, {"input": INPUT_QUANTIZATION, "out": written}, {"op": held})
    images = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    rounded = np.ceil(images.reshape(256, 1) * 0.75 - 0.5) - 128
    expected = np.repeat(rounded.astype(np.int8), channels, axis=1)
    np.testing.assert_array_equal(model.forward(images), expected)
    np.testing.assert_array_equal(run_tflite(tflite_bytes(model), images), expected)


def test_the_whole_test_split_of_digits_agrees() -> None:
    """Every image of a real test split, with calibrated scales."""
    assert_whole_test_split_agrees(load_dataset("digits"))


def test_the_ten_thousand_test_images_of_mnist_agree() -> None:
    """The same for a data set from outside."""
    data_dir = Path(requires_env("SPARSE_SEARCH_DATA_DIR"))
    assert_whole_test_split_agrees(load_dataset("mnist", data_dir=data_dir))


def assert_whole_test_split_agrees(data: Dataset) -> None:
    """Byte for byte, on a network of the space with random weights."""
    space = SearchSpace(data.input_shape, data.class_count, max_filters=8)
    graph = space.build(space.sample(np.random.default_rng(6)))
    network = Network(graph, torch.Generator().manual_seed(0))
    model = quantize(network, data.train.images[:200])
    images = data.open_test().images
    outputs = model.forward(images)
    assert len(np.unique(outputs, axis=0)) > len(images) // 20
    np.testing.assert_array_equal(run_tflite(tflite_bytes(model), images), outputs)


def test_average_pools_with_other_padding_are_refused() -> None:
    """TensorFlow Lite has no mean that leaves such padding out."""
    pool = AvgPool2d("mean", ("input",), "map", (3, 3), (1, 1), (2, 0, 1, 1))
    output = Dense("output", ("map",), "logits")
    model = model_of((pool, (4, 4, 1)), (output, (1, 1, 2)), input_shape=(4, 4, 1))
    with pytest.raises(ExportError, match="mean: expected an average pool whose padding is SAME"):
        tflite_bytes(model)


def dense_model() -> QuantizedModel:
    """A fully connected operator on eight pixels."""
    return model_of((Dense("output", ("input",), "logits"), (1, 1, 3)), input_shape=(2, 4, 1))


def test_scales_that_single_precision_changes_are_refused() -> None:
    """The interpreter would compute with other multipliers than the model."""
    model = dense_model()
    held = model.weights["output"]
    bent = replace(held, multiplier=held.multiplier ^ np.int32(1))
    with pytest.raises(ExportError, match="output: expected scales that are float32 numbers"):
        tflite_bytes(QuantizedModel(model.graph, model.tensors, {"output": bent}))


def test_an_addition_that_the_interpreter_refuses_is_refused() -> None:
    """Its output may not be finer than 2^-19 of its inputs."""
    total = Add("sum", ("input", "input"), "logits")
    graph = Graph((Tensor("input", (1, 1, 2)), Tensor("logits", (1, 1, 2))), (total,))
    fine = TensorQuantization(2.0**-28, 0)
    whole = random_model(np.random.default_rng(0), graph)
    model = QuantizedModel(graph, {**whole.tensors, "logits": fine}, {})
    with pytest.raises(ExportError, match=r"2\^-19"):
        tflite_bytes(model)


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    """Read with the published schema: version, model hash, shapes, scales, aligned constants."""
    schema = tflite_schema()
    model = dense_model()
    path = export_tflite(model, tmp_path / "model.tflite")
    data = path.read_bytes()
    assert data == tflite_bytes(model)
    assert data[4:8] == b"TFL3"
    read = schema.ModelT.InitFromPackedBuf(data, 0)
    assert read.version == 3
    assert model.hash() in read.description.decode()
    (graph,) = read.subgraphs
    source, logits = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    assert (source.name, source.shape.tolist(), source.type) == (b"input", [1, 2, 4, 1], 9)
    assert (logits.name, logits.shape.tolist(), logits.type) == (b"logits", [1, 3], 9)
    assert source.quantization.scale.tolist() == [np.float32(1 / 255)]
    assert source.quantization.zeroPoint.tolist() == [-128]
    weights = next(t for t in graph.tensors if t.name == b"output_weights")
    np.testing.assert_array_equal(weights.quantization.scale, model.weights["output"].scale)
    stored = model.weights["output"].weights.tobytes()
    assert read.buffers[weights.buffer].data.tobytes() == stored
    assert data.index(stored) % 16 == 0
