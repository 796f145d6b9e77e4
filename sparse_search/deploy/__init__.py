"""Deployment: a quantized model as C99, and the proof that the C computes what was measured."""

from ..formats import Optimize
from .certificate import Certificate, Difference, Figure
from .export import Export, ExportOptions, export_c
from .verify import verify

__all__ = [
    "Certificate",
    "Difference",
    "Export",
    "ExportOptions",
    "Figure",
    "Optimize",
    "export_c",
    "verify",
]
