"""The pruning methods on the networks on which they were published, beside reported figures.

    python -m experiments.bench_pruning --data-dir DATA --out runs/pruning

LeNet-300-100 and LeNet-5-Caffe on MNIST, without augmentation: a dense training, then ``prune``
with a threshold, which lets the method find out what can go. Each training is a file in ``--out``;
what is there is not run again. ``bench_pruning.csv`` has a row for each training, for the dense
network, and for each figure that is reported of a paper.

nonzeros       weights that are not zero, biases not counted, as in the papers
compression    weights of the network before pruning / nonzeros
test_error     fraction of the 10,000 test images, in floating point as in the papers
units          what is left of inputs and channels of each layer: rows and columns that are not zero
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from pruning import prune
from pruning.bayesian import BayesianPruner
from pruning.variational import VariationalPruner
from sparse_search.cutting import without_dead_channels
from sparse_search.dataset import Dataset, load_dataset
from sparse_search.graph import Conv2d, Dense
from sparse_search.network import Network
from sparse_search.training import TrainingConfig, error_rate, train

from .lenets import LENETS
from .provenance import add_arguments, write_results

PUBLISHED: Sequence[Mapping[str, Any]] = (
    {
        "network": "lenet-300-100",
        "method": "variational, about what is restated of arXiv:1701.05369",
        "compression": 68,
        "test_error": 0.019,
    },
    {
        "network": "lenet-5-caffe",
        "method": "variational, arXiv:1701.05369 (up to 280 times, its abstract)",
        "compression": 280,
        "test_error": 0.0075,
    },
    {
        "network": "lenet-5-caffe",
        "method": "bayesian, about what is restated of arXiv:1705.08665",
        "nonzeros": 25 * 8 + 25 * 8 * 13 + 88 * 13 + 13 * 10,
        "compression": 106,
        "test_error": 0.010,
        "units": "8-13-88-13",
    },
)
"""Goals beside which the table stands. All but the factor 280 were taken from what others report of
the papers and not read there. The nonzeros of units that are left follow from their number."""

COLUMNS = (
    "network",
    "method",
    "seed",
    "nonzeros",
    "compression",
    "test_error",
    "units",
    "dense_epochs",
    "epochs",
    "seconds",
)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained and pruned.

    Attributes:
        dense_epochs: Before pruning.
        rounds: Epochs of each pruning, one after another: most with noise, then without. After each
            the channels go that are without use, so that later rounds are faster.
        pruner: The method.
        threshold: Log alpha above which something goes: 3 is that of arXiv:1701.05369. Of scales
            it is lower, since once the weights are noise their scale has nothing left to do.
        dense_rate: Peak learning rate of the dense training.
        rate: Peak learning rate of pruning.
    """

    dense_epochs: int
    rounds: tuple[int, ...]
    pruner: VariationalPruner | BayesianPruner
    threshold: float
    dense_rate: float = 2e-3
    rate: float = 1e-3


_VARIATIONAL = VariationalPruner(noise_share=0.85, ramp=0.2, distance=80.0)
_BAYESIAN = BayesianPruner(noise_share=0.8, distance=60.0)

# Means must shrink as fast as variances grow: at a third of this rate a network of 60 epochs keeps
# a half more weights.
_RATE = 3e-3

RECIPES: Mapping[tuple[str, str], Recipe] = {
    ("lenet-300-100", "variational"): Recipe(2, (180,), _VARIATIONAL, 3.0, rate=_RATE),
    ("lenet-5-caffe", "variational"): Recipe(2, (24, 60, 60, 60), _VARIATIONAL, 3.0, rate=_RATE),
    ("lenet-300-100", "bayesian"): Recipe(20, (125,), _BAYESIAN, -3.0),
    ("lenet-5-caffe", "bayesian"): Recipe(8, (24, 50, 50), _BAYESIAN, -3.0),
}


def run_training(network_name: str, method: str, seed: int, data: Dataset) -> list[dict[str, Any]]:
    """Rows of the dense and of the pruned network."""
    recipe = RECIPES[network_name, method]
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    started = time.process_time()
    network = Network(LENETS[network_name](), generator)
    config = TrainingConfig(recipe.dense_epochs, 128, recipe.dense_rate, weight_decay=0.0)
    train(network, data, config, generator)
    dense = _row(network, network, data, seed, started) | {"method": "dense"}
    pruned = network
    for epochs in recipe.rounds:
        pruned = prune(
            pruned,
            data,
            recipe.pruner,
            threshold=recipe.threshold,
            config=replace(config, epochs=epochs, learning_rate=recipe.rate),
            generator=generator,
        )
        pruned = without_dead_channels(pruned)
        left = _row(pruned, network, data, seed, started)
        print(network_name, method, left, flush=True)
    row = left | {"method": method, "epochs": sum(recipe.rounds)}
    shared = {"network": network_name, "dense_epochs": recipe.dense_epochs}
    return [shared | dense, shared | row]


def _row(
    network: Network, before: Network, data: Dataset, seed: int, started: float
) -> dict[str, Any]:
    counts = [int(torch.count_nonzero(unit.weight)) for _, unit in network]
    weights = sum(unit.weight.numel() for _, unit in before)
    return {
        "seed": seed,
        "nonzeros": sum(counts),
        "compression": round(weights / max(1, sum(counts)), 1),
        "test_error": round(error_rate(network, data.open_test()), 4),
        "units": units_left(network),
        "seconds": round(time.process_time() - started),
    }


def units_left(network: Network) -> str:
    """Inputs and units that any weight reads or makes, first to last, joined by hyphens.

    The first number is that of the filters of the first convolution, or of the inputs of a network
    without one; the number of classes is left out, as in arXiv:1705.08665. A fully connected layer
    after a convolution counts its inputs, too.
    """
    found: list[int] = []
    convolutional = isinstance(network.graph.weighted[0], Conv2d)
    after_convolution = not convolutional
    for operator, unit in network:
        nonzero = unit.weight.detach() != 0
        if isinstance(operator, Dense) and after_convolution:
            found.append(int(nonzero.any(0).sum()))
        after_convolution = isinstance(operator, Conv2d)
        rows = nonzero.flatten(1).any(1)
        found.append(int(rows.sum()))
    return "-".join(map(str, found[:-1]))


def write_table(arguments: argparse.Namespace) -> None:
    """Joins the rows of all trainings with those of the papers."""
    rows: list[dict[str, Any]] = [dict(row) for row in PUBLISHED]
    seen = set()
    for path in sorted(arguments.out.glob("*.json")):
        for row in json.loads(path.read_text()):
            key = (row["network"], row["method"], row["seed"])
            if key not in seen:
                seen.add(key)
                rows.append(row)
    table = [{name: row.get(name, "") for name in COLUMNS} for row in rows]
    facts = {
        "command": "python -m experiments.bench_pruning --data-dir DATA --out runs/pruning",
        "seed": "as in the table",
        "seconds": "of the processor, dense training included",
    }
    write_results(arguments, "bench_pruning", table, facts)


def main() -> None:
    """Runs the trainings that have no file yet, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data-dir", type=Path, help="where MNIST is")
    parser.add_argument("--out", type=Path, default=Path("runs/pruning"))
    parser.add_argument("--networks", nargs="+", choices=LENETS, default=list(LENETS))
    parser.add_argument("--methods", nargs="+", default=["variational", "bayesian"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--report", action="store_true", help="write the table and run nothing")
    add_arguments(parser)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not arguments.report:
        data = load_dataset("mnist", data_dir=arguments.data_dir, seed=0)
        for seed in arguments.seeds:
            for network in arguments.networks:
                for method in arguments.methods:
                    path = arguments.out / f"{network}-{method}-{seed}.json"
                    if not path.exists():
                        rows = run_training(network, method, seed, data)
                        path.write_text(json.dumps(rows))
                        print(path, rows[-1], flush=True)
    write_table(arguments)


if __name__ == "__main__":
    main()
