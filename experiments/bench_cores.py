"""Random models, and given exports, on every emulated core: what was predicted, what was measured.

    python -m experiments.bench_cores [EXPORT ...] --models 100 --journal runs/bench_cores.jsonl

Models are drawn until as many as asked for fit all cores; one that is too large for a core is in
the table as such. Every result goes into the journal at once, and a second call goes on from there.
``bench_cores.csv`` has a row for each model and core:

model, core        seed of a random model or name of an export; core
fits               whether program and arena have room on the core
passed             whether the certificate is; the columns below are its figures
images, identical  how many, and of how many both runs gave the reference's bytes
*_predicted, *     bytes of arena, .data, .bss, constants, code and stack
count, unit        the most instructions or cycles of an inference
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sparse_search.deploy import Certificate, export_c, verify
from sparse_search.deploy.cores import CORES
from sparse_search.deploy.firmware import DOES_NOT_FIT
from sparse_search.encoding import ALL_ENCODINGS, EncodingPolicy
from sparse_search.errors import VerificationError
from sparse_search.memory import plan_memory
from tests.random_models import random_graph, random_images, random_model

from .provenance import add_arguments, write_results

FIGURES: Final = {
    "arena": "arena",
    "data": ".data",
    "bss": ".bss",
    "constants": ".rodata",
    "code": ".text",
    "stack": "stack",
}
IMAGES: Final = 64

Row = dict[str, Any]
Images = NDArray[np.uint8]


def random_export(seed: int, folder: Path) -> Images:
    """Exports a random model, each other one in a given encoding; returns images for it."""
    generator = np.random.default_rng(seed)
    graph = random_graph(generator)
    kind = ALL_ENCODINGS[seed // 2 % len(ALL_ENCODINGS)]
    bits = int(kind[-1]) if "codebook" in kind else None
    model = random_model(generator, graph, codebook_bits=bits)
    policy = EncodingPolicy() if seed % 2 == 0 else EncodingPolicy(allowed=(kind,))
    export_c(model, plan_memory(model, policy=policy), folder)
    return random_images(generator, graph, IMAGES)


def measure(name: str, folder: Path, images: Images | None, core: str) -> Row:
    """One row of the table."""
    row: Row = {"model": name, "core": core, "fits": True}
    try:
        certificate = verify(folder, images, core=core)
    except VerificationError as error:
        if not str(error).startswith(DOES_NOT_FIT):
            raise
        return row | {"fits": False}
    return row | figures(certificate)


def figures(certificate: Certificate) -> Row:
    """What a certificate says, flat."""
    row: Row = {
        "passed": certificate.passed,
        "failures": "; ".join(certificate.failures),
        "images": certificate.images,
        "identical": certificate.identical,
    }
    for column, name in FIGURES.items():
        figure = certificate.figure(name)
        row |= {f"{column}_predicted": figure.predicted, column: figure.measured}
    unit = CORES[certificate.core].count_unit
    return row | {"count": certificate.figure(unit).measured, "unit": unit}


def read_journal(path: Path) -> dict[tuple[str, str], Row]:
    """Rows that were measured before; a line that was cut short is left out."""
    rows: dict[tuple[str, str], Row] = {}
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        rows[row["model"], row["core"]] = row
    return rows


def run(exports: Sequence[Path], models: int, journal: Path) -> list[Row]:
    """Measures what the journal does not hold; returns all rows of what was asked for."""
    known = read_journal(journal)
    journal.parent.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with journal.open("a") as file:
        for name, found in _everything(exports, models, known, rows):
            for row in found:
                if (name, row["core"]) not in known:
                    file.write(json.dumps(row) + "\n")
                    file.flush()
                rows.append(row)
            verdicts = [row.get("passed", "too large") for row in found]
            print(name, *verdicts, flush=True)
    return rows


def _everything(
    exports: Sequence[Path], models: int, known: Mapping[tuple[str, str], Row], rows: list[Row]
) -> Iterator[tuple[str, list[Row]]]:
    """(model, its rows), of exports and then of seeds until enough of them fit every core."""
    for folder in exports:
        yield folder.name, [_row(folder.name, folder, None, core, known) for core in CORES]
    complete = seed = 0
    while complete < models:
        name = f"random {seed}"
        with tempfile.TemporaryDirectory() as temporary:
            images = random_export(seed, Path(temporary) / "export")
            found = [_row(name, Path(temporary) / "export", images, c, known) for c in CORES]
        complete += all(row["fits"] for row in found)
        seed += 1
        yield name, found


def _row(
    name: str,
    folder: Path,
    images: Images | None,
    core: str,
    known: Mapping[tuple[str, str], Row],
) -> Row:
    found = known.get((name, core))
    return measure(name, folder, images, core) if found is None else found


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """By core: how many ran and passed, and how far predictions were from what was measured."""
    summary: dict[str, Any] = {}
    for core in CORES:
        ran = [row for row in rows if row["core"] == core and row["fits"]]
        if not ran:
            continue
        far = {
            name: max(abs(row[name] / row[f"{name}_predicted"] - 1.0) for row in ran)
            for name in ("code", "stack")
        }
        exact = ("arena", "data", "bss", "constants")
        summary[core] = {
            "models": len(ran),
            "too_large": sum(row["core"] == core and not row["fits"] for row in rows),
            "passed": sum(row["passed"] for row in ran),
            "images": sum(row["images"] for row in ran),
            "identical": sum(row["identical"] for row in ran),
            "data_as_predicted": sum(
                all(row[name] == row[f"{name}_predicted"] for name in exact) for row in ran
            ),
            "largest_code_error": round(far["code"], 4),
            "largest_stack_error": round(far["stack"], 4),
        }
    return summary


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("exports", type=Path, nargs="*", help="folders that export has written")
    parser.add_argument("--models", type=int, default=100, help="random models that fit all cores")
    parser.add_argument("--journal", type=Path, default=Path("runs/bench_cores.jsonl"))
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = run(arguments.exports, arguments.models, arguments.journal)
    columns = list(dict.fromkeys(column for row in rows for column in row if column != "failures"))
    filled = [{column: row.get(column, "") for column in columns} for row in rows]
    given = " ".join(folder.name for folder in arguments.exports)
    command = f"python -m experiments.bench_cores {given} --models {arguments.models}"
    write_results(
        arguments,
        "bench_cores",
        filled,
        {"command": " ".join(command.split()), "seeds": "0, 1, ...", "cores": summarise(rows)},
    )


if __name__ == "__main__":
    main()
