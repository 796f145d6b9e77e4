"""Models written as one file: what goes where, and what is said when it cannot."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_module
from random_models import random_model

from sparse_search.deploy.tflite import tflite_bytes
from sparse_search.errors import ExportError, ToolMissingError
from sparse_search.formats import Format, write_model
from sparse_search.graph import Dense, Graph, Tensor
from sparse_search.quantized import QuantizedModel


@pytest.fixture
def model() -> QuantizedModel:
    """A fully connected operator on four pixels."""
    graph = Graph(
        (Tensor("input", (2, 2, 1)), Tensor("logits", (1, 1, 2))),
        (Dense("output", ("input",), "logits"),),
    )
    return random_model(np.random.default_rng(0), graph)


def test_each_format_is_written_by_its_writer(model: QuantizedModel, tmp_path: Path) -> None:
    """The path that is asked for holds the file, and nothing else is left beside it."""
    requires_module("onnx")
    from sparse_search.deploy.onnx import onnx_model

    lite = write_model(model, Format.TFLITE, tmp_path / "a.tflite")
    assert lite.read_bytes() == tflite_bytes(model)
    other = write_model(model, Format.ONNX, tmp_path / "a.onnx")
    assert other.read_bytes() == onnx_model(model).SerializeToString(deterministic=True)
    assert {path.name for path in tmp_path.iterdir()} == {"a.tflite", "a.onnx"}


def test_a_folder_and_the_format_c_are_refused(model: QuantizedModel, tmp_path: Path) -> None:
    """A file is written over a file only; C is a folder."""
    with pytest.raises(ExportError, match=r"got the folder .*; name one, such as .*model\.tflite"):
        write_model(model, Format.TFLITE, tmp_path)
    with pytest.raises(ExportError, match="use export_c"):
        write_model(model, Format.C, tmp_path / "c")


def test_onnx_without_its_package_says_what_to_install(
    model: QuantizedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra, so it may be missing."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolMissingError, match="expected the package onnx"):
        write_model(model, Format.ONNX, tmp_path / "a.onnx")
