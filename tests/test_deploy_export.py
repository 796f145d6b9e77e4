"""The exported folder: what is in it, what it says, and that it stands on its own."""

import ctypes
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_tool
from numpy.typing import NDArray
from random_models import random_graph, random_images, random_model
from sanitizers import requires_sanitizers

from sparse_search.deploy import Export, ExportOptions, export_c, verify
from sparse_search.deploy.build import Compiler, compile_c, find_compiler
from sparse_search.encoding import ALL_ENCODINGS, EncodingPolicy
from sparse_search.errors import ExportError
from sparse_search.graph import Conv2d, Dense, Graph, MaxPool2d, Tensor
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.quantized import QuantizedModel


def small_graph(conv: str = "conv1", padding: tuple[int, int, int, int] = (1, 1, 1, 1)) -> Graph:
    """A convolution, a pooling and a fully connected operator on 8x8 images of 5 classes."""
    return Graph(
        (
            Tensor("input", (8, 8, 1)),
            Tensor("t1", (8, 8, 4)),
            Tensor("t2", (4, 4, 4)),
            Tensor("logits", (1, 1, 5)),
        ),
        (
            Conv2d(conv, ("input",), "t1", (3, 3), (1, 1), padding),
            MaxPool2d("pool1", ("t1",), "t2", (2, 2), (2, 2)),
            Dense("fc1", ("t2",), "logits"),
        ),
    )


def small_model(
    seed: int = 0, sparsity: float = 0.0, graph: Graph | None = None, *, narrow: bool = False
) -> QuantizedModel:
    """Random weights on ``small_graph``."""
    return random_model(
        np.random.default_rng(seed), graph or small_graph(), sparsity, narrow=narrow
    )


def export(model: QuantizedModel, folder: Path, options: ExportOptions | None = None) -> Export:
    """``export_c`` with the model's own plan."""
    return export_c(model, plan_memory(model), folder, options=options)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    """An export depends on nothing but the model and the options."""
    first = export(small_model(), tmp_path / "a")
    second = export(small_model(), tmp_path / "b")
    assert contents(first.folder) == contents(second.folder)


def test_folder_holds_only_what_the_model_needs(tmp_path: Path) -> None:
    """Dense and sparse models take different kernels; unused ones stay at home."""
    dense = set(contents(export(small_model(), tmp_path / "dense").folder))
    sparse = set(contents(export(small_model(sparsity=0.8), tmp_path / "sparse").folder))
    generated = {"model.h", "model.c", "model_weights.h", "main.c", "Makefile"}
    assert dense >= generated | {"manifest.json", "model.safetensors"}
    assert {"ss_conv2d_pooled.c", "ss_fully_connected.c"} == {
        name for name in dense if name.startswith("ss_") and name.endswith(".c")
    }
    assert {"ss_conv2d_gaps4_pooled.c", "ss_fully_connected_gaps4.c"} == {
        name for name in sparse if name.startswith("ss_") and name.endswith(".c")
    }


def test_speed_inlines_a_kernel_for_each_operator(tmp_path: Path) -> None:
    """Shared kernels are left for encoded weights only; convolutions read them by pairs."""
    options = ExportOptions(optimize="speed")
    dense = contents(export(small_model(), tmp_path / "dense", options).folder)
    assert {name for name in dense if name.endswith(".c")} == {"model.c", "main.c"}
    for name in (b"model_conv1_run", b"model_fc1_run"):
        assert dense["model.c"].count(name) == 2
    sparse = contents(export(small_model(sparsity=0.8), tmp_path / "sparse", options).folder)
    assert {name for name in sparse if name.endswith(".c")} == {
        *("model.c", "main.c", "ss_conv2d_gaps4_pooled_pairs.c", "ss_fully_connected_gaps4.c")
    }


def test_large_accumulators_are_not_doubled(tmp_path: Path) -> None:
    """The requantization for small factors doubles them; where that overflows it is not taken."""
    requires_tool("gcc")
    model = small_model()
    held = model.weights["fc1"]
    assert (held.shift < 0).all()
    bias = held.bias.copy()
    bias[0] = 2**30
    large = replace(model, weights={**model.weights, "fc1": replace(held, bias=bias)})
    folder = export(large, tmp_path / "large", ExportOptions(optimize="speed")).folder
    assert verify(folder, flags=requires_sanitizers(tmp_path)).passed
    small = export(model, tmp_path / "small", ExportOptions(optimize="speed")).folder
    for path, factors in ((folder, "SS_ANY"), (small, "SS_SMALL")):
        call = (path / "model.c").read_text().split("ss_fully_connected_inline(")[1].split(";")[0]
        assert f"{factors}_FACTORS)" in call


def test_generated_files_begin_with_generator_and_hash(tmp_path: Path) -> None:
    """Whoever finds a file can tell what wrote it, and from which model."""
    model = small_model()
    folder = export(model, tmp_path / "x").folder
    for name in ("model.h", "model.c", "model_weights.h", "main.c", "Makefile"):
        first_line = (folder / name).read_text().splitlines()[0]
        assert "sparse_search 0." in first_line
        assert model.hash() in first_line


def test_manifest_agrees_with_plan_and_reference(tmp_path: Path) -> None:
    """Sizes are those of the plan, golden outputs those of the integer reference."""
    model = small_model()
    plan = plan_memory(model)
    options = ExportOptions(
        golden_images=random_images(np.random.default_rng(3), model.graph, 3),
        class_names=tuple("abcde"),
        dataset="digits",
    )
    manifest = export_c(model, plan, tmp_path / "x", options=options).manifest
    read = json.loads((tmp_path / "x" / "manifest.json").read_text())
    assert list(read)[:2] == ["generator", "model_hash"]
    assert read["sizes"]["working memory"]["arena"] == plan.arena_bytes
    assert read["sizes"]["model size"]["flash"] == plan.flash_bytes
    assert read["graph"] == json.loads(model.graph.to_json())
    expected = model.forward(manifest.golden_images())
    np.testing.assert_array_equal([golden.output for golden in manifest.golden], expected)
    loaded = QuantizedModel.load(tmp_path / "x" / "model.safetensors")
    assert loaded.hash() == read["model_hash"] == model.hash()


def test_foreign_folder_is_refused_and_kept(tmp_path: Path) -> None:
    """Files that no export wrote are never overwritten."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match="choose another folder"):
        export(small_model(), tmp_path)
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_older_export_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """No file of the older export stays, and nothing else appears beside the folder."""
    export(small_model(), tmp_path / "x", ExportOptions(prefix="old"))
    export(small_model(sparsity=0.8), tmp_path / "x")
    names = set(contents(tmp_path / "x"))
    assert not any(name.startswith("old") for name in names)
    assert "ss_conv2d.c" not in names
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_older_export_with_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """Replacing a folder must not delete what somebody put there."""
    export(small_model(), tmp_path / "x")
    (tmp_path / "x" / "board.c").write_text("mine")
    with pytest.raises(ExportError, match=r"board\.c"):
        export(small_model(1), tmp_path / "x")
    assert (tmp_path / "x" / "board.c").read_text() == "mine"


def test_export_of_another_version_can_be_replaced(tmp_path: Path) -> None:
    """A manifest that this version cannot read does not lock the folder."""
    export(small_model(), tmp_path / "x")
    path = tmp_path / "x" / "manifest.json"
    path.write_text(path.read_text().replace("export.1", "export.9").replace('"golden"', '"new"'))
    export(small_model(1), tmp_path / "x")
    assert json.loads(path.read_text())["model_hash"] == small_model(1).hash()


def test_failed_export_leaves_the_older_one(tmp_path: Path) -> None:
    """An error before the end changes nothing on disk."""
    older = contents(export(small_model(), tmp_path / "x").folder)
    with pytest.raises(ExportError):
        export(small_model(), tmp_path / "x", ExportOptions(class_names=("a",)))
    assert contents(tmp_path / "x") == older
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_plan_of_another_model_is_refused(tmp_path: Path) -> None:
    """Other tensors, other encodings, other kernels, overlapping buffers."""
    model = small_model()
    plan = plan_memory(model)
    overlapping = replace(
        plan, allocations=tuple(replace(a, offset_bytes=0) for a in plan.allocations)
    )
    small_arena = replace(plan, arena_bytes=4)
    others = [
        plan_memory(random_graph(np.random.default_rng(0))),
        plan_memory(small_model(sparsity=0.8)),
        replace(plan, kernels=KernelLibrary.CMSIS_MVE),
        overlapping,
        small_arena,
    ]
    for other in others:
        with pytest.raises(ExportError, match="expected"):
            export_c(model, other, tmp_path / "x")


def test_make_run_passes_and_notices_a_wrong_output(tmp_path: Path) -> None:
    """The exported main.c is a test of its own, with an exit code."""
    requires_tool("gcc")
    make = requires_tool("make")
    folder = export(small_model(), tmp_path / "x").folder
    run = subprocess.run([make, "run"], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert "PASS: 4 of 4" in run.stdout
    subprocess.run([make, "size"], cwd=folder, capture_output=True, check=True)
    export(small_model(), folder)
    weights = folder / "model_weights.h"
    damaged = re.sub(r"(fc1_bias\[5\] = \{\s+)-?\d+", r"\g<1>999999", weights.read_text())
    weights.write_text(damaged)
    run = subprocess.run([make, "run"], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "FAIL" in run.stdout


@pytest.mark.parametrize("seed", range(3))
def test_main_reads_and_writes_only_its_arena(tmp_path: Path, seed: int) -> None:
    """main.c owns exactly the planned bytes; the sanitizers watch every access beyond them."""
    requires_tool("gcc")
    generator = np.random.default_rng(100 + seed)
    folder = export(random_model(generator, random_graph(generator)), tmp_path / "x").folder
    program = tmp_path / "main"
    flags = requires_sanitizers(tmp_path)
    compile_c(find_compiler(), sorted(folder.glob("*.c")), program, flags=flags)
    run = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., ctypes.CDLL]:
    """Links exports of different prefixes, and their common runtime, into one library."""
    requires_tool("gcc")

    def link(*exports: Export) -> ctypes.CDLL:
        sources = {
            path.name: path
            for item in exports
            for path in item.folder.glob("*.c")
            if path.name != "main.c"
        }
        library = tmp_path / "models.so"
        folders = [item.folder for item in exports]
        flags = ("-O1", "-shared", "-fPIC")
        compile_c(find_compiler(), [*sources.values()], library, include=folders, flags=flags)
        loaded = ctypes.CDLL(str(library))
        for item in exports:
            for name in ("input", "output"):
                getattr(loaded, f"{item.manifest.prefix}_{name}").restype = ctypes.c_void_p
        return loaded

    return link


def invoke(
    library: ctypes.CDLL, prefix: str, arena: NDArray[np.uint8], image: NDArray[np.uint8], n: int
) -> NDArray[np.int8]:
    """Output of one image through the C interface."""
    address = ctypes.c_void_p(arena.ctypes.data)
    pixels = (image ^ 128).tobytes()
    ctypes.memmove(getattr(library, f"{prefix}_input")(address), pixels, len(pixels))
    assert getattr(library, f"{prefix}_invoke")(address, ctypes.c_size_t(arena.size)) == 0
    output = getattr(library, f"{prefix}_output")(address)
    return np.frombuffer(ctypes.string_at(output, n), np.int8)


def test_two_models_in_one_firmware(tmp_path: Path, load: Callable[..., ctypes.CDLL]) -> None:
    """Two prefixes link together, share the runtime and do not disturb each other."""
    models = {"wake": small_model(1), "sleep": small_model(2, sparsity=0.7)}
    library = load(
        *(
            export(model, tmp_path / prefix, ExportOptions(prefix=prefix))
            for prefix, model in models.items()
        )
    )
    images = random_images(np.random.default_rng(0), small_graph(), 5)
    for prefix, model in models.items():
        arena = np.zeros(plan_memory(model).arena_bytes, np.uint8)
        for image, expected in zip(images, model.forward(images), strict=True):
            found = invoke(library, prefix, arena, image, expected.size)
            np.testing.assert_array_equal(found, expected)


def test_return_codes_and_argmax(tmp_path: Path, load: Callable[..., ctypes.CDLL]) -> None:
    """NULL, too small and misaligned arenas are refused; of equal outputs the first wins."""
    model = small_model()
    library = load(export(model, tmp_path / "x"))
    size = plan_memory(model).arena_bytes
    arena = np.full(size + 4, 7, np.uint8)
    address = arena.ctypes.data
    assert address % 4 == 0
    codes = [
        library.model_invoke(ctypes.c_void_p(where), ctypes.c_size_t(how_many))
        for where, how_many in [(0, size), (address, size - 1), (address + 1, size)]
    ]
    assert codes == [1, 2, 3]
    assert (arena == 7).all()
    outputs = np.array([-3, 9, 9, -128, 1], np.int8)
    library.model_argmax.restype = ctypes.c_uint16
    assert library.model_argmax(ctypes.c_void_p(outputs.ctypes.data)) == 1


def test_any_names_compile(tmp_path: Path) -> None:
    """Operator and class names cannot break the C."""
    requires_tool("gcc")
    model = small_model(graph=small_graph(conv="a*/b \\ é"))
    names = ('say "hi"', "back\\slash", "*/", "??/", "naïve")
    folder = export(model, tmp_path / "x", ExportOptions(class_names=names)).folder
    program = tmp_path / "main"
    flags = ("-DMODEL_WITH_CLASS_NAMES", "-O1")
    compile_c(find_compiler(), sorted(folder.glob("*.c")), program, flags=flags)
    assert subprocess.run([str(program)], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("kind", ["", *ALL_ENCODINGS])
def test_constants_take_the_predicted_flash_on_a_microcontroller(tmp_path: Path, kind: str) -> None:
    """The read-only sections of the Cortex-M object are flash_bytes, to the byte."""
    compiler = Compiler((requires_tool("arm-none-eabi-gcc"), "-mcpu=cortex-m0plus", "-mthumb"), "")
    size = requires_tool("arm-none-eabi-size")
    generator = np.random.default_rng(ALL_ENCODINGS.index(kind) if kind else 100)
    bits = int(kind[-1]) if "codebook" in kind else None
    model = random_model(generator, random_graph(generator), codebook_bits=bits)
    policy = EncodingPolicy((kind,)) if kind else EncodingPolicy()
    plan = plan_memory(model, policy=policy)
    assert not kind or kind in {layer.encoding for layer in plan.layers}
    folder = export_c(model, plan, tmp_path / "export").folder
    compile_c(
        compiler,
        [folder / "model.c"],
        tmp_path / "model.o",
        flags=("-Os", "-ffunction-sections", "-fdata-sections", "-c"),
    )
    listing = subprocess.run(
        [size, "-A", str(tmp_path / "model.o")], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listing.stdout.splitlines()]
    constants = [int(row[1]) for row in rows if row and row[0].startswith(".rodata")]
    assert sum(constants) == plan.flash_bytes
    assert not any(int(row[1]) for row in rows if row and row[0].startswith((".data", ".bss")))


def test_records_of_specialised_operators_take_no_flash(tmp_path: Path) -> None:
    """The compiler resolves them, so that the constants are less than was planned."""
    compiler = Compiler((requires_tool("arm-none-eabi-gcc"), "-mcpu=cortex-m4", "-mthumb"), "")
    size = requires_tool("arm-none-eabi-size")
    model = small_model()
    plan = plan_memory(model)
    folder = export(model, tmp_path / "export", ExportOptions(optimize="speed")).folder
    flags = ("-O2", "-ffunction-sections", "-fdata-sections", "-c")
    compile_c(compiler, [folder / "model.c"], tmp_path / "model.o", flags=flags)
    listing = subprocess.run(
        [size, "-A", str(tmp_path / "model.o")], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listing.stdout.splitlines()]
    constants = sum(int(row[1]) for row in rows if row and row[0].startswith(".rodata"))
    assert 0 < constants <= plan.flash_bytes - sum(layer.table_bytes for layer in plan.layers)
