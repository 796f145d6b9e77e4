"""Models beside the published figures: searched, trained long, exported, measured as C.

    python -m experiments.published search mnist-2k --candidates 40 --data-dir DATA
    python -m experiments.published choose mnist-2k --run runs/published/mnist-2k --candidate 12
    python -m experiments.published train mnist-2k --seed 0 --data-dir DATA
    python -m experiments.published table

``search`` looks for networks within the limits of a row (``rows.py``). ``choose`` writes what is to
be trained, an architecture with its pruning, to ``models/ROW.json`` beside the results; without
``--candidate`` it is the network that the row begins with. ``train``
trains it from scratch with one seed, exports it and counts what its C gets right on the whole
test set; the test set decides nothing. ``table`` writes ``table.csv``, and keeps of each row the
model of the seed with the least validation error, or the first one where validation images were
learned, too, as ``models/ROW.safetensors``. Rows whose trainings are not here stay as they are:

row, dataset, view      view: what is folded out in front of the network
definition              of size and memory
size_bytes, memory_bytes, flash_bytes, arena_bytes
accuracy, accuracy_std  per cent, of the exported C on the whole test set: mean over seeds, spread
best_accuracy           of the model that is kept
core_hours              of search and trainings
"""

import argparse
import csv
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, get_args

import numpy as np
import torch
from rich.console import Console

from sparse_search.api import defaults
from sparse_search.augmentation import parse_augmentation
from sparse_search.candidate import Candidate, Evaluation, Outcome, PruningStep
from sparse_search.dataset import Dataset, Split, load_dataset
from sparse_search.delivery import GOLDEN_IMAGES
from sparse_search.deploy import ExportOptions, export_c, verify
from sparse_search.evaluation import EvaluationConfig, Evaluator, model_path
from sparse_search.memory import MEASURES, plan_memory
from sparse_search.progress import StudyProgress
from sparse_search.quantized import QuantizedModel
from sparse_search.record import StudyRecord
from sparse_search.report.outcomes import describe_pruning
from sparse_search.search.sparse import SparseOptions
from sparse_search.study import Study
from sparse_search.workers import Device

from .provenance import add_arguments, write_results
from .rows import ROWS, Row

RUNS = Path("runs/published")
_FINAL_ID = 100_000


def load(row: Row, data_dir: Path | None) -> Dataset:
    """The data set of a row as its network sees it."""
    return row.view.dataset(load_dataset(row.data, data_dir=data_dir))


def search(row: Row, data: Dataset, candidates: int, workers: int, seed: int) -> None:
    """Searches within the limits of a row; the same call continues."""
    config, options = EvaluationConfig.for_dataset(data), None
    if row.start:
        # A good network is known: little is gained from others than its relatives.
        first = len(row.start)
        options = SparseOptions(initial=first, stages=(first + 2, 2), random_fraction=0.0)
        dense, inherited, fine_tuning = row.search_epochs
        config = replace(
            config,
            training=config.training.with_epochs(dense),
            inherited_epochs=inherited,
            fine_tuning_epochs=fine_tuning,
        )
    study = Study(
        dataset=data,
        space=row.space(data.input_shape, data.class_count),
        limits=row.limits,
        out=RUNS / row.name,
        seed=seed,
        workers=workers,
        final_models=1,
        start=row.start,
        config=config,
        strategy_options=options,
        **defaults(row.limits, "accuracy"),
    )
    with StudyProgress(Console(width=110)) as progress:
        study.run(candidates, progress)


def choose(
    row: Row,
    run: Path,
    candidate_id: int | None,
    models: Path,
    magnitude: float | None,
    codebook_bits: int | None,
) -> Path:
    """Writes what is to be trained, maybe with another pruning.

    A candidate of a run, or without one the network that a search of the row would begin with.
    """
    outcomes: Sequence[Outcome] = []
    found = row.start[0] if row.start else None
    if candidate_id is not None:
        outcomes = StudyRecord.open(run).history().outcomes
        found = next((o.candidate for o in outcomes if o.candidate.id == candidate_id), None)
    if found is None:
        raise SystemExit(f"{row.name}: no candidate {candidate_id}; pass one of a run")
    pruning = found.pruning
    if magnitude is not None:
        pruning = (PruningStep("magnitude", magnitude),) if magnitude else ()
    final = Candidate(
        _FINAL_ID,
        found.architecture,
        pruning,
        found.recipe,
        effort="final",
        codebook_bits=codebook_bits,
    )
    seconds = sum(outcome.seconds for outcome in outcomes if outcome.candidate.effort == "search")
    facts = {
        "candidate": json.loads(final.to_json()),
        "search_seconds": round(seconds),
        "searched": len(outcomes),
    }
    path = models / f"{row.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=1) + "\n")
    return path


def train(
    row: Row,
    data: Dataset,
    candidate: Candidate,
    seed: int,
    device: Device = "cpu",
    *,
    resume: bool = False,
) -> dict[str, Any]:
    """Trains with one seed and measures the exported C on the test set.

    With ``resume`` what an interrupted training left is used, on whatever device that was.
    """
    folder = RUNS / f"{row.name}-seed{seed}"
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    parts = defaults(row.limits)
    if row.learn_all:
        data = replace(data, train=_joined(data.train, data.validation))
    config = replace(
        EvaluationConfig.for_dataset(data),
        final_epochs=row.epochs,
        final_fine_tuning_epochs=row.fine_tuning_epochs,
        fine_tuning_rate=row.fine_tuning_rate,
        final_clustering_epochs=row.codebook_epochs,
        final_quantized_epochs=row.quantized_epochs,
    )
    if row.augmentation is not None:
        config = config.augmented(parse_augmentation(row.augmentation))
    config = config.on(device)
    space = row.space(data.input_shape, data.class_count)
    evaluator = Evaluator(
        *(data.without_test(), space, parts["pruners"], parts["objectives"], config, folder, seed)
    )
    started = time.process_time()
    outcome = evaluator(candidate)
    seconds = time.process_time() - started
    if not isinstance(outcome, Evaluation):
        raise SystemExit(f"{row.name}, seed {seed}: {outcome}")
    model = QuantizedModel.load(model_path(folder, candidate.id))
    plan = plan_memory(model)
    options = ExportOptions(
        golden_images=data.validation.images[:GOLDEN_IMAGES],
        class_names=data.class_names,
        architecture=candidate.architecture,
        dataset=data.name,
    )
    export = export_c(model, plan, folder / "c", options=options)
    test = data.open_test()
    certificate = verify(export.folder, np.asarray(test.images), test.labels)
    if not certificate.passed or certificate.correct is None:
        raise SystemExit(f"{row.name}, seed {seed}: {certificate.failures}")
    return {
        "seed": seed,
        "val_error": None if row.learn_all else outcome.objectives["val_error"],
        "accuracy": 100.0 * certificate.correct / certificate.images,
        "images": certificate.images,
        "violations": row.limits.check(plan),
        "train_seconds": round(seconds),
        "device": device,
        "sizes": {name: measure.of(plan) for name, measure in MEASURES.items()},
        "model": str(model_path(folder, candidate.id)),
    }


def _joined(first: Split, second: Split) -> Split:
    images = np.concatenate([first.images, second.images])
    return Split(images, np.concatenate([first.labels, second.labels]))


def read_trainings(row: Row) -> list[dict[str, Any]]:
    """What ``train`` has measured, one for each seed."""
    found = [json.loads(p.read_text()) for p in sorted(RUNS.glob(f"{row.name}-seed*/result.json"))]
    return sorted(found, key=lambda training: training["seed"])


def summarise(row: Row, models: Path) -> dict[str, Any] | None:
    """The row of the table, and the model that is kept; None where nothing was trained."""
    trainings = read_trainings(row)
    if not trainings:
        return None
    # Where nothing but the test set could tell, it is the first one.
    best = min(trainings, key=lambda training: training["val_error"] or 0.0)
    kept = models / f"{row.name}.safetensors"
    QuantizedModel.load(best["model"]).save(kept)
    chosen = json.loads((models / f"{row.name}.json").read_text())
    accuracies = [training["accuracy"] for training in trainings]
    seconds = chosen["search_seconds"] + sum(training["train_seconds"] for training in trainings)
    limits = row.limits
    return {
        "row": row.name,
        "dataset": row.data,
        "view": row.view.text,
        "definition": f"{limits.model_definition}, {limits.memory_definition}",
        **_sizes(row, best["sizes"]),
        "accuracy": round(mean(accuracies), 2),
        "accuracy_std": round(stdev(accuracies), 2) if len(accuracies) > 1 else "",
        "best_accuracy": round(best["accuracy"], 2),
        "seeds": len(trainings),
        "core_hours": round(seconds / 3600, 2),
        "paper": row.paper,
        "inside": "; ".join(best["violations"]) or "yes",
        "model": f"models/{kept.name}",
    }


def read_table(results: Path) -> dict[str, dict[str, Any]]:
    """The rows of the table as it is, by name; none where there is none."""
    path = results / "table.csv"
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        return {row["row"]: row for row in csv.DictReader(file)}


def remeasured(
    row: Row, before: Mapping[str, dict[str, Any]], models: Path
) -> dict[str, Any] | None:
    """A row whose trainings are not here: as it was, its sizes those of today's plan."""
    if row.name not in before:
        return None
    plan = plan_memory(QuantizedModel.load(models / f"{row.name}.safetensors"))
    return before[row.name] | _sizes(row, {name: m.of(plan) for name, m in MEASURES.items()})


def _sizes(row: Row, sizes: Mapping[str, int]) -> dict[str, int]:
    return {
        "size_bytes": sizes[row.limits.model_definition],
        "memory_bytes": sizes[row.limits.memory_definition],
        "flash_bytes": sizes["flash"],
        "arena_bytes": sizes["arena"],
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("command", choices=["search", "choose", "train", "table"])
    parser.add_argument("row", nargs="?", choices=list(ROWS))
    parser.add_argument("--candidates", type=int, default=40, help="of the search")
    parser.add_argument(
        "--candidate", type=int, help="that is chosen; default: what the row begins with"
    )
    parser.add_argument(
        "--magnitude", type=float, help="its sparsity, 0 for none; default: as found"
    )
    parser.add_argument("--codebook-bits", type=int, help="of its weights; default: any weights")
    parser.add_argument("--run", type=Path, help="where it was found")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--device", choices=get_args(Device), default="cpu", help="of the training")
    parser.add_argument(
        "--resume", action="store_true", help="an interrupted training of the same settings"
    )
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    models = arguments.results / "models"
    if arguments.command == "table":
        before = read_table(arguments.results)
        summaries = (
            summarise(row, models) or remeasured(row, before, models) for row in ROWS.values()
        )
        rows = [summary for summary in summaries if summary is not None]
        write_results(arguments, "table", rows, {"command": "python -m experiments.published"})
        return
    if arguments.row is None:
        parser.error(f"expected a row: {', '.join(ROWS)}")
    row = ROWS[arguments.row]
    if arguments.command == "choose":
        pruning = (arguments.magnitude, arguments.codebook_bits)
        run = arguments.run or RUNS / row.name
        print(choose(row, run, arguments.candidate, models, *pruning))
        return
    data = load(row, arguments.data_dir)
    if arguments.command == "search":
        search(row, data, arguments.candidates, arguments.workers, arguments.seed)
        return
    chosen = json.loads((models / f"{row.name}.json").read_text())["candidate"]
    candidate = Candidate.from_json(json.dumps(chosen))
    print(row.name, candidate.architecture, describe_pruning(candidate), flush=True)
    device, resume = arguments.device, arguments.resume
    result = train(row, data, candidate, arguments.seed, device, resume=resume)
    path = RUNS / f"{row.name}-seed{arguments.seed}" / "result.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
