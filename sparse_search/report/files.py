"""Files that appear complete or not at all: a killed process leaves no half file behind."""

import io
import os
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

DPI = 150
"""Resolution of pictures in pixels per inch."""


def write_atomically(path: str | Path, content: bytes) -> None:
    """Writes ``content`` to ``path``, whose folder is made where it is missing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def text_box(text: Text) -> tuple[float, float, float, float]:
    """Left, bottom, right, top in pixels of a text that is in a figure."""
    figure = text.get_figure(root=True)
    assert figure is not None
    extent = text.get_window_extent(FigureCanvasAgg(figure).get_renderer())  # type: ignore[no-untyped-call]
    return (extent.x0, extent.y0, extent.x1, extent.y1)


def save_png(figure: Figure, path: str | Path) -> None:
    """Writes a figure as PNG of its own size at ``DPI``, whatever the suffix of ``path``."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=DPI)
    write_atomically(path, buffer.getvalue())
