"""Exports as people build them: with CMake, and as an Arduino library."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_tool
from random_models import random_graph, random_model

from sparse_search.deploy import Export, ExportOptions, export_c, verify
from sparse_search.deploy.manifest import modified_files
from sparse_search.errors import ExportError
from sparse_search.formats import Layout
from sparse_search.memory import KernelLibrary, plan_memory

STUB = Path(__file__).parent / "arduino_stub"
CMSIS_NN_STUB = Path(__file__).parent / "cmsis_nn_stub"
ARDUINO = ExportOptions(layout=Layout.ARDUINO, class_names=())


def export(
    folder: Path,
    options: ExportOptions,
    seed: int = 3,
    kernels: KernelLibrary = KernelLibrary.RUNTIME,
) -> Export:
    """A random model of several operators."""
    generator = np.random.default_rng(seed)
    model = random_model(generator, random_graph(generator))
    return export_c(model, plan_memory(model, kernels), folder, options=options)


def run(command: list[str], folder: Path) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kernels", [KernelLibrary.RUNTIME, KernelLibrary.CMSIS_SCALAR])
def test_make_compiles_again_where_its_variables_change(
    tmp_path: Path, kernels: KernelLibrary
) -> None:
    """Other flags than last time, also with quotes, are taken; the same ones cost nothing."""
    requires_tool("make")
    requires_tool("gcc")
    folder = export(tmp_path / "c", ExportOptions(), kernels=kernels).folder
    command = ["make", "run", "CC=gcc", f"CMSIS_NN={CMSIS_NN_STUB}"]
    assert " -O2 " in run(command, folder)
    assert " -c " not in run(command, folder)
    flags = "CFLAGS=-O1 -DSAID='\"it is\"'"
    compiled = [line for line in run([*command, flags], folder).splitlines() if " -c " in line]
    assert len(compiled) == len(list((folder / "build").rglob("*.o")))
    assert all(" -O1 " in line for line in compiled)
    assert " -c " not in run([*command, flags], folder)
    assert " -DBOARD " in run([*command, flags, "CPU=-DBOARD"], folder)


def test_cmake_builds_the_library_and_its_check_passes(tmp_path: Path) -> None:
    """Alone, the folder builds main.c too, which compares golden outputs."""
    requires_tool("cmake")
    requires_tool("gcc")
    folder = export(tmp_path / "c", ExportOptions()).folder
    run(["cmake", "-S", ".", "-B", "build"], folder)
    run(["cmake", "--build", "build"], folder)
    assert "100% tests passed" in run(["ctest", "--test-dir", "build"], folder)


def test_an_adapted_main_is_not_overwritten(tmp_path: Path) -> None:
    """It is named; one that was deleted is written again, and so is a damaged file of the model."""
    folder = export(tmp_path / "c", ExportOptions()).folder
    (folder / "main.c").write_text("/* my firmware */\n")
    with pytest.raises(ExportError, match=r"expected main\.c in .* found changes; move what"):
        export(folder, ExportOptions(), seed=4)
    assert (folder / "main.c").read_text() == "/* my firmware */\n"
    (folder / "main.c").unlink()
    (folder / "model.c").write_text("damaged")
    made = export(folder, ExportOptions(), seed=4)
    assert "int main" in (folder / "main.c").read_text()
    assert modified_files(folder, made.manifest.files) == ()


@pytest.mark.parametrize("prefix", ["first", "repeated", "image", "trace", "int", "port", "c"])
def test_a_prefix_that_others_use_in_part_builds(tmp_path: Path, prefix: str) -> None:
    """Names of the verification and of C do not clash with those of the model."""
    requires_tool("gcc")
    assert verify(
        export(tmp_path / "c", ExportOptions(prefix=prefix)).folder, random_images=2
    ).passed


def test_cmake_serves_another_project(tmp_path: Path) -> None:
    """Added as a subdirectory, it gives a library target with its headers and nothing else."""
    requires_tool("cmake")
    requires_tool("gcc")
    export(tmp_path / "net", ExportOptions(prefix="net"))
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(firmware C)\nadd_subdirectory(net)\n"
        "add_executable(firmware firmware.c)\ntarget_link_libraries(firmware PRIVATE net)\n"
    )
    (tmp_path / "firmware.c").write_text(
        '#include "net.h"\nint main(void) { return net_invoke(0, 0) == NET_OK; }\n'
    )
    run(["cmake", "-S", ".", "-B", "out"], tmp_path)
    assert "net_check" not in run(["cmake", "--build", "out"], tmp_path)
    run([str(tmp_path / "out" / "firmware")], tmp_path)


def compiled_library(folder: Path, build: Path, compiler: str, flags: list[str]) -> list[Path]:
    """Compiles every C file of src as Arduino does: as C, with src as its only include folder."""
    objects = []
    for source in sorted((folder / "src").rglob("*.c")):
        objects.append(build / f"{source.stem}.o")
        command = [compiler, "-c", "-std=gnu11", "-Isrc", *flags]
        run([*command, str(source), "-o", str(objects[-1])], folder)
    return objects


@pytest.mark.parametrize("seed", range(4))
def test_the_arduino_sketch_passes_on_its_golden_images(tmp_path: Path, seed: int) -> None:
    """Compiled as Arduino does, over a stand-in of its core that prints to standard output."""
    requires_tool("g++")
    folder = export(tmp_path / "library", ARDUINO, seed).folder
    objects = compiled_library(folder, tmp_path, "gcc", ["-Wall", "-Wextra", "-Werror"])
    shutil.copy(folder / "examples/classify/golden.h", tmp_path)
    sketch = (folder / "examples/classify/classify.ino").read_text()
    (tmp_path / "sketch.cpp").write_text(f"#include <Arduino.h>\n{sketch}")
    include = [f"-I{path}" for path in (tmp_path, STUB, folder / "src")]
    flags = ["-std=gnu++11", "-Wall", "-Wextra", "-Werror", *include]
    program = tmp_path / "sketch"
    main = str(STUB / "main.cpp")
    run(["g++", *flags, main, *map(str, objects), "-o", str(program)], tmp_path)
    said = run([str(program)], tmp_path)
    assert len(re.findall(r"image \d: class \d+, outputs that differ: 0, ", said)) == 4
    assert said.endswith("PASS\n")


@pytest.mark.parametrize(
    ("compiler", "core"),
    [
        ("arm-none-eabi-gcc", ["-mcpu=cortex-m0plus", "-mthumb"]),
        ("avr-gcc", ["-mmcu=atmega328p"]),
    ],
)
def test_the_arduino_library_compiles_for_boards(
    tmp_path: Path, compiler: str, core: list[str]
) -> None:
    """Library and sketch, for a 32-bit and an 8-bit one."""
    requires_tool(compiler)
    compiler_of_sketches = requires_tool(compiler.replace("gcc", "g++"))
    folder = export(tmp_path / "library", ARDUINO).folder
    flags = [*core, "-Os", "-Wall", "-Wextra", "-Werror"]
    compiled_library(folder, tmp_path, compiler, flags)
    sketch = folder / "examples/classify/classify.ino"
    command = [compiler_of_sketches, "-c", "-std=gnu++11", *flags, "-x", "c++"]
    include = ["-include", str(STUB / "Arduino.h"), f"-I{folder / 'src'}"]
    run([*command, *include, str(sketch), "-o", str(tmp_path / "sketch.o")], tmp_path)


def test_an_arduino_library_has_what_the_specification_asks_for(tmp_path: Path) -> None:
    """Every required property, sources below src, one sketch named like its folder."""
    made = export(tmp_path / "library", ARDUINO)
    lines = (made.folder / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category"}
    assert {*required, "url", "architectures", "includes", "dot_a_linkage"} == set(properties)
    assert all(properties.values())
    assert made.manifest.model_hash in properties["name"]
    code = [name for name in made.manifest.files if name.endswith((".c", ".h"))]
    assert {name.split("/")[0] for name in code} == {"src", "examples"}
    assert (made.folder / "src" / properties["includes"]).is_file()


def test_two_arduino_libraries_serve_one_sketch(tmp_path: Path) -> None:
    """Each is an archive, as its properties ask for, so their common runtime is linked once."""
    requires_tool("gcc")
    requires_tool("ar")
    archives, include = [], []
    for prefix in ("wake", "word"):
        options = ExportOptions(prefix=prefix, layout=Layout.ARDUINO)
        folder = export(tmp_path / prefix, options).folder
        assert "dot_a_linkage=true" in (folder / "library.properties").read_text().splitlines()
        build = tmp_path / f"{prefix}_build"
        build.mkdir()
        objects = compiled_library(folder, build, "gcc", [])
        archives.append(str(tmp_path / f"{prefix}.a"))
        run(["ar", "rcs", archives[-1], *map(str, objects)], tmp_path)
        include.append(f"-I{folder / 'src'}")
    (tmp_path / "sketch.c").write_text(
        '#include "wake.h"\n#include "word.h"\n'
        "int main(void) { return wake_invoke(0, 0) != 1 || word_invoke(0, 0) != 1; }\n"
    )
    run(["gcc", *include, "sketch.c", *archives, "-o", "sketch"], tmp_path)
    run([str(tmp_path / "sketch")], tmp_path)


def test_an_arduino_library_is_verified_like_any_export(tmp_path: Path) -> None:
    """Byte for byte; a change below src is found, one of the sketch is allowed, and kept."""
    requires_tool("gcc")
    folder = export(tmp_path / "library", ARDUINO).folder
    assert verify(folder).passed
    sketch = folder / "examples/classify/classify.ino"
    written = sketch.read_text()
    sketch.write_text(f"{written}\n")
    assert verify(folder).passed
    with (folder / "src/model.h").open("a") as header:
        header.write("\n")
    assert verify(folder).modified_files == ("src/model.h",)
    with pytest.raises(ExportError, match=r"classify\.ino in .* as exported, found changes; move"):
        export(tmp_path / "library", ExportOptions())
    assert sketch.read_text() == f"{written}\n"
    sketch.write_text(written)
    export(tmp_path / "library", ExportOptions())
    assert not (folder / "src").exists()
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("kept")
    with pytest.raises(ExportError, match=r"notes/mine\.txt"):
        export(tmp_path / "library", ARDUINO)
