"""The certificate of an export on an emulated core."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import VerificationError
from ..memory.cmsis_nn import round_up
from ..quantized import QuantizedModel
from .certificate import Certificate, Difference, Figure
from .code_table import read_table
from .cores import EmulatedCore
from .differences import first_difference, read_trace
from .emulate import Observation, merge, observe, run_firmware
from .firmware import Firmware, build_firmware, code_flags
from .manifest import Manifest, modified_files
from .prediction import Prediction, predict

CODE_TOLERANCE: Final = 0.05
"""How far the machine code may be from its prediction, of the prediction."""

_SPARE_FLASH_BYTES: Final = 64

Images = NDArray[np.uint8]
Observer = Callable[[int, int], None]


def certify_on_core(
    folder: Path,
    manifest: Manifest,
    model: QuantizedModel,
    core: EmulatedCore,
    images: Images,
    labels: NDArray[np.integer[Any]] | None,
    observer: Observer | None,
) -> Certificate:
    """Builds a firmware around an export, runs it and compares all that it shows.

    Args:
        folder: The export.
        manifest: Of this export.
        model: Of this export.
        core: Where it runs.
        images: uint8 [n, H, W, C].
        labels: Class indices [n], or None.
        observer: Called with (images done, images in all).

    Raises:
        VerificationError: The C code does not compile, does not fit, or does not run to its end.
    """
    expected = model.forward(images)
    wanted = predict(manifest, model.graph, core.name)
    build = partial(build_firmware, folder, manifest, core, stack_bytes=wanted.stack_bytes or 0)
    firmware, found = _observe_all(build, images, expected.shape[1], observer)
    same = (found.outputs == expected).all(axis=(0, 2))
    difference = None
    if not same.all():
        number = int(same.argmin())
        difference = _trace_difference(folder, manifest, model, core, images, number)
    classes = found.outputs[0].argmax(axis=1)
    return Certificate(
        model_hash=manifest.model_hash,
        core=core.name,
        compiler=firmware.compiler,
        flags=firmware.flags,
        images=len(images),
        identical=int(same.sum()),
        correct=None if labels is None else int(np.sum(classes == labels)),
        predicted_arena_bytes=int(manifest.memory_plan["arena_bytes"]),
        measured_arena_bytes=found.high_water_bytes,
        writes_below_arena=found.written_below > 0,
        reads_uninitialised=bool((found.outputs[0] != found.outputs[1]).any()),
        modified_files=modified_files(folder, manifest.files),
        first_difference=difference,
        figures=_figures(manifest, wanted, firmware, found),
        wrong_codes=found.wrong_codes,
        refused_writes=found.refused_writes,
    )


def _observe_all(
    build: Callable[..., Firmware],
    images: Images,
    classes: int,
    observer: Observer | None,
) -> tuple[Firmware, Observation]:
    """Runs all images, as many at once as the machine takes; also returns what has run."""
    with tempfile.TemporaryDirectory() as temporary:
        build_dir = Path(temporary)
        firmware = build(build_dir, images=images[:1])
        parts = []
        step = _images_at_once(firmware, images)
        for start in range(0, len(images), step):
            part = images[start : start + step]
            if firmware.core.emulator == "simavr":
                firmware = build(build_dir, images=part)
            parts.append(observe(firmware, part, classes, build_dir))
            if observer is not None:
                observer(start + len(part), len(images))
    return firmware, merge(parts)


def _images_at_once(firmware: Firmware, images: Images) -> int:
    """How many fit beside the program, which holds one of them, where they are in its flash."""
    if firmware.core.emulator == "qemu":
        return len(images)
    free = firmware.core.flash.bytes - firmware.flash_bytes - _SPARE_FLASH_BYTES
    return max(1, 1 + free // int(images[0].size))


def _trace_difference(
    folder: Path,
    manifest: Manifest,
    model: QuantizedModel,
    core: EmulatedCore,
    images: Images,
    number: int,
) -> Difference | None:
    """The first difference on one image; None where the traced program does not fit or run."""
    operators, classes = len(model.graph.operators), model.graph.output.size
    with tempfile.TemporaryDirectory() as temporary:
        build_dir, image = Path(temporary), images[number : number + 1]
        try:
            traced = build_firmware(folder, manifest, core, build_dir, images=image, traced=True)
            trace = read_trace(run_firmware(traced, image, build_dir), classes, operators)
        except VerificationError:
            return None
    return first_difference(model, trace, images[number], number)


def _figures(
    manifest: Manifest, wanted: Prediction, firmware: Firmware, found: Observation
) -> tuple[Figure, ...]:
    """Everything that was predicted or measured, in the order in which it is shown."""
    core, sections = firmware.core, firmware.sections
    table = read_table().get(core.name)
    # Another compiler writes other code, which says nothing about the export.
    measured_with = None if table is None else (table.compiler, table.flags)
    known = measured_with == (firmware.compiler, code_flags(core))
    alignment = int(manifest.memory_plan["alignment_bytes"])
    arena = round_up(found.high_water_bytes, alignment)
    data, bss = sections.get(".data", 0), sections.get(".bss", 0)
    ram = None
    if wanted.stack_bytes is not None:
        ram = wanted.data_bytes + wanted.bss_bytes + wanted.stack_bytes
    return (
        Figure("arena", "B", wanted.arena_bytes, arena, 0.0),
        Figure(".data", "B", wanted.data_bytes, data, 0.0),
        Figure(".bss", "B", wanted.bss_bytes, bss, 0.0),
        Figure("stack", "B", wanted.stack_bytes, found.stack_bytes),
        Figure("RAM", "B", ram, data + bss + found.stack_bytes),
        Figure(
            *(".rodata", "B", wanted.constant_bytes, sections.get(".rodata", 0), 0.0),
            at_most=not wanted.exact_constants,
        ),
        Figure(
            *(".text", "B", wanted.code_bytes, firmware.code_bytes),
            CODE_TOLERANCE if known else None,
        ),
        Figure(".vectors", "B", None, sections.get(".vectors", 0)),
        Figure("harness", "B", None, sections.get(".harness", 0)),
        Figure(core.count_unit, "", None, found.count),
    )
