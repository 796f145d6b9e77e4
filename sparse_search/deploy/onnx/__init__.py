"""ONNX: a quantized model as a .onnx file for other tool chains. Needs the ``onnx`` extra."""

from .write import export_onnx, onnx_model

__all__ = ["export_onnx", "onnx_model"]
