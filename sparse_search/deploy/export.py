"""Export: a folder with the C of one model, all that it needs, and what proves it."""

import json
import platform
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import safetensors
from numpy.typing import NDArray

from .. import __version__
from ..architecture import Architecture
from ..datasets.pixels import PIXELS, InputMap
from ..errors import ExportError
from ..formats import Layout, Optimize
from ..memory import MEASURES, KernelLibrary, MemoryPlan
from ..quantized import QuantizedModel
from .cmsis_nn import render_cmsis_nn
from .layout import SOURCE_FOLDER
from .lowering import lower
from .manifest import (
    MANIFEST_NAME,
    MODEL_NAME,
    Golden,
    Manifest,
    adapted_files,
    exported_files,
    file_hash,
)
from .prefixes import check_prefix
from .render import Source, render, runtime_files
from .runtime_files import runtime_text

BUILD_DIR_NAME = "build"
"""Where the exported Makefile compiles to."""

_GOLDEN_IMAGES = 4
_MOST_CLASSES = 2**16 - 1


@dataclass(frozen=True, slots=True, eq=False)
class ExportOptions:
    """What an export says beside the model.

    Attributes:
        prefix: Of every public C name and file, as ``check_prefix`` takes it. Two models in one
            firmware need two.
        golden_images: uint8 [n, H, W, C], n >= 1, run by the exported ``main.c``; None for
            random ones.
        class_names: One per output, or empty.
        architecture: What the model was built from, if it is known.
        dataset: Name of the data that the model was trained on.
        dataset_source: Where the data came from.
        dataset_options: How it was read, by name.
        input_map: The numbers of the source that became pixel 0 and pixel 255, as in ``Dataset``.
        layout: How the files are laid out.
        optimize: "size": kernels that the operators share; "speed": a kernel for each operator,
            specialised by its shape, with the core's vector or DSP instructions if it has them.
    """

    prefix: str = "model"
    golden_images: NDArray[np.uint8] | None = None
    class_names: tuple[str, ...] = ()
    architecture: Architecture | None = None
    dataset: str = ""
    dataset_source: str = ""
    dataset_options: Mapping[str, Any] = field(default_factory=dict)
    input_map: InputMap = PIXELS
    layout: Layout = Layout.PLAIN
    optimize: Optimize = "size"


@dataclass(frozen=True, slots=True)
class Export:
    """A folder that ``export_c`` wrote.

    Attributes:
        folder: Where it is.
        manifest: What it holds.
    """

    folder: Path
    manifest: Manifest


def export_c(
    model: QuantizedModel,
    plan: MemoryPlan,
    out_dir: str | Path,
    *,
    options: ExportOptions | None = None,
) -> Export:
    """Writes the C of a model. The same model and options give the same bytes.

    Args:
        model: What the C computes.
        plan: ``plan_memory(model)``; its policy decides how weights are encoded. Of a plan for
            one of CMSIS-NN's libraries the C calls CMSIS-NN, which is not part of the export.
        out_dir: A new or empty folder, or an older export, which is replaced as a whole, unless
            somebody has adapted a file that shows how the model is used.
        options: What the export says beside the model.

    Raises:
        ExportError: The plan or the options do not fit the model, the runtime cannot hold the
            model, or the folder holds files that no export wrote, or that were adapted.
    """
    options = options or ExportOptions()
    folder = Path(out_dir).resolve()
    _check_options(model, options)
    for_speed = options.optimize == "speed"
    if plan.kernels is not KernelLibrary.RUNTIME and (
        for_speed or options.layout is Layout.ARDUINO
    ):
        where = "for speed" if for_speed else "in an Arduino library"
        raise ExportError(
            f"expected the runtime's own kernels {where}, got a plan for "
            f"{plan.kernels.value!r}; call plan_memory(model)"
        )
    _check_folder(folder)
    files = _texts(model, plan, options)
    temporary = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
    temporary.mkdir(parents=True)
    try:
        for name, text in files.texts.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_text(text, encoding="utf-8", newline="\n")
        model.save(temporary / MODEL_NAME)
        hashes = {name: file_hash((temporary / name).read_bytes()) for name in _files(temporary)}
        manifest = _manifest(files.source, options, hashes)
        (temporary / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8", newline="\n")
        _replace(folder, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Export(Path(out_dir), manifest)


@dataclass(frozen=True, slots=True)
class _Texts:
    source: Source
    texts: Mapping[str, str]


def _texts(model: QuantizedModel, plan: MemoryPlan, options: ExportOptions) -> _Texts:
    """Every text file of the export by name, the manifest excepted."""
    images = _golden_images(model, options)
    own_kernels = plan.kernels is KernelLibrary.RUNTIME
    source = Source(
        model=model,
        plan=plan,
        steps=lower(model, plan) if own_kernels else (),
        prefix=options.prefix,
        class_names=options.class_names,
        golden_images=images,
        golden_outputs=model.forward(images),
        generated_by=f"Generated by sparse_search {__version__} from model {model.hash()}.",
        optimize=options.optimize,
    )
    if not own_kernels:
        return _Texts(source, render_cmsis_nn(source))
    texts = render(source, options.layout)
    for name in runtime_files(source):
        texts[SOURCE_FOLDER[options.layout] + name] = runtime_text(name)
    return _Texts(source, texts)


def _golden_images(model: QuantizedModel, options: ExportOptions) -> NDArray[np.uint8]:
    if options.golden_images is not None:
        return options.golden_images
    shape = (_GOLDEN_IMAGES, *model.graph.input.shape)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _check_options(model: QuantizedModel, options: ExportOptions) -> None:
    check_prefix(options.prefix)
    if options.optimize not in get_args(Optimize):
        raise ExportError(
            f"expected optimize to be one of {', '.join(get_args(Optimize))}, got "
            f"{options.optimize!r}"
        )
    classes = model.graph.output.size
    if options.class_names and len(options.class_names) != classes:
        raise ExportError(
            f"expected {classes} class names, one per output, got {len(options.class_names)}"
        )
    if classes > _MOST_CLASSES:
        raise ExportError(
            f"expected at most {_MOST_CLASSES:,} outputs, which the C counts in 16 bits, got "
            f"{classes:,}; make the model smaller"
        )
    for name in options.class_names:
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise ExportError(
                f"expected class names in Unicode, got {name!r}, which was read from bytes that "
                "are not UTF-8; rename the class"
            )
    images = options.golden_images
    if images is not None and len(images) == 0:
        raise ExportError("expected at least one golden image, got none; pass None for random ones")


def _map_of(input_map: InputMap) -> dict[str, Any]:
    """What a device must know to turn numbers of the source into pixels; nothing of pixels."""
    if input_map == PIXELS:
        return {}
    low, high = input_map
    return {"pixel_0": low, "pixel_255": high}


def _manifest(source: Source, options: ExportOptions, hashes: dict[str, str]) -> Manifest:
    graph, tensors = source.model.graph, source.model.tensors
    sizes: dict[str, dict[str, int]] = {}
    for name, measure in MEASURES.items():
        sizes.setdefault(measure.subject, {})[name] = measure.of(source.plan)
    architecture = options.architecture
    return Manifest(
        generator=f"sparse_search {__version__}",
        model_hash=source.model.hash(),
        prefix=source.prefix,
        architecture=None if architecture is None else json.loads(architecture.to_json()),
        graph=json.loads(graph.to_json()),
        input={
            "shape": list(graph.input.shape),
            "scale": tensors[graph.input.name].scale,
            "zero_point": tensors[graph.input.name].zero_point,
            **_map_of(options.input_map),
        },
        output={
            "classes": graph.output.size,
            "scale": tensors[graph.output.name].scale,
            "zero_point": tensors[graph.output.name].zero_point,
        },
        class_names=source.class_names,
        dataset={
            "name": options.dataset,
            "source": options.dataset_source,
            "options": dict(options.dataset_options),
        },
        sizes=sizes,
        memory_plan=source.plan.to_dict(),
        golden=tuple(
            Golden(image.tobytes().hex(), tuple(output.tolist()))
            for image, output in zip(source.golden_images, source.golden_outputs, strict=True)
        ),
        versions={
            "sparse_search": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "safetensors": safetensors.__version__,
        },
        files=hashes,
        optimize=options.optimize,
    )


def _check_folder(folder: Path) -> None:
    """Refuses to write over anything that an export did not write."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ExportError(f"expected a folder at {folder}, found a file; choose another name")
    names = set(_files(folder))
    if not any(folder.iterdir()):
        return
    known = exported_files(folder)
    if known is None:
        raise ExportError(
            f"expected {folder} to be empty, new or an older export, found other files in it; "
            "choose another folder"
        )
    foreign = sorted(names - known)
    if foreign:
        raise ExportError(
            f"expected only files of an export in {folder}, found {', '.join(foreign)}; move "
            "them, since an export is replaced as a whole"
        )
    adapted = adapted_files(folder)
    if adapted:
        raise ExportError(
            f"expected {', '.join(adapted)} in {folder} as exported, found changes; move what you "
            "changed, or choose another folder, since an export is replaced as a whole"
        )


def _files(folder: Path) -> list[str]:
    """Paths of the files below a folder, relative to it, sorted; what a build left is not seen."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()]
    return sorted(path.as_posix() for path in paths if path.parts[0] != BUILD_DIR_NAME)


def _replace(folder: Path, finished: Path) -> None:
    """Puts a finished folder in the place of another; nobody sees a half-written one."""
    older = finished.with_name(f"{finished.name}.older")
    if folder.exists():
        folder.rename(older)
    try:
        finished.rename(folder)
    except OSError:
        if older.exists():
            older.rename(folder)
        raise
    shutil.rmtree(older, ignore_errors=True)
