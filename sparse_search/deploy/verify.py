"""verify: compiles an export, runs it, here or on an emulated core, and compares it.

What it is compared with is the integer reference; what is measured of memory, with the plan.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import VerificationError
from ..memory import KernelLibrary
from ..quantized import QuantizedModel
from .build import STRICT_FLAGS, Compiler, find_compiler
from .certificate import Certificate, drop_certificate, store_certificate
from .cores import HOST, find_core
from .differences import first_difference
from .manifest import Manifest, modified_files, read_manifest, read_model
from .runner import Run, Runner, build_runner
from .verify_core import Images, Observer, certify_on_core

RANDOM_IMAGES = 64
"""Random images beside the golden ones, where no images are given."""

_CHUNK_IMAGES = 500


def verify(
    export_dir: str | Path,
    images: Images | None = None,
    labels: NDArray[np.integer[Any]] | None = None,
    core: str = HOST,
    *,
    compiler: Compiler | None = None,
    flags: Sequence[str] = ("-O2",),
    random_images: int = RANDOM_IMAGES,
    image_limit: int | None = None,
    seed: int = 0,
    observer: Observer | None = None,
) -> Certificate:
    """Proves, or disproves, that the C of an export computes what was measured.

    The C code is compiled under the strict flags and run on every image; its output bytes are
    compared with those of ``QuantizedModel.forward``, and the arena is watched. On an emulated core
    it is a firmware, whose sections, stack and instructions are measured, too. The certificate
    is also written into the export, beside those of other cores. A failed verification is a
    certificate too: see ``passed``.

    Args:
        export_dir: What ``export_c`` wrote.
        images: uint8 [n, H, W, C]; None for the golden images and random ones.
        labels: Class indices [n] of ``images``, to count right answers.
        core: Where the C code runs: "host" is this machine, others are in ``cores.CORES``.
        compiler: Of the host; None for the one that ``find_compiler`` finds.
        flags: Of the host's compiler, beside the strict ones.
        random_images: How many, where no images are given.
        image_limit: No more images than that, the first ones; None for all on the host, and for
            as many as the core says elsewhere.
        seed: Of the random images.
        observer: Called with (images done, images in all) as the verification proceeds.

    Raises:
        ExportError: The folder is not an export, or its model or manifest is damaged.
        ToolMissingError: There is no C compiler, or no emulator.
        VerificationError: The core is not known, or emulated and the C calls CMSIS-NN; or the C
            code does not compile, does not fit the core, or does not run to its end.
    """
    emulated = None if core == HOST else find_core(core)
    folder = Path(export_dir)
    manifest = read_manifest(folder)
    model = read_model(folder, manifest)
    kernels = manifest.memory_plan["kernels"]
    if emulated is not None and kernels != KernelLibrary.RUNTIME:
        raise VerificationError(
            f"expected an export with the runtime's own kernels for core {core}, got one that "
            f"calls {kernels}; verify it on the host, or export the model without --backend"
        )
    if images is None:
        images, labels = _own_images(manifest, random_images, seed), None
    _check_images(images, labels)
    limit = image_limit
    if limit is None:
        limit = len(images) if emulated is None else emulated.images
    if limit < 1:
        raise VerificationError(f"expected a limit of at least one image, got {limit}")
    images, labels = images[:limit], None if labels is None else labels[:limit]
    drop_certificate(folder, core)
    if emulated is not None:
        certificate = certify_on_core(folder, manifest, model, emulated, images, labels, observer)
    else:
        compiler = compiler or find_compiler()
        certificate = _certify_on_host(
            *(folder, manifest, model, images, labels), compiler, flags, observer
        )
    store_certificate(folder, certificate)
    return certificate


def _certify_on_host(
    folder: Path,
    manifest: Manifest,
    model: QuantizedModel,
    images: Images,
    labels: NDArray[np.integer[Any]] | None,
    compiler: Compiler,
    flags: Sequence[str],
    observer: Observer | None,
) -> Certificate:
    with tempfile.TemporaryDirectory() as temporary:
        build_dir = Path(temporary)
        runner = build_runner(folder, manifest, compiler, flags, build_dir)
        found = _compare(model, runner, images, observer)
        difference = None
        number = found.first_image
        if number is not None:
            traced = build_runner(folder, manifest, compiler, flags, build_dir, traced=True)
            trace = traced.trace(images[number], len(model.graph.operators))
            difference = first_difference(model, trace, images[number], number)
    return Certificate(
        model_hash=manifest.model_hash,
        core=HOST,
        compiler=compiler.version,
        flags=(*STRICT_FLAGS, *flags),
        images=len(images),
        identical=found.identical,
        correct=None if labels is None else int(np.sum(found.classes == labels)),
        predicted_arena_bytes=int(manifest.memory_plan["arena_bytes"]),
        measured_arena_bytes=found.high_water_bytes,
        writes_below_arena=found.below,
        reads_uninitialised=found.unstable,
        modified_files=modified_files(folder, manifest.files),
        first_difference=difference,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Comparison:
    """What all images together show; ``classes`` [n] are by the C code."""

    identical: int
    first_image: int | None
    classes: NDArray[np.intp]
    high_water_bytes: int
    below: bool
    unstable: bool


def _own_images(manifest: Manifest, count: int, seed: int) -> Images:
    golden = manifest.golden_images()
    shape = (count, *golden.shape[1:])
    random = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return np.concatenate([golden, random])


def _check_images(images: Images, labels: NDArray[np.integer[Any]] | None) -> None:
    if len(images) == 0 or (labels is not None and len(labels) != len(images)):
        raise VerificationError(
            f"expected at least one image and as many labels, got {len(images)} images and "
            f"{'no' if labels is None else len(labels)} labels"
        )


def _compare(
    model: QuantizedModel, runner: Runner, images: Images, observer: Observer | None
) -> _Comparison:
    """Runs C and reference on every image, some at a time."""
    equal: list[NDArray[np.bool_]] = []
    runs: list[Run] = []
    for start in range(0, len(images), _CHUNK_IMAGES):
        part = images[start : start + _CHUNK_IMAGES]
        expected = model.forward(part)
        runs.append(runner.run(part))
        equal.append((runs[-1].outputs == expected).all(axis=1))
        if observer is not None:
            observer(start + len(part), len(images))
    same = np.concatenate(equal)
    return _Comparison(
        identical=int(same.sum()),
        first_image=None if same.all() else int(same.argmin()),
        classes=np.concatenate([run.outputs.argmax(axis=1) for run in runs]),
        high_water_bytes=max(run.high_water_bytes for run in runs),
        below=any(run.below for run in runs),
        unstable=any(run.unstable for run in runs),
    )
