"""verify: compiles an export on this machine and compares it with the integer reference."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import VerificationError
from ..quantized import QuantizedModel
from .build import STRICT_FLAGS, Compiler, find_compiler
from .certificate import Certificate, Difference
from .manifest import CERTIFICATE_NAME, Manifest, modified_files, read_manifest, read_model
from .runner import Run, Runner, build_runner

RANDOM_IMAGES = 64
"""Random images beside the golden ones, where no images are given."""

_CHUNK_IMAGES = 500

Images = NDArray[np.uint8]
Observer = Callable[[int, int], None]


def verify(
    export_dir: str | Path,
    images: Images | None = None,
    labels: NDArray[np.integer[Any]] | None = None,
    core: str = "host",
    *,
    compiler: Compiler | None = None,
    flags: Sequence[str] = ("-O2",),
    random_images: int = RANDOM_IMAGES,
    seed: int = 0,
    observer: Observer | None = None,
) -> Certificate:
    """Proves, or disproves, that the C of an export computes what was measured.

    The C code is compiled under the strict flags and run on every image; its output bytes are
    compared with those of ``QuantizedModel.forward``, and the arena is watched. The certificate
    is also written into the export. A failed verification is a certificate too: see ``passed``.

    Args:
        export_dir: What ``export_c`` wrote.
        images: uint8 [n, H, W, C]; None for the golden images and random ones.
        labels: Class indices [n] of ``images``, to count right answers.
        core: Where the C code runs; "host" is this machine.
        compiler: None for the one that ``find_compiler`` finds.
        flags: Of the compiler, beside the strict ones.
        random_images: How many, where no images are given.
        seed: Of the random images.
        observer: Called with (images done, images in all) as the verification proceeds.

    Raises:
        ExportError: The folder is not an export, or its model or manifest is damaged.
        ToolMissingError: There is no C compiler.
        VerificationError: The C code does not compile, or does not run to its end.
    """
    if core != "host":
        raise VerificationError(f"expected core 'host', got {core!r}; no other core can be run")
    folder = Path(export_dir)
    manifest = read_manifest(folder)
    model = read_model(folder, manifest)
    if images is None:
        images, labels = _own_images(manifest, random_images, seed), None
    _check_images(images, labels)
    compiler = compiler or find_compiler()
    with tempfile.TemporaryDirectory() as temporary:
        build_dir = Path(temporary)
        runner = build_runner(folder, manifest, compiler, flags, build_dir)
        found = _compare(model, runner, images, observer)
        difference = None
        if found.first_image is not None:
            traced = build_runner(folder, manifest, compiler, flags, build_dir, traced=True)
            difference = _first_difference(model, traced, images, found.first_image)
    certificate = Certificate(
        model_hash=manifest.model_hash,
        core=core,
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
    (folder / CERTIFICATE_NAME).write_text(certificate.to_json(), encoding="utf-8")
    return certificate


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


def _first_difference(
    model: QuantizedModel, runner: Runner, images: Images, image: int
) -> Difference | None:
    """The first operator that differs on one image, then its first differing element.

    None where a traced run shows no difference, because the outputs are not reproducible.
    """
    operators = model.graph.operators
    expected = model.trace(images[image : image + 1])
    names = [*(op.name for op in operators), "output"]
    wanted = [
        expected[name][0] for name in (*(op.output for op in operators), operators[-1].output)
    ]
    found = runner.trace(images[image], len(operators))
    for index, (name, want, got) in enumerate(zip(names, wanted, found, strict=True)):
        differs = np.flatnonzero(want.reshape(-1) != got) if want.size == got.size else [0]
        if len(differs):
            row, column, channel = np.unravel_index(int(differs[0]), want.shape)
            return Difference(
                image=image,
                operator=name,
                operator_index=index,
                element=(int(row), int(column), int(channel)),
                expected=int(want.reshape(-1)[differs[0]]),
                got=int(got[differs[0]]),
            )
    return None
