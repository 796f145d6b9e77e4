"""The .onnx file: valid, and within one step of the reference for every operator."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import requires_module
from numpy.typing import NDArray
from random_models import random_graph, random_images, random_model

from sparse_search.dataset import load_dataset
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
    Shape,
    Tensor,
)
from sparse_search.network import Network
from sparse_search.quantize import quantize
from sparse_search.quantized import QuantizedModel
from sparse_search.space import SearchSpace

INPUT: Shape = (7, 6, 3)
PADDING = (2, 1, 0, 1)
OPERATORS: dict[str, tuple[Operator, Shape]] = {
    "conv": (Conv2d("op", ("input",), "out", (3, 3), (2, 1), PADDING), (4, 5, 4)),
    "linear conv": (Conv2d("op", ("input",), "out", (2, 3), (1, 1), PADDING, "none"), (9, 5, 4)),
    "depthwise": (DepthwiseConv2d("op", ("input",), "out", (3, 3), (1, 1), PADDING), (8, 5, 3)),
    "dense": (Dense("op", ("input",), "out"), (1, 1, 9)),
    "max pool": (MaxPool2d("op", ("input",), "out", (3, 3), (2, 2), PADDING), (4, 3, 3)),
    "average pool": (AvgPool2d("op", ("input",), "out", (3, 3), (2, 2), PADDING), (4, 3, 3)),
    "add": (Add("op", ("input", "input"), "out", "relu"), INPUT),
    "concat": (Concat("op", ("input", "input"), "out"), (1, 1, 252)),
}


def run_onnx(model: QuantizedModel, images: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Outputs [n, values] by onnxruntime, for uint8 images given as pixel - 128."""
    requires_module("onnx")
    requires_module("onnxruntime")
    import onnx
    import onnxruntime

    from sparse_search.deploy.onnx import onnx_model

    proto = onnx_model(model)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (outputs,) = session.run(None, {"image": (images ^ np.uint8(128)).view(np.int8)})
    assert outputs.dtype == np.int8
    return outputs


def steps_apart(model: QuantizedModel, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How far onnxruntime's outputs are from the reference's, in steps of the output."""
    return np.abs(run_onnx(model, images).astype(np.int64) - model.forward(images))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_is_within_one_step(name: str, seed: int) -> None:
    """Also its padding, its channel order and its clamp; most values are the same."""
    operator, shape = OPERATORS[name]
    graph = Graph((Tensor("input", INPUT), Tensor("out", shape)), (operator,))
    generator = np.random.default_rng(seed)
    model = random_model(generator, graph)
    apart = steps_apart(model, random_images(generator, graph, 32))
    assert apart.max() <= 1
    assert apart.mean() < (0.3 if name == "average pool" else 0.02)


@pytest.mark.parametrize("seed", range(12))
def test_random_models_are_valid_and_near_the_reference(seed: int) -> None:
    """Steps add up where layers amplify them, but nothing is in a wrong place."""
    generator = np.random.default_rng(seed)
    model = random_model(generator, random_graph(generator))
    images = random_images(generator, model.graph, 16)
    outputs, expected = run_onnx(model, images), model.forward(images)
    if expected.std() > 0:
        assert np.corrcoef(outputs.reshape(-1), expected.reshape(-1))[0, 1] > 0.99


def test_the_test_split_of_digits_is_classified_alike() -> None:
    """Without a pool that averages, hardly an output differs, and none by more than a step."""
    data = load_dataset("digits")
    space = SearchSpace(data.input_shape, data.class_count, max_filters=8, pools=("max",))
    graph = space.build(space.sample(np.random.default_rng(4)))
    network = Network(graph, torch.Generator().manual_seed(0))
    model = quantize(network, data.train.images[:200])
    apart = steps_apart(model, np.asarray(data.open_test().images))
    assert apart.max() <= 1
    assert apart.mean() < 0.01


def test_equal_models_give_equal_files(tmp_path: Path) -> None:
    """And they name the model."""
    requires_module("onnx")
    import onnx

    from sparse_search.deploy.onnx import export_onnx

    generator = np.random.default_rng(3)
    model = random_model(generator, random_graph(generator))
    first = export_onnx(model, tmp_path / "a.onnx").read_bytes()
    assert first == export_onnx(model, tmp_path / "b.onnx").read_bytes()
    assert onnx.load_from_string(first).graph.name == f"model_{model.hash()}"
