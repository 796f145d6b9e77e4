"""C that calls CMSIS-NN: parameters are right, scratch memory overlaps nothing that is alive."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_env, requires_tool
from emulated import requires_core
from random_models import random_graph, random_images, random_model

from sparse_search.deploy import ExportOptions, export_c, verify
from sparse_search.deploy.cmsis_nn.library import CMSIS_NN_VARIABLE
from sparse_search.errors import ExportError, ToolMissingError, VerificationError
from sparse_search.formats import Layout
from sparse_search.graph import Conv2d, Dense, Graph, MaxPool2d, Padding, Tensor
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.quantized import QuantizedModel

STUB = Path(__file__).parent / "cmsis_nn_stub"
CASES = int(os.environ.get("SPARSE_SEARCH_FUZZ_CASES", "12"))
LIBRARIES = tuple(kernels for kernels in KernelLibrary if kernels is not KernelLibrary.RUNTIME)
IMAGES = 12


def assert_c_equals_reference(folder: Path, seed: int) -> None:
    """Every byte of a random model's outputs, within the planned arena."""
    generator = np.random.default_rng(seed)
    model = random_model(generator, random_graph(generator))
    export_c(model, plan_memory(model, LIBRARIES[seed % len(LIBRARIES)]), folder)
    certificate = verify(folder, random_images(generator, model.graph, IMAGES))
    assert certificate.failures == ()
    assert certificate.identical == IMAGES


@pytest.mark.parametrize("seed", range(2 * CASES))
def test_c_over_a_stand_in_equals_the_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """The stand-in has CMSIS-NN's prototypes, and overwrites all scratch memory it is given."""
    requires_tool("gcc")
    monkeypatch.setenv(CMSIS_NN_VARIABLE, str(STUB))
    assert_c_equals_reference(tmp_path / "c", seed)


@pytest.mark.parametrize("seed", range(CASES))
def test_c_over_cmsis_nn_equals_the_reference(tmp_path: Path, seed: int) -> None:
    """The same over its own portable C."""
    requires_tool("gcc")
    requires_env(CMSIS_NN_VARIABLE)
    assert_c_equals_reference(tmp_path / "c", seed)


def dense_model() -> QuantizedModel:
    """A fully connected operator on eight pixels."""
    graph = Graph(
        (Tensor("input", (2, 4, 1)), Tensor("logits", (1, 1, 3))),
        (Dense("output", ("input",), "logits"),),
    )
    return random_model(np.random.default_rng(0), graph)


def test_a_library_that_needs_more_scratch_is_refused_at_run_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan for another core does not overwrite what is alive: invoke returns an error."""
    requires_tool("gcc")
    monkeypatch.setenv(CMSIS_NN_VARIABLE, str(STUB))
    model = dense_model()
    export_c(model, plan_memory(model, KernelLibrary.CMSIS_SCALAR), tmp_path / "c")
    assert verify(tmp_path / "c").passed
    with pytest.raises(VerificationError, match="exit code 2"):
        verify(tmp_path / "c", flags=("-DSTUB_NEEDED_BYTES=4",))


_FAILS_ON_THE_WAY = """
#include "model.h"

static uint32_t arena[(MODEL_ARENA_BYTES + 3) / 4];

int main(void)
{
    int8_t *const input = model_input(arena);
    int changed = 0;

    for (int i = 0; i < MODEL_INPUT_BYTES; i++) {
        input[i] = (int8_t)i;
    }
    if (model_invoke(arena, sizeof arena) != MODEL_ERROR_SCRATCH) {
        return 9;
    }
    for (int i = 0; i < MODEL_INPUT_BYTES; i++) {
        changed |= input[i] != (int8_t)i;
    }
    return changed;
}
"""


def test_the_header_says_what_is_left_after_an_error_on_the_way(tmp_path: Path) -> None:
    """The last operator without its scratch memory: those before have run, as model.h says."""
    requires_tool("gcc")
    graph = Graph(
        (
            *(Tensor("input", (8, 8, 1)), Tensor("large", (4, 4, 1))),
            *(Tensor("small", (2, 2, 1)), Tensor("logits", (1, 1, 3))),
        ),
        (
            MaxPool2d("pool1", ("input",), "large", (2, 2), (2, 2)),
            MaxPool2d("pool2", ("large",), "small", (2, 2), (2, 2)),
            Dense("output", ("small",), "logits"),
        ),
    )
    model = random_model(np.random.default_rng(0), graph)
    export_c(model, plan_memory(model, KernelLibrary.CMSIS_DSP), tmp_path / "c")
    (tmp_path / "c" / "way.c").write_text(_FAILS_ON_THE_WAY)
    done = subprocess.run(
        ["gcc", "-std=c99", "-DSTUB_NEEDED_BYTES=4096", f"-I{STUB / 'Include'}", "-o", "way",
         "way.c", "model.c", *map(str, STUB.rglob("*.c"))],
        cwd=tmp_path / "c", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert subprocess.run([str(tmp_path / "c" / "way")], check=False).returncode == 1
    header = " ".join((tmp_path / "c" / "model.h").read_text().replace("\n *", "").split())
    assert "after an error of the arena nothing has been read or written" in header
    assert "the input may be overwritten then" in header


def test_the_export_brings_a_makefile_that_takes_cmsis_nn(tmp_path: Path) -> None:
    """Given a checkout, it builds and runs the golden inputs."""
    requires_tool("gcc")
    requires_tool("make")
    model = dense_model()
    export = export_c(model, plan_memory(model, KernelLibrary.CMSIS_MVE), tmp_path / "c")
    assert not any(name.startswith("ss_") for name in export.manifest.files)
    done = subprocess.run(
        ["make", f"CMSIS_NN={STUB}", "run"],
        cwd=export.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "PASS" in done.stdout


def test_cmake_links_the_model_with_the_target_of_cmsis_nn(tmp_path: Path) -> None:
    """As CMSIS-NN's own project names it."""
    requires_tool("cmake")
    requires_tool("gcc")
    model = dense_model()
    export_c(model, plan_memory(model, KernelLibrary.CMSIS_DSP), tmp_path / "net")
    shutil.copytree(STUB, tmp_path / "stub")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(firmware C)\n"
        "add_library(cmsis-nn STATIC stub/Source/ConvolutionFunctions/stub_s8.c)\n"
        "target_include_directories(cmsis-nn PUBLIC stub/Include)\nadd_subdirectory(net)\n"
        "add_executable(check net/main.c)\ntarget_link_libraries(check PRIVATE model)\n"
    )
    for command in (["cmake", "-S", ".", "-B", "out"], ["cmake", "--build", "out"], ["out/check"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_without_a_checkout_verification_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CMSIS-NN is not part of an export."""
    requires_tool("gcc")
    monkeypatch.delenv(CMSIS_NN_VARIABLE, raising=False)
    model = dense_model()
    export_c(model, plan_memory(model, KernelLibrary.CMSIS_DSP), tmp_path / "c")
    with pytest.raises(ToolMissingError, match=CMSIS_NN_VARIABLE):
        verify(tmp_path / "c")


def test_emulated_cores_run_the_runtime_alone(tmp_path: Path) -> None:
    """A firmware around CMSIS-NN is not built, and the refusal says what to do."""
    requires_core("m4")
    model = dense_model()
    export_c(model, plan_memory(model, KernelLibrary.CMSIS_DSP), tmp_path / "c")
    with pytest.raises(
        VerificationError, match="own kernels for core m4, got one that calls cmsis"
    ):
        verify(tmp_path / "c", core="m4")


def test_what_cmsis_nn_computes_wrongly_is_refused(tmp_path: Path) -> None:
    """1xN windows with a rest or lopsided padding, with the vector extension; else they pass."""

    def export(stride: int, padding: Padding, kernels: KernelLibrary) -> None:
        width = (8 + sum(padding) - 3) // stride + 1
        conv = Conv2d("conv", ("input",), "map", (1, 3), (1, stride), padding)
        graph = Graph((Tensor("input", (1, 8, 4)), Tensor("map", (1, width, 2))), (conv,))
        model = random_model(np.random.default_rng(0), graph)
        export_c(model, plan_memory(model, kernels), tmp_path / "c")

    for stride, padding in ((2, (0, 0, 0, 0)), (1, (0, 0, 1, 0)), (2, (0, 0, 0, 1))):
        with pytest.raises(ExportError, match="conv: expected no 1xN convolution"):
            export(stride, padding, KernelLibrary.CMSIS_MVE)
        export(stride, padding, KernelLibrary.CMSIS_DSP)
    export(5, (0, 0, 0, 0), KernelLibrary.CMSIS_MVE)
    export(1, (0, 0, 1, 1), KernelLibrary.CMSIS_MVE)
    export(1, (0, 0, 0, 1), KernelLibrary.CMSIS_MVE)


def test_options_of_the_own_kernels_are_refused(tmp_path: Path) -> None:
    """An Arduino library holds all that it needs; CMSIS-NN is not specialised."""
    model = dense_model()
    plan = plan_memory(model, KernelLibrary.CMSIS_DSP)
    with pytest.raises(ExportError, match="Arduino"):
        export_c(model, plan, tmp_path / "c", options=ExportOptions(layout=Layout.ARDUINO))
    with pytest.raises(ExportError, match="for speed"):
        export_c(model, plan, tmp_path / "c", options=ExportOptions(optimize="speed"))
