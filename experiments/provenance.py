"""What every table of results is stored with: command, seed, commit and machine."""

import argparse
import csv
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

_ROOT = Path(__file__).resolve().parent.parent


def commit() -> str:
    """The commit of the code that runs; says where files differ from it.

    >>> commit() != ""
    True
    """
    try:
        short = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{short} with changes" if changed else short


def machine() -> str:
    """Processor and versions, in words."""
    names = [
        line.split(":")[1].strip()
        for line in _lines(Path("/proc/cpuinfo"))
        if line.startswith("model name")
    ]
    processor = names[0] if names else platform.machine()
    return (
        f"{os.cpu_count()} cores of {processor}, {platform.system()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--results``, ``--commit`` and ``--machine``."""
    parser.add_argument("--results", type=Path, default=Path("experiments/results"))
    parser.add_argument("--commit", default=commit(), help="of the code that was run")
    parser.add_argument("--machine", default=machine(), help="that it ran on, in words")


def write_results(
    arguments: argparse.Namespace,
    name: str,
    rows: Sequence[Mapping[str, object]],
    facts: Mapping[str, Any],
) -> None:
    """Writes ``name``.csv and, beside it, ``name``.json with what it was made by.

    Args:
        arguments: Has what ``add_arguments`` adds.
        name: Of the files, without an ending.
        rows: The table; all rows have the columns of the first.
        facts: Command, seed, and whatever else a reader must know.
    """
    arguments.results.mkdir(parents=True, exist_ok=True)
    with (arguments.results / f"{name}.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    stored = {**facts, "commit": arguments.commit, "machine": arguments.machine}
    (arguments.results / f"{name}.json").write_text(json.dumps(stored, indent=1) + "\n")


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=_ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []
