"""Exports on emulated cores: outputs, memory and code are what was predicted, or it is said."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_tool
from emulated import requires_core
from random_models import random_graph, random_images, random_model

from sparse_search.deploy import Certificate, ExportOptions, export_c, verify
from sparse_search.deploy.certificate import read_certificates
from sparse_search.deploy.cores import CORES, Memory, find_core, parse_cores
from sparse_search.deploy.emulate import observe
from sparse_search.deploy.firmware import build_firmware, section_sizes
from sparse_search.deploy.manifest import read_manifest
from sparse_search.encoding import ALL_ENCODINGS, EncodingPolicy
from sparse_search.errors import ToolMissingError, VerificationError
from sparse_search.formats import Layout
from sparse_search.graph import Conv2d, Dense, Graph, MaxPool2d, Tensor
from sparse_search.memory import plan_memory
from sparse_search.quantized import QuantizedModel

IMAGES = 4


def export_random(seed: int, folder: Path) -> tuple[Path, np.ndarray]:
    """An export of a random model, small enough for every core, and images for it."""
    generator = np.random.default_rng(seed)
    graph = random_graph(generator)
    kind = ALL_ENCODINGS[seed // 2 % len(ALL_ENCODINGS)]
    bits = int(kind[-1]) if "codebook" in kind else None
    one = bool(generator.random() < 0.5)
    model = random_model(generator, graph, codebook_bits=bits, one_codebook=one)
    policy = EncodingPolicy() if seed % 2 == 0 else EncodingPolicy(allowed=(kind,))
    plan = plan_memory(model, policy=policy)
    assert plan.arena_bytes < 1600
    images = random_images(generator, graph, IMAGES)
    return export_c(model, plan, folder).folder, images


def measured(certificate: Certificate, name: str) -> int:
    """A figure that must be there."""
    value = certificate.figure(name).measured
    assert value is not None
    return value


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("seed", [3, 8, 25])
def test_random_models_are_as_predicted_on_every_core(tmp_path: Path, core: str, seed: int) -> None:
    """Bytes of outputs, arena, constants, .data and .bss are equal, code is within 5 %."""
    requires_core(core)
    folder, images = export_random(seed, tmp_path / "export")
    certificate = verify(folder, images, core=core)
    assert certificate.failures == ()
    assert certificate.identical == certificate.images == IMAGES
    plan = read_manifest(folder).memory_plan
    assert measured(certificate, "arena") == plan["arena_bytes"]
    assert measured(certificate, ".bss") == plan["arena_bytes"]
    assert measured(certificate, ".rodata") == plan["flash_bytes"]
    assert measured(certificate, ".data") == 0
    text = certificate.figure(".text")
    assert text.tolerance == 0.05
    assert text.predicted is not None
    assert measured(certificate, "stack") > 30
    assert measured(certificate, CORES[core].count_unit) > plan["macs"]
    assert read_certificates(folder) == {core: certificate}


@pytest.mark.parametrize("core", ["m0", "m4", "m55"])
@pytest.mark.parametrize("seed", [1001, 2001, 2004])
def test_constants_of_fast_kernels_lie_without_gaps(tmp_path: Path, core: str, seed: int) -> None:
    """Small tables, which a compiler for speed would align further, are within the plan."""
    emulated = requires_core(core)
    generator = np.random.default_rng(seed)
    graph = random_graph(generator)
    model = random_model(generator, graph, 0.9, codebook_bits=2)
    plan = plan_memory(model)
    export = export_c(model, plan, tmp_path / "export", options=ExportOptions(optimize="speed"))
    images = random_images(generator, graph, 1)
    firmware = build_firmware(
        export.folder, export.manifest, emulated, tmp_path / "build", images=images
    )
    assert firmware.sections[".rodata"] <= plan.flash_bytes


@pytest.mark.parametrize("core", ["m4", "avr"])
def test_an_arduino_library_is_certified_on_a_core(tmp_path: Path, core: str) -> None:
    """Its sources are found, and compiled with the flags of a plain export: code is the same."""
    requires_core(core)
    folder, images = export_random(8, tmp_path / "plain")
    model = QuantizedModel.load(folder / "model.safetensors")
    options = ExportOptions(layout=Layout.ARDUINO)
    library = export_c(model, plan_memory(model), tmp_path / "library", options=options).folder
    plain, arduino = (verify(path, images[:2], core=core) for path in (folder, library))
    assert arduino.failures == plain.failures == ()
    assert arduino.figures == plain.figures


def mnist_sized_export(folder: Path) -> tuple[Path, np.ndarray]:
    """A network of MNIST's size with 8x8x4 features and ten classes."""
    graph = Graph(
        (
            Tensor("input", (28, 28, 1)),
            Tensor("t1", (12, 12, 4)),
            Tensor("t2", (6, 6, 4)),
            Tensor("logits", (1, 1, 10)),
        ),
        (
            Conv2d("conv1", ("input",), "t1", (5, 5), (2, 2), (0, 0, 0, 0), "relu"),
            MaxPool2d("pool1", ("t1",), "t2", (2, 2), (2, 2)),
            Dense("fc1", ("t2",), "logits"),
        ),
    )
    generator = np.random.default_rng(0)
    model = random_model(generator, graph, 0.5)
    images = random_images(generator, graph, 12)
    return export_c(model, plan_memory(model), folder).folder, images


def test_an_arduino_uno_runs_a_model_of_mnist_size(tmp_path: Path) -> None:
    """Input, arena and stack stay within the 2,048 bytes of SRAM; every output byte is right."""
    core = requires_core("avr")
    folder, images = mnist_sized_export(tmp_path / "export")
    certificate = verify(folder, images, core="avr", image_limit=12)
    assert certificate.failures == ()
    assert certificate.identical == 12
    assert core.ram.bytes == 2048
    assert measured(certificate, "arena") >= 28 * 28
    assert measured(certificate, "RAM") < 2048
    assert measured(certificate, ".rodata") + measured(certificate, ".text") < 32 * 1024


@pytest.mark.parametrize("core", ["m0", "avr"])
def test_a_model_that_does_not_fit_is_refused_and_leaves_no_certificate(
    tmp_path: Path, core: str
) -> None:
    """The linker says so; an older certificate of that core does not survive."""
    requires_core(core)
    side = 140 if core == "m0" else 48
    graph = Graph(
        (Tensor("input", (side, side, 1)), Tensor("logits", (1, 1, 2))),
        (Conv2d("conv1", ("input",), "logits", (side, side), (1, 1), (0, 0, 0, 0), "none"),),
    )
    generator = np.random.default_rng(0)
    model = random_model(generator, graph, 0.99)
    folder = export_c(model, plan_memory(model), tmp_path / "export").folder
    with pytest.raises(VerificationError, match="expected the model to fit"):
        verify(folder, random_images(generator, graph, 1), core=core)
    assert read_certificates(folder) == {}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "volatile uint8_t deep[1700]; deep[0] = 1; deep[1699] = deep[0];",
            "stack of a call takes all",
        ),
        ("((void (*)(void))(uintptr_t)0x7000u)();", "got a crash"),
    ],
    ids=["deep", "crash"],
)
def test_a_stack_that_does_not_fit_the_uno_is_refused(
    tmp_path: Path, code: str, words: str
) -> None:
    """Whether it runs on, or jumps to where no code is; in neither case is there a certificate."""
    requires_core("avr")
    folder, images = export_random(3, tmp_path / "export")
    edit(folder / "model.c", r"return MODEL_OK;", f"{{ {code} }} return MODEL_OK;")
    with pytest.raises(VerificationError, match=words):
        verify(folder, images[:1], core="avr")
    assert read_certificates(folder) == {}


def test_an_arena_that_leaves_too_little_stack_is_refused_without_a_call(tmp_path: Path) -> None:
    """What a kernel needs is known, so nothing is overwritten and nobody waits for an end."""
    core = requires_core("avr")
    side = 43
    graph = Graph(
        (Tensor("input", (side, side, 1)), Tensor("logits", (1, 1, 2))),
        (Conv2d("conv1", ("input",), "logits", (side, side), (1, 1), (0, 0, 0, 0), "none"),),
    )
    generator = np.random.default_rng(0)
    model = random_model(generator, graph, 0.99)
    plan = plan_memory(model)
    assert 100 < core.ram.bytes - plan.arena_bytes < 200
    folder = export_c(model, plan, tmp_path / "export").folder
    with pytest.raises(VerificationError, match=r"expected the model to fit.* leaves 1\d\d bytes"):
        verify(folder, random_images(generator, graph, 1), core="avr")


def test_constants_that_an_avr_cannot_reach_are_an_error(tmp_path: Path) -> None:
    """Behind 64 KB of code, on one with 256 KB of flash, invoke refuses; else all is right."""
    mega = replace(
        requires_core("avr"),
        title="ATmega2560",
        flags=("-mmcu=atmega2560",),
        machine="atmega2560",
        flash=Memory(0, 256 << 10),
        ram=Memory(0x200, 8 << 10),
    )
    folder, images = export_random(3, tmp_path / "export")
    manifest, source = read_manifest(folder), folder / "model.c"
    expected = QuantizedModel.load(folder / "model.safetensors").forward(images[:1])
    firmware = build_firmware(folder, manifest, mega, tmp_path / "near", images=images[:1])
    found = observe(firmware, images[:1], expected.shape[1], tmp_path / "near")
    np.testing.assert_array_equal(found.outputs[0], expected)
    assert (found.wrong_codes, found.refused_writes) == (0, 0)
    code = '__asm__ volatile(".rept 33000\\n nop\\n .endr");'
    fill = f"static void __attribute__((noinline)) fill(void)\n{{\n{code}\n}}\n"
    text = source.read_text().replace("return MODEL_OK;", "fill(); return MODEL_OK;")
    source.write_text(text.replace("int model_invoke", f"{fill}\nint model_invoke"))
    firmware = build_firmware(folder, manifest, mega, tmp_path / "far", images=images[:1])
    found = observe(firmware, images[:1], expected.shape[1], tmp_path / "far")
    assert found.wrong_codes == 2


@pytest.mark.parametrize("core", CORES)
def test_counters_count_every_instruction(tmp_path: Path, core: str) -> None:
    """2,000 more instructions of one cycle each are 2,000 more, but for the counter's rounding."""
    emulated = requires_core(core)
    folder, images = export_random(3, tmp_path / "export")
    source = folder / "model.c"
    text = source.read_text()
    counts = []
    for more in (1000, 3000):
        nops = f'__asm__ volatile(".rept {more}\\n nop\\n .endr");'
        spin = f"static void __attribute__((noinline)) spin(void)\n{{\n{nops}\n}}\n"
        called = text.replace("return MODEL_OK;", "spin(); return MODEL_OK;")
        source.write_text(called.replace("int model_invoke", f"{spin}\nint model_invoke"))
        firmware = build_firmware(
            folder, read_manifest(folder), emulated, tmp_path / str(more), images=images[:1]
        )
        classes = int(read_manifest(folder).output["classes"])
        counts.append(observe(firmware, images[:1], classes, tmp_path / str(more)).count)
    assert None not in counts
    assert counts[1] - counts[0] == pytest.approx(2000, abs=3)


def edit(path: Path, pattern: str, replacement: str) -> None:
    """Replaces the one match of a pattern."""
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.DOTALL)
    assert count == 1
    path.write_text(text)


@pytest.mark.parametrize("core", ["m0", "avr"])
def test_damage_is_found_on_a_core_and_the_layer_named(tmp_path: Path, core: str) -> None:
    """A changed bias fails the certificate, which names the operator as the host does."""
    requires_core(core)
    folder, images = export_random(3, tmp_path / "export")
    edit(folder / "model_weights.h", r"(model_op4_bias\[\d+\] = \{\s+)-?\d+", r"\1 12345")
    certificate = verify(folder, images, core=core)
    assert certificate.first_difference == verify(folder, images).first_difference
    assert certificate.first_difference is not None
    assert certificate.first_difference.operator == "op4"
    assert not certificate.passed


@pytest.mark.parametrize("core", ["m0", "m4", "avr"])
@pytest.mark.parametrize(
    ("replacement", "words"),
    [
        ("((uint8_t *)arena)[{size}] = 1; ((uint8_t *)arena)[{size}] ^= 0xFF;", "the arena is wri"),
        ("((uint8_t *)arena)[-1] ^= 0xFF;", "bytes before the arena"),
        ("static uint8_t kept[4]; kept[arena_bytes & 3u]++;", ".bss: expected"),
        ("static size_t kept = 3; kept ^= arena_bytes;", ".data: expected"),
    ],
    ids=["above", "below", "bss", "data"],
)
def test_memory_that_was_not_predicted_is_found(
    tmp_path: Path, core: str, replacement: str, words: str
) -> None:
    """A write beside the arena, or a variable of the model's own, fails the certificate."""
    requires_core(core)
    folder, images = export_random(3, tmp_path / "export")
    size = read_manifest(folder).memory_plan["arena_bytes"]
    statement = replacement.replace("{size}", str(size))
    edit(folder / "model.c", r"return MODEL_OK;", f"{{ {statement} }} return MODEL_OK;")
    certificate = verify(folder, images[:1], core=core)
    assert any(words in failure for failure in certificate.failures)


def test_an_unaligned_access_stops_the_smallest_core(tmp_path: Path) -> None:
    """A Cortex-M0 cannot load a word from an odd address; the fault is reported, not an output."""
    requires_core("m0")
    folder, images = export_random(3, tmp_path / "export")
    load = "*(volatile uint32_t *)((uintptr_t)arena + 1u);"
    edit(folder / "model.c", r"return MODEL_OK;", f"(void){load} return MODEL_OK;")
    with pytest.raises(VerificationError, match="a fault of the core"):
        verify(folder, images, core="m0")


@pytest.mark.parametrize("core", ["m4", "avr"])
def test_the_exported_makefile_builds_for_microcontrollers(tmp_path: Path, core: str) -> None:
    """Its objects, linked as it says, hold the constants without a gap, even under -O2."""
    emulated = requires_core(core)
    requires_tool("make")
    folder, _ = export_random(3, tmp_path / "export")
    variables = (f"CC={emulated.compiler}", f"CPU={' '.join(emulated.flags)}", "CFLAGS=-O2")
    subprocess.run(["make", "-s", *variables], cwd=folder, check=True)
    objects = sorted((folder / "build").glob("*.o"))
    assert folder / "build" / "main.o" not in objects
    linking = ("-nostartfiles", "-Wl,--gc-sections", "-Wl,--sort-section=alignment")
    entry = ("-Wl,-e,model_invoke", "-o", str(tmp_path / "x.elf"))
    subprocess.run(
        [emulated.compiler, *emulated.flags, *linking, *entry, *map(str, objects)], check=True
    )
    sections = section_sizes(emulated, tmp_path / "x.elf")
    flash = read_manifest(folder).memory_plan["flash_bytes"]
    assert sections.get(".data", 0) == 0
    if core == "avr":
        assert sections.get(".rodata", 0) == 0
        assert sections[".text"] > flash
    else:
        assert sections[".rodata"] == flash


def test_names_of_cores() -> None:
    """Each once, in the order that was asked for; a wrong one is named with those there are."""
    assert parse_cores(["all"]) == ("host", *CORES)
    assert parse_cores(["m4", "all"])[0] == "m4"
    with pytest.raises(VerificationError, match=r"host, m0, .* or 'all', got 'm5'"):
        parse_cores(["m5"])


def test_missing_tools_are_named_with_their_packages() -> None:
    """What to install, on a machine that has neither compiler nor emulator."""
    with pytest.raises(
        ToolMissingError,
        match="apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm",
    ):
        find_core("m4", path="")
    with pytest.raises(ToolMissingError, match="gcc-avr avr-libc simavr"):
        find_core("avr", path="")
