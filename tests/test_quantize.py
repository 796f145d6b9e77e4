"""Quantization: ranges, scales, pruning masks, degenerate networks, accuracy."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from float_models import FloatStub, random_graph, random_images, random_model, random_weights
from sklearn.datasets import load_digits
from torch.nn import functional

from sparse_search.errors import QuantizationError
from sparse_search.graph import (
    Add,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Tensor,
    same_padding,
)
from sparse_search.integer import channel_rows, narrow_channels
from sparse_search.levels import RealWeights, assign_levels
from sparse_search.network import Network
from sparse_search.quantize import CLIP_RATIOS, choose_quantization, quantize, range_quantization
from sparse_search.quantized import (
    QuantizedModel,
    QuantizedWeights,
    TensorQuantization,
    accuracy,
)

SEEDS = range(25)


def stub(seed: int, operator_count: int = 5, sparsity: float = 0.0) -> FloatStub:
    """A random network by seed."""
    return random_model(np.random.default_rng(seed), operator_count, sparsity)


def conv_dense(activation: str = "relu") -> Graph:
    """A 2 x 2 convolution with 3 outputs, max pooling, 2 logits."""
    return Graph(
        (
            Tensor("input", (4, 4, 1)),
            Tensor("map", (4, 4, 3)),
            Tensor("pooled", (2, 2, 3)),
            Tensor("logits", (1, 1, 2)),
        ),
        (
            Conv2d("conv", ("input",), "map", (2, 2), (1, 1), (0, 1, 0, 1), activation),
            MaxPool2d("pool", ("map",), "pooled", (2, 2), (2, 2)),
            Dense("output", ("pooled",), "logits"),
        ),
    )


def assert_close(network: FloatStub, model: QuantizedModel, images, steps: float) -> None:
    """Every logit of the int8 model is within some quantization steps of the float one."""
    scale = model.tensors["logits"]
    real = network.activations(images)["logits"].reshape(len(images), -1)
    found = scale.dequantize(model.forward(images))
    assert np.abs(found - real).max() <= steps * scale.scale


@pytest.mark.parametrize("seed", SEEDS)
def test_logits_stay_within_eight_steps_of_float(seed: int) -> None:
    """Without clipping, on the calibration images, after up to five operators and the last."""
    network = stub(seed)
    images = random_images(network.graph, 16, np.random.default_rng(seed))
    assert_close(network, quantize(network, images, clip_ratios=(1.0,)), images, steps=8)


@pytest.mark.parametrize("seed", SEEDS)
def test_scales_follow_the_rules(seed: int) -> None:
    """Zero point -128 where nothing is negative, 0 on a level, pools and multipliers."""
    network = stub(seed, operator_count=8)
    images = random_images(network.graph, 4, np.random.default_rng(seed))
    model = quantize(network, images)
    assert model.tensors[model.graph.input.name] == TensorQuantization(1 / 255, -128).single()
    for operator in model.graph.operators:
        output = model.tensors[operator.output]
        if "pool" in operator.kind:
            assert output == model.tensors[operator.inputs[0]]
        elif getattr(operator, "activation", "none") == "relu":
            assert model.activation_range(operator) == (-128, 127)
            assert output.zero_point == -128
    for operator in model.graph.weighted:
        held = model.weights[operator.name]
        factor = held.multiplier * np.exp2(held.shift - 31.0)
        source, output = model.tensors[operator.inputs[0]], model.tensors[operator.output]
        np.testing.assert_allclose(factor, source.scale * held.scale / output.scale, rtol=1e-9)
        peaks = np.abs(held.weights).max(axis=(0, 1, 2) if held.weights.shape[0] == 1 else None)
        assert np.max(peaks) == 127


@pytest.mark.parametrize("seed", range(10))
def test_every_scale_is_a_float32_number(seed: int) -> None:
    """A file that holds scales in single precision gives the very multipliers of the model."""
    network = stub(seed, operator_count=8)
    model = quantize(network, random_images(network.graph, 4, np.random.default_rng(seed)))
    for tensor in model.tensors.values():
        assert tensor.scale == float(np.float32(tensor.scale))
    for operator in model.graph.weighted:
        held = model.weights[operator.name]
        np.testing.assert_array_equal(held.scale, held.scale.astype(np.float32))
        source, output = model.tensors[operator.inputs[0]], model.tensors[operator.output]
        again = QuantizedWeights.from_scales(
            held.weights, held.bias, held.scale, source.scale, output.scale
        )
        np.testing.assert_array_equal(again.multiplier, held.multiplier)
        np.testing.assert_array_equal(again.shift, held.shift)


@pytest.mark.parametrize("seed", range(10))
def test_pruned_weights_stay_zero(seed: int) -> None:
    """A float weight of 0 is an int8 weight of 0."""
    network = stub(seed, sparsity=0.7)
    model = quantize(network, random_images(network.graph, 4, np.random.default_rng(seed)))
    for name, (weights, _) in network.weights.items():
        assert not model.weights[name].weights[weights == 0].any()


def test_weights_are_the_nearest_levels_of_their_channel() -> None:
    """Symmetric, per output channel, for conv, depthwise and dense layouts alike.

    Scales are the finest that are powers of two apart.
    """
    generator = np.random.default_rng(5)
    graph = Graph(
        (Tensor("input", (4, 4, 3)), Tensor("map", (3, 3, 3)), Tensor("logits", (1, 1, 4))),
        (
            DepthwiseConv2d("depth", ("input",), "map", (2, 2), (1, 1), (0, 0, 0, 0)),
            Dense("output", ("map",), "logits"),
        ),
    )
    network = FloatStub(graph, random_weights(graph, generator))
    images = random_images(graph, 8, generator)
    model = quantize(network, images)
    for name in ("depth", "output"):
        depthwise = name == "depth"
        rows = channel_rows(network.weights[name][0].astype(np.float64), depthwise)
        finest = np.abs(rows).max(axis=1) / 127
        held = model.weights[name]
        scale = held.scale
        assert ((scale >= finest) & (scale < 2.001 * finest)).all()
        exponents = np.log2(scale / scale[0])
        np.testing.assert_array_equal(exponents, np.rint(exponents))
        expected = np.rint(rows / scale[:, None])
        np.testing.assert_array_equal(channel_rows(held.weights, depthwise), expected)
        assert narrow_channels(held) is not None


def test_range_contains_zero_and_both_ends() -> None:
    """Scale and zero point of asymmetric, positive and negative ranges in closed form."""
    assert range_quantization(-2.0, 3.1).scale == pytest.approx(0.02)
    assert range_quantization(-2.0, 3.1).zero_point == -28
    assert range_quantization(0.0, 255.0) == TensorQuantization(1.0, -128)
    assert range_quantization(-255.0, 0.0) == TensorQuantization(1.0, 127)


def test_clipping_is_the_best_of_its_grid() -> None:
    """With a far outlier the range is clipped; the choice equals exhaustive search."""
    generator = np.random.default_rng(0)
    values = np.abs(generator.normal(0, 1, 20000)).astype(np.float32)
    values[0] = 8.0
    chosen = choose_quantization(values)
    errors = []
    for ratio in CLIP_RATIOS:
        candidate = range_quantization(0.0, 8.0 * ratio)
        errors.append(np.sum((candidate.dequantize(candidate.quantize(values)) - values) ** 2))
    best = CLIP_RATIOS[int(np.argmin(errors))]
    assert best < 1
    assert chosen.scale == pytest.approx(8.0 * best / 255)


def test_uniform_values_are_not_clipped() -> None:
    """Nothing is gained by clipping a flat distribution."""
    chosen = choose_quantization(np.linspace(-1, 1, 1001))
    assert chosen.scale == pytest.approx(2 / 255)


def test_logits_are_never_clipped() -> None:
    """The largest logit decides a class, so it is representable."""
    graph = Graph(
        (Tensor("input", (1, 1, 1)), Tensor("logits", (1, 1, 1))),
        (Dense("output", ("input",), "logits"),),
    )
    network = FloatStub(graph, {"output": (np.ones((1, 1)), np.zeros(1))})
    images = np.array([1] * 500 + [255], np.uint8).reshape(-1, 1, 1, 1)
    model = quantize(network, images)
    assert model.tensors["logits"].scale == pytest.approx(1 / 255)
    assert model.forward(images[-1:]).item() == 127


@pytest.mark.parametrize("activation", ["relu", "none"])
def test_dead_layer_works(activation: str) -> None:
    """A feature map that is zero for every image leaves the logits at their biases."""
    bias = np.array([0.5, -0.25])
    weights = {
        "conv": (np.zeros((3, 2, 2, 1)), np.zeros(3)),
        "output": (np.ones((2, 12)), bias),
    }
    network = FloatStub(conv_dense(activation), weights)
    images = random_images(network.graph, 4, np.random.default_rng(0))
    model = quantize(network, images)
    assert not model.weights["conv"].weights.any()
    assert_close(network, model, images, steps=1)


def test_layer_that_calibration_never_activates_is_ready_for_other_images() -> None:
    """Its range is what any image can cause, not a point."""
    weights = {
        "conv": (np.full((3, 2, 2, 1), 1.0), np.full(3, -2.0)),
        "output": (np.ones((2, 12)), np.array([1.0, 0.0])),
    }
    network = FloatStub(conv_dense(), weights)
    model = quantize(network, np.zeros((2, 4, 4, 1), np.uint8))
    bright = np.full((1, 4, 4, 1), 255, np.uint8)
    found = model.tensors["pooled"].dequantize(model.trace(bright)["pooled"])
    expected = network.activations(bright)["pooled"]
    np.testing.assert_allclose(found, expected, atol=model.tensors["pooled"].scale)


def test_all_zero_channel_keeps_its_bias() -> None:
    """A channel without weights has a valid scale and writes its bias to half a step."""
    generator = np.random.default_rng(1)
    weights = random_weights(conv_dense(), generator)
    weights["conv"][0][1] = 0
    weights["conv"][1][1] = 0.3
    network = FloatStub(conv_dense(), weights)
    model = quantize(network, random_images(network.graph, 8, generator), clip_ratios=(1.0,))
    found = model.tensors["map"].dequantize(
        model.trace(random_images(network.graph, 2, generator))["map"]
    )
    np.testing.assert_allclose(found[..., 1], 0.3, atol=0.51 * model.tensors["map"].scale)


@pytest.mark.parametrize("constant", [3.0, -3.0, 1e-30, 0.0])
def test_constant_logits_work(constant: float) -> None:
    """Logits that never vary are met to one step."""
    weights = random_weights(conv_dense(), np.random.default_rng(0))
    weights["output"] = (np.zeros((2, 12)), np.full(2, constant))
    network = FloatStub(conv_dense(), weights)
    images = random_images(network.graph, 4, np.random.default_rng(0))
    assert_close(network, quantize(network, images), images, steps=1)


@pytest.mark.parametrize("size", [1e-9, 1e-4, 1e9])
@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_tiny_and_huge_weights_stay_in_range(size: float, bias: float) -> None:
    """Channels whose bias or multiplier would overflow get a coarser scale and stay precise."""
    generator = np.random.default_rng(2)
    weights = random_weights(conv_dense(), generator)
    weights["conv"] = (weights["conv"][0] * size, np.full(3, bias))
    weights["conv"][0][0] *= 1e-6
    network = FloatStub(conv_dense(), weights)
    images = random_images(network.graph, 8, generator)
    model = quantize(network, images, clip_ratios=(1.0,))
    real = network.activations(images)["map"]
    found = model.tensors["map"].dequantize(model.trace(images)["map"])
    np.testing.assert_allclose(found, real, atol=2 * model.tensors["map"].scale)


def test_addition_of_tensors_of_very_different_scale_works() -> None:
    """One input a thousand times the other."""
    graph = Graph(
        (
            Tensor("input", (4, 4, 1)),
            Tensor("large", (4, 4, 1)),
            Tensor("sum", (4, 4, 1)),
            Tensor("logits", (1, 1, 2)),
        ),
        (
            Conv2d("conv", ("input",), "large", (1, 1), (1, 1), (0, 0, 0, 0), "none"),
            Add("add", ("large", "input"), "sum", "relu"),
            Dense("output", ("sum",), "logits"),
        ),
    )
    generator = np.random.default_rng(0)
    weights = random_weights(graph, generator)
    weights["conv"] = (np.full((1, 1, 1, 1), 1000.0), np.zeros(1))
    network = FloatStub(graph, weights)
    images = random_images(graph, 8, generator)
    assert_close(network, quantize(network, images, clip_ratios=(1.0,)), images, steps=3)


def test_unusable_networks_are_refused() -> None:
    """NaN, a wrong shape, a missing tensor, no images: each is named."""
    graph = conv_dense()
    weights = random_weights(graph, np.random.default_rng(0))
    network = FloatStub(graph, weights)
    images = random_images(graph, 2, np.random.default_rng(0))
    with pytest.raises(QuantizationError, match="at least one calibration image"):
        quantize(network, images[:0])
    with pytest.raises(QuantizationError, match="at least one clip ratio"):
        quantize(network, images, clip_ratios=())
    with pytest.raises(QuantizationError, match="uint8 images"):
        quantize(network, images[:, :3])
    broken = {**weights, "output": (weights["output"][0], np.array([np.nan, 0.0]))}
    with pytest.raises(QuantizationError, match="finite values in"):
        quantize(FloatStub(graph, broken), images)
    mute = SimpleNamespace(graph=graph, folded=network.folded, activations=lambda _: {})
    with pytest.raises(QuantizationError, match="expected map"):
        quantize(mute, images)
    flat = SimpleNamespace(
        graph=graph,
        folded=lambda name: (weights[name][0].reshape(-1), weights[name][1]),
        activations=network.activations,
    )
    with pytest.raises(QuantizationError, match="conv: expected weights"):
        quantize(flat, images)


def train_on_digits(images: torch.Tensor, labels: torch.Tensor) -> Network:
    """A network of two convolutions, trained for a second."""
    generator = torch.Generator().manual_seed(0)
    same = same_padding(8, 3, 2)
    graph = Graph(
        (
            Tensor("input", (8, 8, 1)),
            Tensor("a", (4, 4, 8)),
            Tensor("b", (4, 4, 8)),
            Tensor("logits", (1, 1, 10)),
        ),
        (
            Conv2d("conv1", ("input",), "a", (3, 3), (2, 2), (*same, *same)),
            Conv2d("conv2", ("a",), "b", (3, 3), (1, 1), (1, 1, 1, 1)),
            Dense("output", ("b",), "logits"),
        ),
    )
    network = Network(graph, generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    network.train()
    for _ in range(8):
        for part in torch.randperm(len(images), generator=generator).split(64):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[part]), labels[part]).backward()
            optimizer.step()
    network.eval()
    return network


def test_int8_accuracy_is_that_of_float() -> None:
    """On digits, trained briefly: within 1.5 points of float, on images never seen."""
    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    as_floats = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    train, test = slice(0, 1200), slice(1200, None)
    network = train_on_digits(as_floats[train], torch.from_numpy(labels[train]))
    with torch.no_grad():
        predicted = network(as_floats[test]).argmax(dim=1).numpy()
    float_accuracy = np.mean(predicted == labels[test])
    model = quantize(network, pixels[train][:256])
    split = SimpleNamespace(images=pixels[test], labels=labels[test])
    assert float_accuracy > 0.9
    assert abs(accuracy(model, split) - float_accuracy) <= 0.015
    agreement = np.mean(model.predict(split.images) == predicted)
    assert agreement > 0.98


def test_random_graphs_hold_every_operator() -> None:
    """The oracle above would prove little about an operator that it never met."""
    kinds = {
        operator.kind
        for seed in SEEDS
        for operator in random_graph(np.random.default_rng(seed), 8).operators
    }
    assert len(kinds) == 7


def test_a_bias_far_beyond_the_range_of_its_output_is_held() -> None:
    """The output gets the scale that its bias asks for, and the channels stay narrow."""
    graph = Graph(
        (Tensor("input", (1, 1, 4)), Tensor("logits", (1, 1, 2))),
        (Dense("output", ("input",), "logits"),),
    )
    bias = np.array([5.0, -9.0])
    real = RealWeights(np.full((2, 4), 0.01), bias)
    tiny = TensorQuantization(1e-4, 0)
    made = assign_levels(graph, lambda op: real, lambda name, reach: tiny)
    held, step = made.weights["output"], made.tensors["logits"].scale
    assert step > tiny.scale
    assert narrow_channels(held) is not None
    factor = np.ldexp(held.multiplier / 2.0**31, held.shift)
    np.testing.assert_allclose(held.bias * factor * step, bias, atol=step / 16)
