"""What the commands share: the console, arguments, the log, loading data, what a run delivers."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from ..errors import DatasetError
from ..workers import WorkerCount

if TYPE_CHECKING:
    from ..dataset import Dataset
    from ..datasets.reading import ReadOptions
    from ..delivery import Delivery
    from ..report import PruningGains

PAGE = "report.html"
"""In a run folder."""

console = Console(width=None if sys.stdout.isatty() else 110)

RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")]
DataDir = Annotated[
    Path | None, typer.Option(help="Where data sets are; default: SPARSE_SEARCH_DATA_DIR.")
]
MaxMacCost = Annotated[
    float | None,
    typer.Option(
        min=1, help="No layer may be more than this many times slower than with dense weights."
    ),
]
CountCode = Annotated[
    bool, typer.Option("--count-code", help="Choose encodings so that code counts as size, too.")
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        "--size", help="Images of a folder are scaled to it: 32, or 24x32 for height x width."
    ),
]
Grey = Annotated[bool, typer.Option("--grey", help="Images of a folder become grey.")]
Label = Annotated[
    str | None,
    typer.Option(
        help="Column of a .csv file with the classes; default: label, or the last one if it alone "
        "is text."
    ),
]
WorkersText = Annotated[
    str, typer.Option(help="Processes that evaluate, or `ray` for a running Ray cluster.")
]


def parse_workers(text: str) -> WorkerCount:
    """A positive number of processes, or a Ray cluster."""
    if text == "ray":
        return "ray"
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"expected a number of 1 or more, or ray, got {text!r}")
    return int(text)


def log_to(path: Path) -> None:
    """Sends tracebacks of failed candidates and remarks of the search to a file."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("sparse_search")
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    log.propagate = False


def read_options(size: str | None, grey: bool, label: str | None) -> "ReadOptions":
    """How data is read, as it was asked for."""
    from ..datasets.reading import ReadOptions, parse_image_size

    return ReadOptions(None if size is None else parse_image_size(size), grey, label)


def loading(source: str) -> Status:
    """Shown while data is read."""
    return console.status(f"loading {escape(source)}")


def load_stored(stored: Mapping[str, Any], data_dir: Path | None, seed: int) -> "Dataset":
    """The data set of a run or an export, as its settings or manifest say that it was read."""
    from ..dataset import load_recorded

    with loading(stored["source"]):
        return load_recorded(stored, data_dir=data_dir, seed=seed)


def load_if_there(stored: Mapping[str, Any], data_dir: Path | None, seed: int) -> "Dataset | None":
    """The same, or None with a note on what is used instead."""
    try:
        return load_stored(stored, data_dir, seed)
    except DatasetError as error:
        note(f"random images are used instead of the data set: {error}")
        return None


def say(text: str) -> None:
    """One line as it is: what is in brackets is no markup, and paths are not broken."""
    console.print(text, markup=False, soft_wrap=True)


def note(text: str) -> None:
    """One line that a reader of the results must know."""
    console.print(f"[yellow]note:[/yellow] {escape(text)}", soft_wrap=True)


def note_unwritten(what: str, place: Path, error: OSError) -> None:
    """Says that a result could not be written, where it is shown anyway."""
    note(f"{what} not written to {place}: {(error.strerror or str(error)).lower()}")


def show_paths(**paths: Path | str) -> None:
    """Where results are, one line for each, by what they are."""
    for what, path in paths.items():
        say(f"{what:8} {path}")


def show_remarks(data: "Dataset") -> None:
    """What a reader of the results must know."""
    for remark in data.remarks:
        note(remark)


def show_certificates(delivery: "Delivery") -> None:
    """Says what verification found; ends the command with exit code 1 where it failed."""
    for candidate_id, certificate in delivery.certificates.items():
        if not certificate.passed:
            for failure in certificate.failures:
                console.print(f"[red]candidate {candidate_id}: {escape(failure)}")
    if not delivery.verified:
        raise typer.Exit(1)
    if delivery.certificates:
        images = next(iter(delivery.certificates.values())).images
        console.print(
            f"verified: host C and Python agree on all {images:,} test images, byte for byte, "
            f"for {len(delivery.certificates)} models",
            style="green",
            highlight=False,
        )


def show_pruning(gains: "PruningGains | None", folder: Path | None) -> None:
    """What pruning the models further has gained, if that was done; ``folder`` has the pictures."""
    from ..delivery import PRUNING
    from ..report import pruning_table

    if gains is not None:
        console.print(pruning_table(gains))
        if folder is not None:
            show_paths(pictures=f"{folder / PRUNING}/")
        console.print(escape(gains.sentence), soft_wrap=True)
