"""Deployment: a quantized model as C99, and the proof that the C computes what was measured."""

from .certificate import Certificate, Difference
from .export import Export, ExportOptions, export_c
from .render import Optimize
from .verify import verify

__all__ = [
    "Certificate",
    "Difference",
    "Export",
    "ExportOptions",
    "Optimize",
    "export_c",
    "verify",
]
