"""The trainable rendering of an int8 model: its arithmetic, its gradients, its codebooks."""

import numpy as np
import pytest
import torch
from random_models import random_images, trainable_graph
from torch.nn import functional

from sparse_search.architecture import Architecture, Conv2D, ConvBlock, InputTransform
from sparse_search.builder import GREY, build_graph
from sparse_search.errors import QuantizationError, TrainingDivergedError
from sparse_search.fake_quantized import FakeQuantizedNetwork
from sparse_search.graph import Conv2d, Dense, DepthwiseConv2d, Graph, Operator, Tensor
from sparse_search.memory.fusion import fused_pools
from sparse_search.network import Network, to_input
from sparse_search.quantize import quantize
from sparse_search.quantized import QuantizedModel
from sparse_search.space import SearchSpace

SEEDS = range(20)
KINDS = {"conv2d", "depthwise_conv2d", "dense", "max_pool2d", "avg_pool2d", "add", "concat"}


def random_network(graph: Graph, seed: int, sparsity: float = 0.0) -> Network:
    """Random weights, batch norms and masks; depthwise operators have no mask."""
    generator = torch.Generator().manual_seed(seed)
    network = Network(graph, generator)
    for operator, unit in network:
        if unit.norm is not None:
            unit.norm.running_mean.normal_(generator=generator)
            unit.norm.running_var.uniform_(0.1, 3.0, generator=generator)
        if sparsity > 0 and not isinstance(operator, DepthwiseConv2d):
            kept = torch.rand(unit.weight.shape, generator=generator) >= sparsity
            unit.mask = kept.float()
    network.apply_masks()
    return network.eval()


def random_case(
    seed: int, sparsity: float = 0.0, graph: Graph | None = None
) -> tuple[Network, QuantizedModel, FakeQuantizedNetwork, np.ndarray]:
    """A network on a graph, a random one if none is given, quantized, trainable; and images."""
    rng = np.random.default_rng(seed)
    graph = graph or trainable_graph(rng)
    network = random_network(graph, seed, sparsity)
    images = random_images(rng, graph, 32)
    model = quantize(network, images)
    return network, model, FakeQuantizedNetwork(network, model), images


def disturb(fake: FakeQuantizedNetwork, seed: int) -> None:
    """Parameters as after some training: every one moves, those of a mask stay 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in fake.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    fake.apply_masks()


def levels_of(fake: FakeQuantizedNetwork, images: np.ndarray) -> np.ndarray:
    """What the logits are multiples of their scale, as int8 values [n, classes]."""
    model = fake.model()
    tensor = model.tensors[model.graph.output.name]
    dtype = next(fake.parameters()).dtype
    with torch.no_grad():
        logits = fake.eval()(to_input(images).to(dtype)).numpy()
    return np.rint(logits / tensor.scale) + tensor.zero_point


def in_torch_layout(operator: Operator, model: QuantizedModel) -> np.ndarray:
    """int8 weights of an operator, output channel first."""
    weights = model.weights[operator.name].weights
    if isinstance(operator, Conv2d):
        return weights.transpose(0, 3, 1, 2)
    return weights.transpose(3, 0, 1, 2) if isinstance(operator, DepthwiseConv2d) else weights


class TestArithmetic:
    """The forward is that of the integer model."""

    @pytest.mark.parametrize("seed", SEEDS)
    def test_it_starts_as_the_quantized_network(self, seed):
        """The same model, byte for byte: folding into units rounds nothing."""
        _, model, fake, _ = random_case(seed, sparsity=0.5)
        assert fake.model().hash() == model.hash()

    @pytest.mark.parametrize("bits", [None, 2])
    @pytest.mark.parametrize("seed", SEEDS)
    def test_float64_is_the_integer_forward(self, seed, bits):
        """Every logit is equal: 53 bits hold all sums, products and halves of a small model."""
        _, _, fake, images = random_case(seed, sparsity=0.3)
        disturb(fake, seed)
        if bits is not None:
            fake.fit_codebook(bits)
        fake.double()
        np.testing.assert_array_equal(levels_of(fake, images), fake.model().forward(images))

    @pytest.mark.parametrize("seed", SEEDS)
    def test_float32_is_the_integer_forward_but_for_halves(self, seed):
        """What float32 rounds to another side of a half is one step off, rarely, and may spread."""
        _, _, fake, images = random_case(seed)
        disturb(fake, seed)
        difference = np.abs(levels_of(fake, images) - fake.model().forward(images))
        assert difference.max() <= 2
        assert np.mean(difference > 0) <= 0.01

    @pytest.mark.parametrize("pool", ["max", "max3", "max4"])
    def test_a_pooling_takes_the_largest_sum(self, pool):
        """Rounded only then; the same integers, also where windows leave a rest of the map."""
        blocks = (ConvBlock((Conv2D(5, 3),), pool), ConvBlock((Conv2D(6, 3, padding="valid"),)))
        graph = build_graph(
            Architecture((*blocks, ConvBlock((Conv2D(4, 2),), "max"))), (27, 22, 2), 3
        )
        assert len(fused_pools(graph)) == 2
        _, _, fake, images = random_case(0, 0.3, graph)
        disturb(fake, 0)
        fake.double()
        np.testing.assert_array_equal(levels_of(fake, images), fake.model().forward(images))

    def test_the_random_graphs_hold_every_operator(self):
        """Else the comparisons above would prove little."""
        graphs = [random_case(seed)[0].graph for seed in SEEDS]
        assert {op.kind for graph in graphs for op in graph.operators} == KINDS


class TestGradients:
    """They lead where those of the float network lead."""

    @pytest.mark.parametrize("seed", [5, 6, 7, 11])
    def test_they_are_near_those_of_the_folded_float_network(self, seed):
        """Of weights and biases, by the chain rule through the folding of batch norms."""
        network, _, fake, images = random_case(seed)
        labels = torch.arange(len(images)) % network.graph.output.size
        for model in (network, fake):
            functional.cross_entropy(model.eval()(to_input(images)), labels).backward()
        for operator, unit in network:
            layer = fake._layers[operator.name]
            scale, _ = unit.scale_and_shift()
            scale = scale.reshape(-1, *[1] * (unit.weight.dim() - 1))
            by_weight = unit.weight.grad / scale
            units = torch.from_numpy(layer._unit).float().reshape(scale.shape)
            by_bias = (unit.norm or unit).bias.grad
            assert_aligned(layer.weight.grad, by_weight * units)
            assert_aligned(layer.bias.grad, by_bias * layer._bias_unit)

    def test_what_a_clamp_changed_has_none(self):
        """A logit beyond the range of its tensor does not pull at the weights."""
        graph = Graph(
            (Tensor("input", (1, 1, 1)), Tensor("logits", (1, 1, 2))),
            (Dense("output", ("input",), "logits"),),
        )
        network = Network(graph)
        with torch.no_grad():
            network.unit("output").weight.copy_(torch.tensor([[1.0], [0.5]]))
        fake = FakeQuantizedNetwork(
            network, quantize(network, np.full((1, 1, 1, 1), 255, np.uint8))
        )
        with torch.no_grad():
            fake._layers["output"].bias[0] += 0.5
        fake(to_input(np.full((1, 1, 1, 1), 255, np.uint8))).sum().backward()
        gradient = fake._layers["output"].weight.grad
        assert gradient[0].item() == 0.0
        assert gradient[1].item() == pytest.approx(fake._layers["output"]._unit[1], rel=0.02)


def assert_aligned(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Nearly the same direction and length."""
    cosine = functional.cosine_similarity(found.flatten(), expected.flatten(), dim=0)
    assert cosine > 0.98
    assert 0.8 < found.norm() / expected.norm() < 1.25


class TestWhatStays:
    """Masks, the conversion to grey, and what cannot be computed."""

    @pytest.mark.parametrize("seed", range(5))
    def test_masked_weights_are_zero(self, seed):
        """After steps that move every weight, in the module and in the model."""
        network, _, fake, _ = random_case(seed, sparsity=0.6)
        disturb(fake, seed)
        model = fake.model()
        for operator, unit in network:
            if unit.mask is not None:
                pruned = in_torch_layout(operator, model)[unit.mask.numpy() == 0]
                assert pruned.size > 0
                assert not pruned.any()

    def test_the_conversion_to_grey_is_not_learned(self):
        """It has no gradient, and no codebook."""
        space = SearchSpace((8, 8, 3), 4)
        architecture = Architecture((ConvBlock((Conv2D(4, 3),)),), input=InputTransform(1, "grey"))
        network = random_network(space.build(architecture), 0)
        images = random_images(np.random.default_rng(0), network.graph, 8)
        fake = FakeQuantizedNetwork(network, quantize(network, images))
        before = fake.model().weights[GREY].weights
        fake.fit_codebook(2)
        np.testing.assert_array_equal(fake.model().weights[GREY].weights, before)
        assert not any(p.requires_grad for p in fake._layers[GREY].parameters())
        fake(to_input(images)).sum().backward()
        assert fake._layers[GREY].weight.grad is None

    def test_noise_and_weights_that_are_not_finite_are_refused(self):
        """Integers have no noise; NaN is a training that diverged."""
        _, _, fake, images = random_case(0)
        with pytest.raises(QuantizationError, match="no noise"):
            fake(to_input(images), None, object())
        for kind in ("weight", "bias"):
            for value in (float("nan"), float("inf"), 1e30):
                _, _, fake, images = random_case(0)
                with torch.no_grad():
                    getattr(fake._layers[fake.graph.weighted[0].name], kind)[0] = value
                with pytest.raises(TrainingDivergedError, match="lower learning rate"):
                    fake(to_input(images))


class TestCodebooks:
    """Weights take few values, the same in all layers."""

    @pytest.mark.parametrize("bits", [2, 3, 4])
    @pytest.mark.parametrize("seed", range(6))
    def test_a_model_has_at_most_two_to_the_bits_values(self, seed, bits):
        """Zero is one of them where weights are pruned; depthwise operators are left alone."""
        network, before, fake, _ = random_case(seed, sparsity=0.5)
        fake.fit_codebook(bits)
        model = fake.model()
        codebook: set[int] = set()
        pruned = False
        for operator, unit in network:
            values = np.unique(model.weights[operator.name].weights)
            if isinstance(operator, DepthwiseConv2d):
                held = before.weights[operator.name].weights
                np.testing.assert_array_equal(model.weights[operator.name].weights, held)
                continue
            codebook |= set(values.tolist())
            pruned = pruned or (unit.mask is not None and bool((unit.mask == 0).any()))
        assert 1 < len(codebook) <= 2**bits
        assert 0 in codebook or not pruned

    def test_masked_weights_do_not_draw_values_to_zero(self):
        """Two different weights beside many pruned ones are kept as they are by three values."""
        graph = Graph(
            (Tensor("input", (1, 20, 1)), Tensor("logits", (1, 1, 1))),
            (Dense("output", ("input",), "logits"),),
        )
        network = Network(graph)
        unit = network.unit("output")
        unit.mask = torch.zeros(1, 20)
        unit.mask[0, :5] = 1.0
        with torch.no_grad():
            unit.weight[0, :5] = torch.tensor([1.0, 1.0, 0.5, 0.5, 0.02])
        images = random_images(np.random.default_rng(0), graph, 4)
        fake = FakeQuantizedNetwork(network, quantize(network, images))
        fake.fit_codebook(2)
        assert set(fake.model().weights["output"].weights.ravel()) == {0, 3, 64, 127}

    def test_small_weights_are_not_neglected(self):
        """Errors count relative to the weights of their layer, which have a scale of their own."""
        graph = Graph(
            (Tensor("input", (1, 4, 1)), Tensor("hidden", (1, 1, 4)), Tensor("logits", (1, 1, 2))),
            (Dense("hidden", ("input",), "hidden", "relu"), Dense("output", ("hidden",), "logits")),
        )
        network = Network(graph)
        with torch.no_grad():
            network.unit("hidden").weight.copy_(1e3 * torch.tensor([[127.0, 64, 64, 64]] * 4))
            network.unit("output").weight.copy_(1e-3 * torch.tensor([[127.0, 16, 16, 16]] * 2))
        images = random_images(np.random.default_rng(0), graph, 4)
        fake = FakeQuantizedNetwork(network, quantize(network, images))
        fake.fit_codebook(2)
        weights = fake.model().weights
        assert set(weights["hidden"].weights.ravel()) == {127, 64}
        assert set(weights["output"].weights.ravel()) == {127, 16}
