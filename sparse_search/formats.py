"""The formats of an export, and the writing of those that are one file."""

import importlib.util
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from .errors import ExportError, ToolMissingError

if TYPE_CHECKING:
    from .quantized import QuantizedModel


Optimize: TypeAlias = Literal["size", "speed"]
"""What the C is optimized for: kernels that operators share, or one for each shape."""


class Layout(StrEnum):
    """Where the files of a folder of C lie: beside each other, or as an Arduino library."""

    PLAIN = "plain"
    ARDUINO = "arduino"


class Format(StrEnum):
    """What an export is: a folder of C, or one file that other tools read."""

    C = "c"
    TFLITE = "tflite"
    ONNX = "onnx"


def write_model(model: "QuantizedModel", format: Format, path: Path) -> Path:
    """Writes ``model`` as one file.

    Raises:
        ExportError: The path is a folder, the format is C, or it cannot express the model.
        ToolMissingError: The format needs a package that is not installed.
    """
    if path.is_dir():
        raise ExportError(
            f"expected a file to write, got the folder {path}; name one, such as "
            f"{path / f'model.{format}'}"
        )
    if format is Format.TFLITE:
        from .deploy.tflite import export_tflite

        return export_tflite(model, path)
    if format is Format.ONNX:
        if importlib.util.find_spec("onnx") is None:
            raise ToolMissingError(
                "expected the package onnx, found none; install it, or this one with its extra "
                "`onnx`"
            )
        from .deploy.onnx import export_onnx

        return export_onnx(model, path)
    raise ExportError(f"expected a format that is one file, got {format.value!r}; use export_c")
