r"""What pruning, codebooks and encodings save in the linked firmware of a board.

    python -m experiments.bench_flash search RUN --data-dir DATA --candidates 8
    sparse-search prune RUN --data-dir DATA --models 5 --methods magnitude --codebook-bits 4
    python -m experiments.bench_flash measure RUN --data-dir DATA

``search`` looks for dense networks for MNIST of at most 4 KB of flash and of RAM, and begins with
plain ones. ``measure`` takes any run: for every final model, and every one that
``sparse-search prune`` has pruned, the model as it is, beside the smallest whose int8 validation
error is at most 0.2 points higher: among those that were made of it (scope "network"), and among
those that were made of any (scope "front"). As it is means int8 as TFLite and CMSIS-NN keep it: a
byte for every weight, and for every channel bias and multiplier of 32 bits and a shift. Both are
exported, linked for a Cortex-M4 (``firmware``) and measured on the test set. ``bench_flash.csv``
has a row for each:

scope                      which models the pruned one was chosen from
dense, pruned              candidate, and what was done to it; of: whose path it is of
*_flash_bytes              as planned
dense_narrow_bytes         the same of the dense model with channels of 3 bytes
*_constants                read-only data of the linked file: weights, biases, tables
*_firmware                 all flash of the linked file: constants, runtime, start-up
cut, firmware_cut          fraction of constants and of the firmware that is gone
*_val_error, *_test_error  fractions, int8
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from sparse_search.api import defaults
from sparse_search.candidate import Candidate, Evaluation
from sparse_search.dataset import Dataset, load_dataset, load_recorded
from sparse_search.deploy import export_c
from sparse_search.encoding import EncodingPolicy
from sparse_search.evaluation import EvaluationConfig
from sparse_search.forecast import Forecaster
from sparse_search.memory import plan_memory
from sparse_search.plain import plain_networks
from sparse_search.progress import StudyProgress
from sparse_search.quantized import error_rate
from sparse_search.record import StudyRecord
from sparse_search.report.outcomes import describe_pruning
from sparse_search.report.pruning import EQUAL_ERROR
from sparse_search.space import SearchSpace
from sparse_search.stopping import ERROR
from sparse_search.study import Study
from sparse_search.target import Limits

from .firmware import link
from .provenance import add_arguments, write_results

LARGEST_BYTES = 4096
MODELS = 5
_DENSE = EncodingPolicy(allowed=("dense",), narrow_channels=False)
_NARROW = EncodingPolicy(allowed=("dense",))


def search(run: Path, data_dir: Path | None, candidates: int) -> None:
    """Searches networks that are not pruned; the same call continues."""
    data = load_dataset("mnist", data_dir=data_dir)
    limits = Limits(LARGEST_BYTES, LARGEST_BYTES)
    space = SearchSpace(data.input_shape, data.class_count, pruning=())
    study = Study(
        dataset=data,
        space=space,
        limits=limits,
        out=run,
        workers=0,
        final_models=MODELS,
        start=plain_networks(Forecaster(space, ()), limits),
        config=replace(
            EvaluationConfig.for_dataset(data),
            final_epochs=40,
            final_fine_tuning_epochs=16,
            final_clustering_epochs=60,
            final_quantized_epochs=6,
        ),
        **defaults(limits),
    )
    with StudyProgress(Console(width=110)) as progress:
        study.run(candidates, progress)


def pairs(record: StudyRecord) -> Iterator[tuple[Evaluation, dict[str, Evaluation]]]:
    """Each model as it is, at most ``LARGEST_BYTES`` large, and the smallest of equal error.

    As it is means trained as long as its paths, with the pruning that it had in the search; it is
    stored with dense weights. The smallest are by scope.
    """
    evaluations = record.history().evaluations
    trained = [e for e in evaluations if e.candidate.effort != "search"]
    by_id = {e.candidate.id: e.candidate for e in evaluations}
    origins = {e.candidate.pruned_from for e in trained}
    origins |= {e.candidate.id for e in trained if e.candidate.effort == "final"}
    for origin in sorted(number for number in origins if number is not None):
        model = by_id[origin]
        start = next((e for e in trained if _same(e.candidate, model)), None)
        if start is None:
            continue
        plan = plan_memory(record.load_model(start.candidate.id), policy=_DENSE)
        if plan.flash_bytes > LARGEST_BYTES:
            continue
        paths = [start, *(e for e in trained if e.candidate.pruned_from == origin)]
        bound = start.objectives[ERROR] + EQUAL_ERROR
        yield start, {"network": _smallest(paths, bound), "front": _smallest(trained, bound)}


def _smallest(models: Sequence[Evaluation], bound: float) -> Evaluation:
    """The fewest bytes of flash among models of at most that error; of equals the first."""
    equal = [e for e in models if e.objectives[ERROR] <= bound]
    return min(equal, key=lambda e: (e.metrics["flash_bytes"], e.candidate.id))


def _same(candidate: Candidate, model: Candidate) -> bool:
    """Whether a candidate is a model as it is, with weights of any value."""
    wanted = (model.architecture, model.recipe, model.pruning, None)
    found = (candidate.architecture, candidate.recipe, candidate.pruning, candidate.codebook_bits)
    return found == wanted


def measure(
    record: StudyRecord, evaluation: Evaluation, policy: EncodingPolicy, data: Dataset, folder: Path
) -> dict[str, Any]:
    """Sizes of one model as planned and as linked, and its errors."""
    model = record.load_model(evaluation.candidate.id)
    plan = plan_memory(model, policy=policy)
    export = export_c(model, plan, folder / "export")
    sizes = link(export.folder, folder / "build")
    return {
        "candidate": evaluation.candidate.id,
        "of": evaluation.candidate.pruned_from,
        "what": describe_pruning(evaluation.candidate) or "as it is",
        "flash_bytes": plan.flash_bytes,
        "narrow_bytes": plan_memory(model, policy=_NARROW).flash_bytes,
        "constants": sizes.constants,
        "firmware": sizes.flash,
        "val_error": evaluation.objectives[ERROR],
        "test_error": error_rate(model, data.open_test()),
    }


def compare(scope: str, dense: dict[str, Any], pruned: dict[str, Any]) -> dict[str, Any]:
    """A row of the table."""
    row: dict[str, Any] = {"scope": scope}
    row |= {"dense": dense["candidate"], "pruned": pruned["candidate"], "of": pruned["of"]}
    row["how"] = pruned["what"]
    for name in ("flash_bytes", "constants", "firmware", "val_error", "test_error"):
        for kind, side in (("dense", dense), ("pruned", pruned)):
            row[f"{kind}_{name}"] = (
                side[name] if isinstance(side[name], int) else round(side[name], 4)
            )
    row["dense_narrow_bytes"] = dense["narrow_bytes"]
    row["cut"] = round(1.0 - pruned["constants"] / dense["constants"], 3)
    row["firmware_cut"] = round(1.0 - pruned["firmware"] / dense["firmware"], 3)
    return row


def measure_run(
    run: Path, data_dir: Path | None, policy: EncodingPolicy
) -> Sequence[dict[str, Any]]:
    """Rows of every dense model of a run."""
    record = StudyRecord.open(run)
    stored = record.settings["dataset"]
    data = load_recorded(stored, data_dir=data_dir, seed=record.settings["seed"])
    rows = []
    for dense, smallest in pairs(record):
        with tempfile.TemporaryDirectory() as folder:
            first = measure(record, dense, _DENSE, data, Path(folder) / "dense")
            for scope, pruned in smallest.items():
                second = measure(record, pruned, policy, data, Path(folder) / scope)
                rows.append(compare(scope, first, second))
                print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Reads the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("command", choices=["search", "measure"])
    parser.add_argument("run", type=Path, help="its folder")
    parser.add_argument("--data-dir", type=Path, help="where its data set is")
    parser.add_argument("--candidates", type=int, default=8, help="of the search")
    parser.add_argument("--count-code", action="store_true", help="as in sparse-search export")
    add_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.command == "search":
        search(arguments.run, arguments.data_dir, arguments.candidates)
        return
    policy = EncodingPolicy(count_code=arguments.count_code)
    rows = measure_run(arguments.run, arguments.data_dir, policy)
    facts = {
        "command": "python -m experiments.bench_flash, see its docstring",
        "seed": "of the run",
        "core": "Cortex-M4, -Os",
        "equal_error": EQUAL_ERROR,
        "count_code": arguments.count_code,
    }
    write_results(arguments, "bench_flash", rows, facts)


if __name__ == "__main__":
    main()
