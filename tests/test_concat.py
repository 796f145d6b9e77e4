"""Concatenation and residual blocks in every stage: graph, network, int8, memory plan, C."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import requires_tool
from float_models import FloatStub, random_graph, random_images, random_weights
from sanitizers import requires_sanitizers

from sparse_search.deploy import export_c, verify
from sparse_search.errors import GraphError
from sparse_search.graph import (
    Activation,
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Operator,
    Shape,
    Tensor,
    same_padding,
)
from sparse_search.memory import KernelLibrary, all_plans, plan_memory
from sparse_search.network import Network
from sparse_search.quantize import quantize, range_quantization


class Chain:
    """A graph that grows; tensors are called as the operators that write them."""

    def __init__(self, shape: Shape) -> None:
        self.tensors = {"input": Tensor("input", shape)}
        self.operators: list[Operator] = []

    def shape(self, name: str) -> Shape:
        """Shape of a tensor."""
        return self.tensors[name].shape

    def append(self, operator: Operator, shape: Shape) -> str:
        """Adds an operator; returns the name of its output."""
        self.operators.append(operator)
        self.tensors[operator.output] = Tensor(operator.output, shape)
        return operator.output

    def conv(
        self, name: str, source: str, filters: int | None, kernel: int, activation: Activation
    ) -> str:
        """A convolution with SAME padding; depthwise where ``filters`` is None."""
        height, width, channels = self.shape(source)
        padding = (*same_padding(height, kernel, 1), *same_padding(width, kernel, 1))
        make = DepthwiseConv2d if filters is None else Conv2d
        operator = make(name, (source,), name, (kernel, kernel), (1, 1), padding, activation)
        return self.append(operator, (height, width, filters or channels))

    def add(self, name: str, first: str, second: str) -> str:
        """A sum, then ReLU."""
        return self.append(Add(name, (first, second), name, "relu"), self.shape(first))

    def pool(self, name: str, source: str, kind: str, side: int) -> str:
        """A pooling of ``side`` x ``side`` with the stride of its side."""
        height, width, channels = self.shape(source)
        make = MaxPool2d if kind == "max" else AvgPool2d
        operator = make(name, (source,), name, (side, side), (side, side))
        return self.append(operator, (height // side, width // side, channels))

    def finish(self, *taps: str) -> Graph:
        """Concatenates the taps and appends 3 logits."""
        size = sum(self.tensors[name].size for name in taps)
        self.append(Concat("features", taps, "features"), (1, 1, size))
        self.append(Dense("output", ("features",), "logits"), (1, 1, 3))
        return Graph(tuple(self.tensors.values()), tuple(self.operators))


def residual_graph() -> Graph:
    """28x28 images; both kinds of branch, both poolings, every kind of tap, the input among them.

    The last operator of a main path is a convolution in one block and depthwise in the other.
    """
    chain = Chain((28, 28, 1))
    brightest = chain.pool("tap_input", "input", "max", 28)
    main = chain.conv("conv1", "input", 4, 3, "relu")
    main = chain.conv("conv2", main, 4, 3, "none")
    branch = chain.conv("branch1", "input", 4, 5, "none")
    block = chain.pool("pool1", chain.add("add1", main, branch), "max", 4)
    strongest = chain.pool("tap1", block, "max", 7)
    main = chain.conv("depthwise1", block, None, 3, "none")
    block = chain.pool("pool2", chain.add("add2", main, block), "average", 2)
    mean = chain.pool("head_pool", block, "average", 3)
    return chain.finish(brightest, strongest, block, mean)


def two_taps() -> Graph:
    """A convolution of a 4x3x2 input, and both side by side."""
    chain = Chain((4, 3, 2))
    return chain.finish("input", chain.conv("conv1", "input", 5, 3, "relu"))


def test_concat_adds_sizes_and_survives_json() -> None:
    """24 + 60 elements; the shape follows from the inputs, and is checked."""
    graph = two_taps()
    assert graph.shape("features") == (1, 1, 84)
    assert graph.weight_shape(graph.weighted[-1]) == (3, 84)
    assert graph.macs == 12 * 90 + 252
    assert Graph.from_json(graph.to_json()) == graph
    wrong = tuple(
        Tensor("features", (1, 1, 83)) if t.name == "features" else t for t in graph.tensors
    )
    with pytest.raises(GraphError, match=r"expected output \(1, 1, 84\)"):
        Graph(wrong, graph.operators)


@pytest.mark.parametrize("inputs", [(), ("input",)])
def test_concat_of_less_than_two_tensors_is_refused(inputs: tuple[str, ...]) -> None:
    """There is nothing to join."""
    tensors = (Tensor("input", (1, 1, 4)), Tensor("features", (1, 1, 4 * len(inputs))))
    with pytest.raises(GraphError, match="at least two"):
        Graph(tensors, (Concat("features", inputs, "features"),))


def test_new_channels_reach_what_is_concatenated() -> None:
    """The size of a Concat follows and need not be named; a wrong one is refused."""
    smaller = two_taps().with_channels({"conv1": 2})
    assert smaller.shape("features") == (1, 1, 24 + 24)
    assert smaller.weight_shape(smaller.weighted[-1]) == (3, 48)
    assert two_taps().with_channels({"conv1": 2, "features": 48}) == smaller
    assert two_taps().with_channels({}) == two_taps()
    with pytest.raises(GraphError, match="features: expected output"):
        two_taps().with_channels({"conv1": 2, "features": 84})


def randomise_batch_norm(network: Network, generator: torch.Generator) -> None:
    """Statistics as after some training, so that folding them is not trivial."""
    for _, unit in network:
        if unit.norm is not None:
            unit.norm.running_mean.normal_(0, 0.1, generator=generator)
            unit.norm.running_var.uniform_(0.5, 2, generator=generator)


@pytest.mark.parametrize("seed", range(12))
def test_network_equals_a_second_implementation(seed: int) -> None:
    """Every tensor of random graphs and of the residual one, batch norm folded, in float64."""
    torch.set_num_threads(1)
    generator = np.random.default_rng(seed)
    graph = random_graph(generator, 7) if seed else residual_graph()
    network = Network(graph, torch.Generator().manual_seed(seed))
    randomise_batch_norm(network, torch.Generator().manual_seed(seed))
    images = random_images(graph, 3, generator)
    found = network.activations(images)
    stub = FloatStub(graph, {op.name: network.folded(op.name) for op in graph.weighted})
    for name, expected in stub.activations(images).items():
        assert found[name].shape == expected.shape
        np.testing.assert_allclose(found[name], expected, rtol=1e-3, atol=1e-4)


def assert_close(network: FloatStub, images: np.ndarray, tensor: str, steps: float) -> None:
    """A tensor of the int8 model is within some quantization steps of the float one."""
    model = quantize(network, images, clip_ratios=(1.0,))
    scale = model.tensors[tensor]
    found = scale.dequantize(model.trace(images)[tensor])
    assert np.abs(found - network.activations(images)[tensor]).max() <= steps * scale.scale


def concat_dense(*scales: float) -> FloatStub:
    """One pointwise convolution for each scale, side by side with the input, 2 logits."""
    names = [f"part{index}" for index in range(len(scales))]
    size = 16 * (1 + len(scales))
    graph = Graph(
        (
            Tensor("input", (4, 4, 1)),
            *(Tensor(name, (4, 4, 1)) for name in names),
            Tensor("features", (1, 1, size)),
            Tensor("logits", (1, 1, 2)),
        ),
        (
            *(
                Conv2d(name, ("input",), name, (1, 1), (1, 1), (0, 0, 0, 0), "none")
                for name in names
            ),
            Concat("features", ("input", *names), "features"),
            Dense("output", ("features",), "logits"),
        ),
    )
    weights = random_weights(graph, np.random.default_rng(0))
    weights |= {
        name: (np.full((1, 1, 1, 1), scale), np.zeros(1))
        for name, scale in zip(names, scales, strict=True)
    }
    return FloatStub(graph, weights)


def test_concatenation_takes_the_range_of_all_its_inputs() -> None:
    """Its scale is chosen from all values together; an input of that very scale is copied."""
    network = concat_dense(-2.0, 0.5)
    images = random_images(network.graph, 8, np.random.default_rng(0))
    images[0, 0, 0, 0] = 255
    model = quantize(network, images, clip_ratios=(1.0,))
    assert model.tensors["features"] == range_quantization(-2.0, 1.0).single()
    assert_close(network, images, "logits", steps=3)
    alone = quantize(concat_dense(0.5), images, clip_ratios=(1.0,))
    assert alone.tensors["features"] == alone.tensors["input"]
    values = alone.trace(images)
    copied = values["features"].reshape(8, -1)[:, :16]
    np.testing.assert_array_equal(copied, values["input"].reshape(8, -1))


@pytest.mark.parametrize("scale", [1e-30, 1e-9, 1e9, 0.0])
def test_concatenation_of_tensors_of_very_different_scale_works(scale: float) -> None:
    """The small ones vanish, as they must in 256 levels; nothing overflows."""
    network = concat_dense(scale, 1.0)
    images = random_images(network.graph, 8, np.random.default_rng(0))
    assert_close(network, images, "features", steps=1.5)


def test_concatenation_that_calibration_never_activates_is_ready_for_other_images() -> None:
    """Its range is then that of its inputs."""
    network = concat_dense(-3.0, 0.5)
    model = quantize(network, np.zeros((2, 4, 4, 1), np.uint8))
    bright = np.full((1, 4, 4, 1), 255, np.uint8)
    found = model.tensors["features"].dequantize(model.trace(bright)["features"])
    expected = network.activations(bright)["features"]
    np.testing.assert_allclose(found, expected, atol=1.5 * model.tensors["features"].scale)


@pytest.mark.parametrize("seed", range(4))
def test_residual_blocks_in_int8_stay_close_to_float(seed: int) -> None:
    """Convolutions without ReLU, additions with it, poolings, taps: within six steps."""
    generator = np.random.default_rng(seed)
    graph = residual_graph()
    network = FloatStub(graph, random_weights(graph, generator))
    assert_close(network, random_images(graph, 6, generator), "features", steps=6)


def test_taps_stay_alive_until_they_are_concatenated() -> None:
    """The input and the map live beside each other; each input costs a record of 12 bytes."""
    plan = plan_memory(two_taps())
    lives = {a.name: (a.size_bytes, a.first, a.last) for a in plan.allocations}
    assert lives == {
        "input": (24, 0, 1),
        "conv1": (60, 0, 1),
        "features": (84, 1, 2),
        "logits": (3, 2, 2),
    }
    assert plan.arena_bytes == plan.lower_bound_bytes == 24 + 60 + 84
    features = plan.layers[1]
    assert (features.kind, features.macs, features.weights, features.biases) == ("concat", 0, 0, 0)
    assert features.table_bytes == features.flash_bytes == 24
    assert (features.input_bytes, features.output_bytes) == (84, 84)


def test_concatenation_needs_no_scratch_memory() -> None:
    """Under no kernel library."""
    for kernels, plan in all_plans(residual_graph()).items():
        scratch = {a.name for a in plan.allocations if a.kind == "scratch"}
        assert "features:scratch" not in scratch
        assert (not scratch) == (kernels is KernelLibrary.RUNTIME)


def test_residual_network_in_c_equals_the_reference(tmp_path: Path) -> None:
    """Whole chain from the float network; byte for byte, and no undefined behaviour."""
    requires_tool("gcc")
    torch.set_num_threads(1)
    network = Network(residual_graph(), torch.Generator().manual_seed(0))
    images = random_images(network.graph, 12, np.random.default_rng(0))
    model = quantize(network, images)
    plan = plan_memory(model)
    folder = export_c(model, plan, tmp_path / "export").folder
    source = (folder / "model.c").read_text()
    assert source.count("ss_concat(&model_features_geometry") == 4
    assert (folder / "ss_concat.c").exists()
    certificate = verify(folder, images, flags=requires_sanitizers(tmp_path))
    assert certificate.failures == ()
    assert certificate.measured_arena_bytes <= plan.arena_bytes
    tables = folder / "model_weights.h"
    damaged = re.sub(
        r"(_features_geometry3 = .*?zero_point = )-?\d+", r"\g<1>9", tables.read_text(), flags=re.S
    )
    tables.write_text(damaged)
    difference = verify(folder, images).first_difference
    assert difference is not None
    # The third input begins after the two values that are kept of whole maps: 1 + 4.
    assert (difference.operator, difference.element) == ("features", (0, 0, 5))
