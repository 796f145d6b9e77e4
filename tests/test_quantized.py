"""QuantizedModel: its forward against a second implementation, its file, what it refuses."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from float_models import apply_float, random_images, random_model

from sparse_search.errors import QuantizationError
from sparse_search.graph import AvgPool2d, Conv2d, Dense, Graph, MaxPool2d, Tensor
from sparse_search.quantize import quantize
from sparse_search.quantized import (
    INPUT_QUANTIZATION,
    QuantizedModel,
    QuantizedWeights,
    TensorQuantization,
    accuracy,
    error_rate,
)


def quantized(seed: int, operator_count: int = 5) -> QuantizedModel:
    """A random network in int8."""
    generator = np.random.default_rng(seed)
    network = random_model(generator, operator_count, sparsity=0.3)
    return quantize(network, random_images(network.graph, 8, generator))


def one_dense(
    weights: np.ndarray, bias: np.ndarray, multiplier: int = 2**30, shift: int = 0
) -> QuantizedModel:
    """A dense operator on 1 x 1 images; the default rescaling halves."""
    out, channels = weights.shape
    graph = Graph(
        (Tensor("input", (1, 1, channels)), Tensor("logits", (1, 1, out))),
        (Dense("output", ("input",), "logits"),),
    )
    held = QuantizedWeights(
        weights.astype(np.int8),
        bias.astype(np.int32),
        np.full(out, multiplier, np.int32),
        np.full(out, shift, np.int32),
        np.ones(out),
    )
    tensors = {"input": INPUT_QUANTIZATION, "logits": TensorQuantization(2 / 255, 0)}
    return QuantizedModel(graph, tensors, {"output": held})


def change(model: QuantizedModel, **fields: np.ndarray) -> QuantizedModel:
    """A model whose first weighted operator holds other arrays."""
    name = model.graph.weighted[0].name
    held = {**model.weights, name: replace(model.weights[name], **fields)}
    return QuantizedModel(model.graph, model.tensors, held)


@pytest.mark.parametrize("seed", range(30))
def test_each_operator_is_the_float_operator_within_three_quarters_of_a_step(seed: int) -> None:
    """On the dequantized inputs and weights, torch in float64 agrees."""
    model = quantized(seed, operator_count=8)
    images = random_images(model.graph, 5, np.random.default_rng(seed))
    values = model.trace(images)
    for operator in model.graph.operators:
        inputs = [model.tensors[name].dequantize(values[name]) for name in operator.inputs]
        weights = bias = None
        if operator.name in model.weights:
            held = model.weights[operator.name]
            depthwise = operator.kind == "depthwise_conv2d"
            axes = (-1,) if depthwise else (-1, *[1] * (held.weights.ndim - 1))
            weights = held.weights * held.scale.reshape(axes)
            bias = held.bias * held.scale * model.tensors[operator.inputs[0]].scale
        real = apply_float(operator, inputs, weights, bias)
        output = model.tensors[operator.output]
        expected = np.clip(real / output.scale + output.zero_point, -128, 127)
        # Half a step, and a quarter from rounding twice.
        assert np.abs(values[operator.output] - expected).max() <= 0.75001, operator.name


def test_pixels_enter_minus_128() -> None:
    """Bytes 0, 127, 255 become -128, -1, 127; a weight of 1 halved by the default rescaling."""
    model = one_dense(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), np.zeros(3))
    image = np.array([0, 127, 255], np.uint8).reshape(1, 1, 1, 3)
    assert model.trace(image)["input"].ravel().tolist() == [-128, -1, 127]
    assert model.forward(image).tolist() == [[0, 64, 127]]


@pytest.mark.parametrize("batch", [1, 3, 7, 100])
def test_forward_is_the_last_tensor_of_the_trace_for_any_batch(batch: int) -> None:
    """The batch size is a matter of speed alone."""
    model = quantized(3)
    images = random_images(model.graph, 7, np.random.default_rng(0))
    logits = model.trace(images)["logits"].reshape(7, -1)
    np.testing.assert_array_equal(model.forward(images, batch), logits)


def test_forward_of_no_image_is_empty() -> None:
    """No image gives no row, not an error."""
    model = quantized(3)
    assert model.forward(np.zeros((0, *model.graph.input.shape), np.uint8)).shape == (0, 6)


def test_relu_clamps_at_its_zero_point() -> None:
    """Negative accumulators come out as the zero point."""
    model = one_dense(np.array([[1], [-1]]), np.array([0, 0]))
    dense = replace(model.graph.operators[0], activation="relu")
    tensors = {**model.tensors, "logits": TensorQuantization(2 / 255, -5)}
    relu = QuantizedModel(Graph(model.graph.tensors, (dense,)), tensors, model.weights)
    assert relu.activation_range(dense) == (-5, 127)
    assert relu.forward(np.full((1, 1, 1, 1), 200, np.uint8)).tolist() == [[95, -5]]


def test_ties_go_to_the_first_class() -> None:
    """Predictions and error rate take the first of equal logits, as the C code does."""
    model = one_dense(np.array([[1], [2], [2]]), np.zeros(3))
    images = np.array([0, 40], np.uint8).reshape(2, 1, 1, 1)
    assert model.predict(images).tolist() == [0, 1]
    split = SimpleNamespace(images=images, labels=np.array([0, 2]))
    assert error_rate(model, split) == 0.5
    assert accuracy(model, split) == 0.5


def test_error_rate_refuses_an_empty_split() -> None:
    """A mean of nothing is no error rate."""
    split = SimpleNamespace(images=np.zeros((0, 1, 1, 1), np.uint8), labels=np.zeros(0, int))
    with pytest.raises(QuantizationError, match="at least one"):
        error_rate(one_dense(np.ones((2, 1)), np.zeros(2)), split)


@pytest.mark.parametrize("seed", range(5))
def test_file_round_trip_is_identical(seed: int, tmp_path: Path) -> None:
    """Graph, scales, weights, hash and outputs survive; the file is the same each time."""
    model = quantized(seed)
    model.save(tmp_path / "a.safetensors")
    model.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    loaded = QuantizedModel.load(tmp_path / "a.safetensors")
    assert (loaded.graph, loaded.tensors) == (model.graph, model.tensors)
    assert loaded.hash() == model.hash()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]
    images = random_images(model.graph, 4, np.random.default_rng(1))
    np.testing.assert_array_equal(loaded.forward(images), model.forward(images))


def test_zeros_take_no_room_in_a_file(tmp_path: Path) -> None:
    """A tenth of the weights, a fifth of the bytes; nothing is lost, and damage is noticed."""
    rng = np.random.default_rng(0)
    weights = rng.integers(1, 128, (10, 1001)) * (rng.random((10, 1001)) < 0.1)
    model = one_dense(weights, np.zeros(10))
    path = tmp_path / "sparse.safetensors"
    model.save(path)
    assert path.stat().st_size < weights.size / 8 + np.count_nonzero(weights) + 1500
    loaded = QuantizedModel.load(path)
    np.testing.assert_array_equal(loaded.weights["output"].weights, weights)
    assert loaded.hash() == model.hash()
    with safetensors.safe_open(path, framework="numpy") as file:
        header = file.metadata()
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    arrays["output.weights.values"] = arrays["output.weights.values"][:-1]
    safetensors.numpy.save_file(arrays, path, header)
    with pytest.raises(QuantizationError, match=r"output\.weights: expected \d+ values"):
        QuantizedModel.load(path)


def test_hash_tells_models_apart_and_does_not_depend_on_order() -> None:
    """Twelve digits; any weight, bias or scale counts, the order of the mappings does not."""
    model = quantized(1)
    held = dict(reversed(model.weights.items()))
    tensors = dict(reversed(model.tensors.items()))
    assert QuantizedModel(model.graph, tensors, held).hash() == model.hash()
    assert len(model.hash()) == 12
    assert int(model.hash(), 16) >= 0
    first = model.weights[model.graph.weighted[0].name]
    hashes = {model.hash()}
    hashes.add(change(model, weights=-first.weights).hash())
    hashes.add(change(model, bias=first.bias + np.int32(1)).hash())
    hashes.add(change(model, shift=first.shift - np.int32(1)).hash())
    moved = {**model.tensors, "logits": TensorQuantization(0.5, 3)}
    hashes.add(QuantizedModel(model.graph, moved, model.weights).hash())
    assert len(hashes) == 5


def test_hash_of_a_fixed_model_is_fixed() -> None:
    """Files name models by hash, so it may not change between versions unnoticed."""
    assert one_dense(np.array([[1, -2]]), np.array([3])).hash() == "e613c1f59841"


def test_an_input_scale_in_double_precision_is_accepted() -> None:
    """Models of earlier versions hold 1/255 so; their multipliers are stored, no byte differs."""
    model = one_dense(np.array([[1, -2]]), np.array([3]))
    tensors = {**model.tensors, "input": TensorQuantization(1 / 255, -128)}
    older = QuantizedModel(model.graph, tensors, model.weights)
    images = np.array([[[[0, 255]]], [[[7, 90]]]], np.uint8).reshape(2, *model.graph.input.shape)
    np.testing.assert_array_equal(older.forward(images), model.forward(images))


def test_model_cannot_be_edited() -> None:
    """Its arrays are read-only copies, so a hash stays true."""
    weights = np.array([[1, 2]], np.int8)
    model = one_dense(weights, np.zeros(1))
    before = model.hash()
    weights[0, 0] = 9
    assert model.hash() == before
    with pytest.raises(ValueError, match="read-only"):
        model.weights["output"].weights[0, 0] = 9
    with pytest.raises(TypeError):
        model.weights["output"] = model.weights["output"]


def test_model_can_be_copied() -> None:
    """A copy is rebuilt and checked, as when worker processes hand models over."""
    model = quantized(2)
    assert copy.deepcopy(model).hash() == model.hash()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weights": np.full((2, 3), -128, np.int8)}, r"\[-127, 127\]"),
        ({"weights": np.zeros((3, 3), np.int8)}, "another graph"),
        ({"weights": np.zeros((2, 3), np.int16)}, "int16"),
        ({"bias": np.zeros(3, np.int32)}, "another graph"),
        ({"bias": np.array([2**31 - 1, 0], np.int32)}, "fit in int32"),
        ({"multiplier": np.array([2**30, 2**30 - 1], np.int32)}, "multipliers"),
        ({"shift": np.array([-32, 0], np.int32)}, "shifts"),
        ({"shift": np.array([30, 0], np.int32)}, "fit in int32"),
        ({"scale": np.array([0.0, 1.0])}, "weight scales"),
    ],
)
def test_weights_that_do_not_fit_are_refused(fields: dict, message: str) -> None:
    """Shape, type, range of weights; range of multipliers; accumulators beyond int32."""
    model = one_dense(np.ones((2, 3)), np.ones(2))
    with pytest.raises(QuantizationError, match=message):
        change(model, **fields)


def test_names_and_scales_that_do_not_fit_are_refused() -> None:
    """Missing and unknown names, another input scale, pooling that changes the scale."""
    model = one_dense(np.ones((2, 3)), np.ones(2))
    with pytest.raises(QuantizationError, match=r"missing \['output'\]"):
        QuantizedModel(model.graph, model.tensors, {})
    with pytest.raises(QuantizationError, match=r"unknown \['other'\]"):
        QuantizedModel(model.graph, {**model.tensors, "other": INPUT_QUANTIZATION}, model.weights)
    tensors = {**model.tensors, "input": TensorQuantization(1.0, -128)}
    with pytest.raises(QuantizationError, match="1/255"):
        QuantizedModel(model.graph, tensors, model.weights)
    pool = Graph(
        (Tensor("input", (2, 2, 1)), Tensor("out", (1, 1, 1))),
        (AvgPool2d("pool", ("input",), "out", (2, 2), (2, 2)),),
    )
    with pytest.raises(QuantizationError, match="keep its input's"):
        QuantizedModel(pool, {"input": INPUT_QUANTIZATION, "out": TensorQuantization(1, 0)}, {})


@pytest.mark.parametrize(("scale", "zero_point"), [(0.0, 0), (np.nan, 0), (1.0, 128), (1.0, -129)])
def test_tensor_quantization_refuses_impossible_values(scale: float, zero_point: int) -> None:
    """A scale is positive and finite, a zero point is an int8."""
    with pytest.raises(QuantizationError):
        TensorQuantization(scale, zero_point)


def test_images_of_another_shape_or_type_are_refused() -> None:
    """The message names what the graph expects."""
    model = one_dense(np.ones((2, 3)), np.ones(2))
    for images in (np.zeros((1, 1, 1, 2), np.uint8), np.zeros((1, 1, 1, 3), np.float32)):
        with pytest.raises(QuantizationError, match="uint8 images"):
            model.forward(images)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    """A truncated file, another format, a missing array: one error type, naming the file."""
    path = tmp_path / "model.safetensors"
    model = quantized(4)
    model.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(QuantizationError, match=r"model\.safetensors"):
        QuantizedModel.load(path)
    safetensors.numpy.save_file({"x": np.zeros(1)}, path)
    with pytest.raises(QuantizationError, match="expected format"):
        QuantizedModel.load(path)
    path.write_bytes(whole)
    with safetensors.safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["model"])
    safetensors.numpy.save_file({"x": np.zeros(1)}, path, {"model": json.dumps(header)})
    with pytest.raises(QuantizationError, match=r"\.weights"):
        QuantizedModel.load(path)
    with pytest.raises(FileNotFoundError):
        QuantizedModel.load(tmp_path / "absent")


def test_pooling_of_the_input_keeps_pixels() -> None:
    """Input down-sampling by pooling works on the pixels' own scale."""
    graph = Graph(
        (Tensor("input", (4, 4, 1)), Tensor("small", (2, 2, 1)), Tensor("logits", (1, 1, 1))),
        (
            AvgPool2d("shrink", ("input",), "small", (2, 2), (2, 2)),
            MaxPool2d("top", ("small",), "logits", (2, 2), (2, 2)),
        ),
    )
    model = QuantizedModel(
        graph, dict.fromkeys(("input", "small", "logits"), INPUT_QUANTIZATION), {}
    )
    images = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1) * np.uint8(10)
    # The mean of 100, 110, 140 and 150 is 125.
    assert model.forward(images).tolist() == [[125 - 128]]


def test_convolution_reads_channels_last() -> None:
    """Weights [OC][KH][KW][IC] over [H, W, C]: the last tap of the last channel."""
    weights = np.zeros((1, 2, 2, 2), np.int8)
    weights[0, 1, 1, 1] = 2
    graph = Graph(
        (Tensor("input", (2, 2, 2)), Tensor("logits", (1, 1, 1))),
        (Conv2d("conv", ("input",), "logits", (2, 2), (1, 1), (0, 0, 0, 0)),),
    )
    one = np.ones(1, np.int32)
    held = QuantizedWeights(weights, 0 * one, 2**30 * one, 0 * one, np.ones(1))
    tensors = {"input": INPUT_QUANTIZATION, "logits": TensorQuantization(1.0, -128)}
    model = QuantizedModel(graph, tensors, {"conv": held})
    images = np.arange(8, dtype=np.uint8).reshape(1, 2, 2, 2)
    assert model.forward(images).tolist() == [[7 - 128]]
