"""TensorFlow Lite: a quantized model as a .tflite file whose interpreter gives the same bytes."""

from .write import export_tflite, tflite_bytes

__all__ = ["export_tflite", "tflite_bytes"]
