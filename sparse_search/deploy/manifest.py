"""Manifest: what an export is, as JSON beside the C, and the reading of an export folder."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..errors import ExportError, QuantizationError
from ..quantized import QuantizedModel
from .layout import example_files

MANIFEST_NAME = "manifest.json"
MODEL_NAME = "model.safetensors"
CERTIFICATE_NAME = "certificate.json"

EXAMPLE_FILES: Final = example_files()
"""Files that show how the model is used; they may be adapted without harm to its results."""

_FORMAT: Final = "sparse_search.export.1"


@dataclass(frozen=True, slots=True)
class Golden:
    """One image and the output bytes that the model gives for it.

    Attributes:
        image: uint8 pixels in (height, width, channels) order, in hexadecimal digits.
        output: int8 values, one per class.
    """

    image: str
    output: tuple[int, ...]


@dataclass(frozen=True)
class Manifest:
    """Everything that is known about an exported model.

    Attributes:
        generator: Name and version of what wrote the export.
        model_hash: Of the quantized model.
        prefix: Of every public C name.
        architecture: As JSON; None if the model was not built from one.
        graph: As JSON.
        input: Shape, scale and zero point; and pixel_0 and pixel_255, the numbers that became
            these pixels, where the source has no pixels: one for all, or one for each place on its
            last axis.
        output: Class count, scale and zero point.
        class_names: One per output; empty if not known.
        dataset: Name, source and options of the data that the model was trained on; may be empty.
        sizes: Bytes by definition: working memory, model size.
        memory_plan: The whole plan, with the policy by which encodings were chosen.
        golden: Images with known outputs.
        versions: Of the packages that computed the model.
        files: SHA-256 by path, of every other file of the export.
        optimize: What the C is optimized for.
        format: Of this file.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    generator: str
    model_hash: str
    prefix: str
    architecture: dict[str, Any] | None
    graph: dict[str, Any]
    input: dict[str, Any]
    output: dict[str, Any]
    class_names: tuple[str, ...]
    dataset: dict[str, Any]
    sizes: dict[str, dict[str, int]]
    memory_plan: dict[str, Any]
    golden: tuple[Golden, ...]
    versions: dict[str, str]
    files: dict[str, str]
    optimize: Literal["size", "speed"] = "size"
    format: Literal["sparse_search.export.1"] = _FORMAT

    def to_json(self) -> str:
        """JSON with one line per attribute, the same text for equal manifests."""
        values = _ADAPTER.dump_python(self, mode="json")
        lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def golden_images(self) -> NDArray[np.uint8]:
        """The images of ``golden``: uint8 [n, H, W, C].

        Raises:
            ExportError: An image is not hexadecimal, or not of the input's shape.
        """
        shape = (len(self.golden), *self.input["shape"])
        try:
            data = b"".join(bytes.fromhex(golden.image) for golden in self.golden)
            return np.frombuffer(data, np.uint8).reshape(shape)
        except ValueError as error:
            raise ExportError(
                f"expected golden images of shape {shape[1:]} in the manifest ({error}); export "
                "the model again"
            ) from None


_ADAPTER = TypeAdapter(Manifest)


def exported_files(folder: Path) -> frozenset[str] | None:
    """Names of the files that an export wrote into ``folder``; None if it is no export.

    Reads no more of the manifest than it needs, so that an export of another version can be
    replaced too.
    """
    hashes = _recorded(folder)
    return None if hashes is None else frozenset({MANIFEST_NAME, CERTIFICATE_NAME, *hashes})


def adapted_files(folder: Path) -> tuple[str, ...]:
    """Names of the ``EXAMPLE_FILES`` of an export that somebody has changed, sorted."""
    hashes = _recorded(folder) or {}
    there = [name for name in sorted(EXAMPLE_FILES & {*hashes}) if (folder / name).is_file()]
    return tuple(name for name in there if not _is_unchanged(folder / name, hashes[name]))


def _recorded(folder: Path) -> Mapping[str, str] | None:
    """SHA-256 by path of what an export, also of another version, wrote; None if it is none."""
    try:
        found = json.loads((folder / MANIFEST_NAME).read_bytes())
        if not found["format"].startswith("sparse_search.export."):
            return None
        return dict(found["files"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest of an export.

    Raises:
        ExportError: There is none, or it is damaged; says where.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise ExportError(f"expected an export in {folder}, found no {MANIFEST_NAME}")
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except ValidationError as error:
        details = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'document'}: {e['msg']}" for e in error.errors()[:5]
        )
        raise ExportError(f"{path}: damaged ({details}); export the model again") from None


def read_model(folder: Path, manifest: Manifest) -> QuantizedModel:
    """Reads the model of an export, the reference that its C is compared with.

    Raises:
        ExportError: The file is missing, damaged, or not the model of the manifest.
    """
    path = folder / MODEL_NAME
    try:
        model = QuantizedModel.load(path)
    except (QuantizationError, FileNotFoundError) as error:
        raise ExportError(f"{path}: {error}; export the model again") from error
    if model.hash() != manifest.model_hash:
        raise ExportError(
            f"{path}: expected model {manifest.model_hash} as in {MANIFEST_NAME}, got "
            f"{model.hash()}; the files are of two exports, export the model again"
        )
    return model


def file_hash(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def modified_files(folder: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the files that are missing or not as they were written, sorted.

    Args:
        folder: An export.
        files: SHA-256 by file name; ``EXAMPLE_FILES`` are left out.
    """
    return tuple(
        name
        for name, expected in sorted(files.items())
        if name not in EXAMPLE_FILES and not _is_unchanged(folder / name, expected)
    )


def _is_unchanged(path: Path, expected: str) -> bool:
    return path.is_file() and file_hash(path.read_bytes()) == expected
