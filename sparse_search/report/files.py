"""Pictures and texts of reports as files, each written at once or not at all."""

import io
from operator import methodcaller
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ..atomic_files import write_at_once

DPI = 150
"""Resolution of pictures in pixels per inch."""

FORMATS = ("png", "svg")
"""Of pictures, by the suffix of their files."""


def write_atomically(path: str | Path, content: bytes) -> None:
    """Writes ``content`` to ``path``, whose folder is made where it is missing."""
    write_at_once(Path(path), methodcaller("write_bytes", content))


def text_box(text: Text) -> tuple[float, float, float, float]:
    """Left, bottom, right, top in pixels of a text that is in a figure."""
    figure = text.get_figure(root=True)
    assert figure is not None
    extent = text.get_window_extent(FigureCanvasAgg(figure).get_renderer())  # type: ignore[no-untyped-call]
    return (extent.x0, extent.y0, extent.x1, extent.y1)


def save_png(figure: Figure, path: str | Path) -> None:
    """Writes a figure as PNG of its own size at ``DPI``, whatever the suffix of ``path``."""
    _save(figure, path, "png")


def save_figure(figure: Figure, path: str | Path) -> None:
    """Writes a figure in the format of the suffix of ``path``: .png or .svg, equal bytes each time.

    Raises:
        ValueError: Another suffix.
    """
    suffix = Path(path).suffix.removeprefix(".")
    if suffix not in FORMATS:
        raise ValueError(f"expected a file of {' or '.join(FORMATS)}, got {path}")
    _save(figure, path, suffix)


def _save(figure: Figure, path: str | Path, suffix: str) -> None:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    # Of an SVG file, ids would be random and a date would be written.
    with rc_context({"svg.hashsalt": "sparse_search"}):
        metadata = {"Date": None} if suffix == "svg" else None
        figure.savefig(buffer, format=suffix, dpi=DPI, metadata=metadata)
    write_atomically(path, buffer.getvalue())
