"""Verification: a right export passes, and each kind of damage is found and named."""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_tool
from numpy.typing import NDArray
from random_models import random_images, random_model

from sparse_search.deploy import build, export_c, firmware, verify
from sparse_search.deploy.build import find_compiler
from sparse_search.deploy.certificate import read_certificates
from sparse_search.deploy.cmsis_nn import library
from sparse_search.deploy.cores import CORES
from sparse_search.errors import ExportError, ToolMissingError, VerificationError
from sparse_search.graph import Add, AvgPool2d, Conv2d, Dense, DepthwiseConv2d, Graph, Tensor
from sparse_search.memory import plan_memory
from sparse_search.quantized import QuantizedModel

STUB = Path(__file__).parent / "cmsis_nn_stub"
GRAPH = Graph(
    (
        Tensor("input", (7, 6, 2)),
        Tensor("t1", (7, 6, 4)),
        Tensor("t2", (7, 6, 4)),
        Tensor("t3", (7, 6, 4)),
        Tensor("t4", (3, 3, 4)),
        Tensor("logits", (1, 1, 6)),
    ),
    (
        Conv2d("conv1", ("input",), "t1", (3, 3), (1, 1), (1, 1, 1, 1), "none"),
        DepthwiseConv2d("depthwise1", ("t1",), "t2", (3, 3), (1, 1), (1, 1, 1, 1), "none"),
        Add("add1", ("t1", "t2"), "t3"),
        AvgPool2d("pool1", ("t3",), "t4", (2, 2), (2, 2)),
        Dense("fc1", ("t4",), "logits"),
    ),
)


@pytest.fixture(scope="module")
def model() -> QuantizedModel:
    """Random weights on ``GRAPH``, half of them zero."""
    return random_model(np.random.default_rng(5), GRAPH, 0.5)


@pytest.fixture
def folder(tmp_path: Path, model: QuantizedModel) -> Path:
    """A fresh export of ``model``."""
    requires_tool("gcc")
    return export_c(model, plan_memory(model), tmp_path / "export").folder


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """Ten random images."""
    return random_images(np.random.default_rng(6), GRAPH, 10)


def edit(path: Path, pattern: str, replacement: str) -> None:
    """Replaces the one match of a pattern."""
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.DOTALL)
    assert count == 1
    path.write_text(text)


def test_right_export_passes(
    folder: Path, model: QuantizedModel, images: NDArray[np.uint8]
) -> None:
    """All bytes are equal, the arena is used up to the plan, labels are counted."""
    labels = model.predict(images)
    labels[0] += 1
    seen: list[tuple[int, int]] = []
    certificate = verify(
        folder, images, labels, observer=lambda done, total: seen.append((done, total))
    )
    assert certificate.passed
    assert (certificate.images, certificate.identical, certificate.correct) == (10, 10, 9)
    assert seen == [(10, 10)]
    plan = plan_memory(model)
    assert certificate.predicted_arena_bytes == plan.arena_bytes
    used = max(a.offset_bytes + a.size_bytes for a in plan.allocations)
    assert certificate.measured_arena_bytes == used
    assert read_certificates(folder) == {"host": certificate}


def test_without_images_golden_and_random_ones_are_used(folder: Path) -> None:
    """Four golden images are in every export; the random ones depend on the seed alone."""
    certificate = verify(folder, random_images=20, seed=3)
    assert certificate.passed
    assert certificate.images == 24


@pytest.mark.parametrize("sparsity", [0.0, 1.0])
def test_extreme_sparsity_passes(tmp_path: Path, sparsity: float) -> None:
    """Layers without any zero, and layers without any weight left, compile and agree."""
    requires_tool("gcc")
    extreme = random_model(np.random.default_rng(7), GRAPH, sparsity)
    export_c(extreme, plan_memory(extreme), tmp_path / "export")
    assert verify(tmp_path / "export").passed


# What is damaged, how, and the layer that must be named.
DAMAGES = {
    "conv weight": (r"(model_conv1_(?:weights|values)\[\d+\] = \{\s+)(-?)\d+", r"\g<1>\2 101"),
    "depthwise weight": (r"(model_depthwise1_weights\[\d+\] = \{\s+)-?\d+", r"\1 101"),
    "dense weight": (r"(model_fc1_(?:weights|values)\[\d+\] = \{\s+)-?\d+", r"\1 120"),
    "dense bitmap": (r"(model_fc1_bitmap\[\d+\] = \{\s+)(\d+), (\d+)", r"\1\3, \2"),
    "conv shift": (r"(model_conv1_shift\[4\] = \{\s+)-?\d+", r"\1-3"),
    "add zero point": (r"\.zero_point1 = -?\d+", r".zero_point1 = 55"),
    "pool stride": (r"\.s_h = 2", r".s_h = 1"),
}
LAYERS = {"conv": "conv1", "depthwise": "depthwise1", "dense": "fc1", "add": "add1"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_first_differing_layer_is_named(
    folder: Path, model: QuantizedModel, images: NDArray[np.uint8], damage: str
) -> None:
    """The certificate fails, names file and layer, and says what was expected there."""
    edit(folder / "model_weights.h", *DAMAGES[damage])
    certificate = verify(folder, images)
    assert not certificate.passed
    assert certificate.modified_files == ("model_weights.h",)
    assert certificate.identical < certificate.images
    difference = certificate.first_difference
    assert difference is not None
    assert difference.operator == LAYERS.get(damage.split()[0], "pool1")
    operator = GRAPH.operators[difference.operator_index]
    assert operator.name == difference.operator
    image = images[difference.image : difference.image + 1]
    assert model.trace(image)[operator.output][0][difference.element] == difference.expected
    assert difference.got != difference.expected
    assert any(operator.name in sentence for sentence in certificate.failures)
    assert not read_certificates(folder)["host"].passed


def test_harmless_edit_is_reported(folder: Path, images: NDArray[np.uint8]) -> None:
    """A changed comment leaves every byte equal, yet the file is not what was exported."""
    with (folder / "model.c").open("a") as file:
        file.write("/* mine */\n")
    certificate = verify(folder, images)
    assert certificate.identical == certificate.images
    assert certificate.modified_files == ("model.c",)
    assert not certificate.passed


def test_adapted_example_is_accepted(folder: Path, images: NDArray[np.uint8]) -> None:
    """main.c is an example: whoever adapts it to a board has still a verified model."""
    (folder / "main.c").write_text("int main(void) { return 0; }\n")
    assert verify(folder, images).passed


def test_write_beyond_the_arena_is_measured(folder: Path, images: NDArray[np.uint8]) -> None:
    """The high water is what is written, not what the plan says."""
    size = plan_memory(GRAPH).arena_bytes
    edit(
        folder / "model.c",
        r"base \+ \d+\);\s+TRACE\(4, base \+ \d+",
        f"base + {size + 100});\nTRACE(4, base + 0",
    )
    certificate = verify(folder, images)
    assert certificate.measured_arena_bytes == size + 100 + 6
    assert not certificate.passed
    edit(folder / "model.c", rf"base \+ {size + 100}\)", "base - 8)")
    certificate = verify(folder, images)
    assert certificate.writes_below_arena
    assert not certificate.passed


def test_wrong_output_address_is_not_blamed_on_a_layer(
    folder: Path, images: NDArray[np.uint8]
) -> None:
    """All operators agree, and the bytes that the caller reads are others."""
    edit(folder / "model.c", r"(\(const int8_t \*\)arena) \+ \d+", r"\1 + 1")
    certificate = verify(folder, images)
    assert certificate.first_difference is not None
    assert certificate.first_difference.operator == "output"


def test_uninitialised_read_is_found(folder: Path, images: NDArray[np.uint8]) -> None:
    """Without its first operator the output depends on what the arena held."""
    edit(folder / "model.c", r"ss_conv2d\w*\(.*?\);", ";")
    certificate = verify(folder, images)
    assert certificate.reads_uninitialised
    assert certificate.first_difference is not None
    assert certificate.first_difference.operator == "conv1"


def test_c_that_does_not_compile_or_run_is_an_error(
    folder: Path, images: NDArray[np.uint8]
) -> None:
    """There is nothing to certify; the compiler's words are passed on."""
    text = (folder / "model.c").read_text()
    (folder / "model.c").write_text(text + "int oops(void) { return 1.5f; }\n")
    with pytest.raises(VerificationError, match="oops"):
        verify(folder, images)
    (folder / "model.c").write_text(text.replace("return MODEL_OK;", "return 9;"))
    with pytest.raises(VerificationError, match="exit code 2"):
        verify(folder, images)
    (folder / "model.c").unlink()
    with pytest.raises(VerificationError, match=r"model\.c"):
        verify(folder, images)


def test_folder_that_is_no_export_is_refused(tmp_path: Path, folder: Path) -> None:
    """No manifest, a damaged one, or the model of another export."""
    with pytest.raises(ExportError, match="manifest"):
        verify(tmp_path)
    other = random_model(np.random.default_rng(1), GRAPH, 0.5)
    other.save(folder / "model.safetensors")
    with pytest.raises(ExportError, match="two exports"):
        verify(folder)
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(ExportError, match=r"model\.safetensors"):
        verify(folder)
    (folder / "manifest.json").write_text('{"format": "sparse_search.export.1"}')
    with pytest.raises(ExportError, match="damaged"):
        verify(folder)


def test_impossible_arguments_are_refused(folder: Path, images: NDArray[np.uint8]) -> None:
    """Unknown cores, no images, too few labels."""
    with pytest.raises(VerificationError, match="among host, m0, m3"):
        verify(folder, images, core="cortex-m4")
    with pytest.raises(VerificationError, match="at least one image"):
        verify(folder, images[:0])
    with pytest.raises(VerificationError, match="labels"):
        verify(folder, images, np.zeros(3, np.int64))


def test_missing_compiler_names_packages() -> None:
    """The error says what to install, or which CC is wrong."""
    with pytest.raises(ToolMissingError, match="apt-get install gcc"):
        find_compiler({"PATH": ""})
    with pytest.raises(ToolMissingError, match="no-such-cc"):
        find_compiler({"PATH": "/usr/bin:/bin", "CC": "no-such-cc -m32"})


def test_a_compiler_that_does_not_end_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, whether it compiles, says its version, links or builds CMSIS-NN."""
    requires_tool("ar")
    slow = tmp_path / "slow-cc"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    for module, limit in (
        *((build, "_COMPILE_TIMEOUT_S"), (build, "_VERSION_TIMEOUT_S")),
        *((firmware, "_LINK_TIMEOUT_S"), (library, "_TIMEOUT_S")),
    ):
        monkeypatch.setattr(module, limit, 0.1)
    compiler = build.Compiler((str(slow),), "")
    core = replace(CORES["m4"], triple=str(tmp_path / "slow"))
    environment = {library.CMSIS_NN_VARIABLE: str(STUB), "PATH": os.environ["PATH"]}
    (tmp_path / "slow-gcc").symlink_to(slow)
    for act in (
        lambda: build.compile_c(compiler, [tmp_path / "x.c"], tmp_path / "x"),
        lambda: find_compiler({**environment, "CC": str(slow)}),
        lambda: firmware.link(core, [], tmp_path),
        lambda: library.build_library(compiler, (), tmp_path, environment),
    ):
        with pytest.raises(VerificationError, match=r"slow-g?cc` to end within 0\.1 s"):
            act()
