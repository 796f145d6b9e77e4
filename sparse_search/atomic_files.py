"""Files that appear complete or not at all: a killed process leaves no half file behind."""

import os
from collections.abc import Callable
from pathlib import Path


def write_at_once(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file at once or not at all, also if the power fails.

    Args:
        path: Replaced if it exists; its folder is made where it is missing.
        write: Writes a file at the path that it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        write(partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
