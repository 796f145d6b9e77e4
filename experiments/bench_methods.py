"""All pruning methods at equal training cost: error against bytes.

    python -m experiments.bench_methods run --data-dir DATA --out runs/methods
    python -m experiments.bench_methods report --out runs/methods

Two networks of the space, two data sets (digits, and 20,000 images of MNIST), three seeds. A dense
network is trained once for each; every method prunes it to every sparsity with the same budget of
passes, in which an epoch with noise counts as what it costs (``EPOCH_COST``). Then it is quantized.

``bench_methods.csv`` has a row for each model: flash in bytes as exported, with the encodings that
pruning made possible, and the int8 error on the whole test set. Errors are those of single models;
nothing was chosen by them. ``run`` writes a file for each dense network and goes on where it ended.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from pruning import PRUNERS
from sparse_search.architecture import (
    Architecture,
    Conv2D,
    ConvBlock,
    InputTransform,
    SeparableConv2D,
)
from sparse_search.candidate import PruningStep
from sparse_search.dataset import Dataset, load_dataset
from sparse_search.evaluation import EvaluationConfig
from sparse_search.memory import plan_memory
from sparse_search.network import Network
from sparse_search.quantize import quantize
from sparse_search.quantized import error_rate
from sparse_search.report.files import save_png
from sparse_search.space import SearchSpace
from sparse_search.sparsity import STRUCTURED
from sparse_search.training import TrainingConfig, train

from .provenance import add_arguments, write_results

NETWORKS: Mapping[str, Architecture] = MappingProxyType(
    {
        "plain": Architecture((ConvBlock((Conv2D(6, 3, 2), Conv2D(10, 3, 2), Conv2D(16, 3))),)),
        "branching": Architecture(
            (
                ConvBlock((Conv2D(8, 3, 2),)),
                ConvBlock((SeparableConv2D(8, 3), Conv2D(8, 3)), "max", "shortcut", "average"),
                ConvBlock((SeparableConv2D(16, 3),)),
            ),
            hidden=(20,),
            input=InputTransform(fc_branch="average"),
        ),
    }
)
SPARSITIES: Mapping[bool, tuple[float, ...]] = MappingProxyType(
    {True: (0.2, 0.4, 0.6), False: (0.5, 0.7, 0.85)}
)
"""By whether the method is structured."""

EPOCH_COST: Mapping[str, float] = MappingProxyType({"variational": 1.7, "bayesian": 1.3})
"""Processor time of an epoch of a method, averaged over its phases; a plain epoch is 1."""

MNIST_IMAGES = 20_000
_CALIBRATION_IMAGES = 512


def _digits(data_dir: Path | None) -> tuple[Dataset, TrainingConfig, int]:
    data = load_dataset("digits", seed=0)
    return data, EvaluationConfig.for_dataset(data).training, 40


def _mnist(data_dir: Path | None) -> tuple[Dataset, TrainingConfig, int]:
    data = load_dataset("mnist", data_dir=data_dir, seed=0)
    part = replace(
        data.train,
        images=data.train.images[:MNIST_IMAGES],
        labels=data.train.labels[:MNIST_IMAGES],
    )
    return replace(data, train=part), EvaluationConfig.for_dataset(data).training, 6


DATASETS: Mapping[str, Callable[[Path | None], tuple[Dataset, TrainingConfig, int]]] = (
    MappingProxyType({"digits": _digits, "mnist": _mnist})
)
"""Data, dense training and the budget of pruning in plain epochs, by name."""


def run_network(
    name: str, data_name: str, seed: int, data_dir: Path | None
) -> list[dict[str, Any]]:
    """Rows of one dense network, of all its prunings."""
    data, config, budget = DATASETS[data_name](data_dir)
    graph = SearchSpace(data.input_shape, data.class_count).build(NETWORKS[name])
    generator = torch.Generator().manual_seed(seed)
    network = Network(graph, generator)
    started = time.process_time()
    train(network, data, config, generator)
    shared = {"dataset": data_name, "network": name, "seed": seed}
    rows = [shared | _measure("dense", 0.0, network, data, started)]
    fine = config.with_learning_rate(config.learning_rate * EvaluationConfig().fine_tuning_rate)
    for pruner in PRUNERS:
        epochs = max(2, round(budget / EPOCH_COST.get(pruner.name, 1.0)))
        for sparsity in SPARSITIES[pruner.name in STRUCTURED]:
            started = time.process_time()
            pruned = pruner.prune(
                network,
                data,
                PruningStep(pruner.name, sparsity),
                fine.with_epochs(epochs),
                torch.Generator().manual_seed(seed + 1),
            )
            rows.append(shared | _measure(pruner.name, sparsity, pruned, data, started))
    return rows


def _measure(
    method: str, sparsity: float, network: Network, data: Dataset, started: float
) -> dict[str, Any]:
    seconds = time.process_time() - started
    model = quantize(network, data.train.images[:_CALIBRATION_IMAGES])
    plan = plan_memory(model)
    return {
        "method": method,
        "sparsity": sparsity,
        "flash_bytes": plan.flash_bytes,
        "arena_bytes": plan.arena_bytes,
        "nonzeros": plan.nonzeros,
        "test_error": round(error_rate(model, data.open_test()), 4),
        "seconds": round(seconds, 1),
    }


def run(arguments: argparse.Namespace) -> None:
    """Runs what has no file yet."""
    torch.set_num_threads(1)
    for seed in range(arguments.seeds):
        for data_name in DATASETS:
            for name in NETWORKS:
                path = arguments.out / f"{data_name}-{name}-{seed}.json"
                if not path.exists():
                    rows = run_network(name, data_name, seed, arguments.data_dir)
                    path.write_text(json.dumps(rows))
                    print(path, flush=True)


def report(arguments: argparse.Namespace) -> None:
    """Writes the table and the figure of all that has run."""
    rows = [
        row for path in sorted(arguments.out.glob("*.json")) for row in json.loads(path.read_text())
    ]
    facts = {
        "command": "python -m experiments.bench_methods run --data-dir DATA; then report",
        "seed": "as in the table",
        "seconds": "of the processor, for pruning; for the dense network, of its training",
        "epoch_cost": dict(EPOCH_COST),
        "mnist_images": MNIST_IMAGES,
    }
    write_results(arguments, "bench_methods", rows, facts)
    save_png(draw(rows), arguments.results / "bench_methods.png")


_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#999999")


def draw(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Median error against median bytes by method: one panel for each network and data set."""
    figure = Figure(figsize=(10.5, 8.5), layout="constrained")
    panels = figure.subplots(len(DATASETS), len(NETWORKS))
    for axes, (data_name, name) in zip(
        panels.flat, ((d, n) for d in DATASETS for n in NETWORKS), strict=True
    ):
        part = [row for row in rows if row["dataset"] == data_name and row["network"] == name]
        _draw_panel(axes, part)
        axes.set_title(f"{data_name}, {name} network")
    panels[0, 0].legend(fontsize=8)
    return figure


def _draw_panel(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    for (method, points), colour in zip(_medians(rows), _COLOURS, strict=False):
        structured = method in STRUCTURED
        x, y, low, high = np.array(points).T
        spread = [y - low, high - y]
        style = "--" if structured else "-"
        if method == "dense":
            axes.axhline(y[0], color="#999999", lw=1)
            axes.plot(x, y, "k*", ms=10, label="dense")
            continue
        axes.errorbar(
            x,
            y,
            yerr=spread,
            ls=style,
            color=colour,
            marker="o",
            ms=4,
            lw=1.5,
            capsize=2,
            label=method,
        )
    axes.set_xlabel("flash, bytes")
    axes.set_ylabel("int8 test error, %")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(_label_of_few))
    axes.grid(alpha=0.3, which="both")


def _label_of_few(value: float, position: int | None) -> str:
    """The number where it begins with 2 or 5, so that no two labels of a decade collide."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _medians(
    rows: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, list[tuple[float, float, float, float]]]]:
    """By method: (bytes, error, least, largest error in percent) of each sparsity, over seeds."""
    for method in ("dense", *(pruner.name for pruner in PRUNERS)):
        points = []
        for sparsity in sorted({row["sparsity"] for row in rows if row["method"] == method}):
            same = [r for r in rows if r["method"] == method and r["sparsity"] == sparsity]
            errors = [100.0 * row["test_error"] for row in same]
            size = median(row["flash_bytes"] for row in same)
            points.append((size, median(errors), min(errors), max(errors)))
        if points:
            yield method, points


def main() -> None:
    """Runs trainings, or reports on them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--data-dir", type=Path, help="where MNIST is")
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    parser.add_argument("--seeds", type=int, default=3)
    add_arguments(parser)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    (run if arguments.command == "run" else report)(arguments)


if __name__ == "__main__":
    main()
