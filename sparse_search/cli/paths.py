"""Paths on the command line: `~` in all of them, and folders that are no place for a run."""

import errno
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from ..errors import DatasetMissingError, StudyError
from ..record import DATABASE

_FULL = (errno.ENOSPC, errno.EDQUOT)


def with_paths(command: Callable[..., None]) -> Callable[..., None]:
    """A command that gets its paths with `~` expanded, and of data an existing folder.

    Raises:
        DatasetMissingError: When it is called, there is no folder at --data-dir.
    """

    @wraps(command)
    def call(**arguments: Any) -> None:
        arguments = {name: _expanded(value) for name, value in arguments.items()}
        folder = arguments.get("data_dir")
        if folder is not None and not folder.is_dir():
            raise DatasetMissingError(
                f"expected a folder at --data-dir {folder}, found "
                f"{'a file' if folder.exists() else 'none'}; correct the path, or make the folder"
            )
        command(**arguments)

    return call


def _expanded(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_expanded, value))
    # Unlike Path's own, this one leaves names of users that do not exist as they are.
    return Path(os.path.expanduser(value)) if isinstance(value, Path) else value


def check_run_folder(folder: Path) -> None:
    """Refuses what cannot become, or is not, the folder of a run.

    Raises:
        StudyError: There is a file in its way, or the folder has other things in it.
    """
    existing = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if existing is not None and not existing.is_dir():
        raise StudyError(
            f"expected a folder at {existing}, found a file; choose another folder with --out"
        )
    if existing != folder or (folder / DATABASE).exists():
        return
    # A creation that was interrupted leaves files of the study.
    others = [name for name in os.listdir(folder) if not name.startswith((".", "study."))]
    if others:
        raise StudyError(
            f"expected {folder} to be empty, new or a run, found {min(others)} in it; choose "
            "another folder with --out"
        )


def describe_failure(error: OSError) -> str | None:
    """What the system did not let us do with a file of the user's; None if it is none."""
    reason = (error.strerror or "").lower()
    if error.filename is not None:
        return f"cannot use {error.filename}: {reason}; check the path and its permissions"
    return f"{reason}; make room and run the same command again" if error.errno in _FULL else None
