"""Pages: a run, or several runs compared, as one HTML file that needs no network."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from ...record import StudyRecord
from ..comparison import Comparison
from ..files import write_atomically
from ..health import HealthCard
from .comparison import comparison_contents
from .document import document
from .run import run_contents

__all__ = ["comparison_contents", "run_contents", "write_comparison", "write_page"]


def write_page(record: StudyRecord, health: Sequence[HealthCard], path: str | Path) -> None:
    """Writes the page of a run, finished or not.

    Args:
        record: The study.
        health: Its cards.
        path: Of the HTML file.
    """
    way = os.path.relpath(record.folder.resolve(), Path(path).resolve().parent)
    base = "" if way == "." else f"{quote(Path(way).as_posix())}/"
    contents = run_contents(record, health, base)
    write_atomically(path, document(f"{contents.name}: report", "run", contents).encode())


def write_comparison(comparison: Comparison, path: str | Path) -> None:
    """Writes the page of several runs.

    Args:
        comparison: Of the runs.
        path: Of the HTML file.
    """
    title = " and ".join(run.name for run in comparison.runs)
    contents = comparison_contents(comparison)
    write_atomically(path, document(f"{title}: comparison", "comparison", contents).encode())
