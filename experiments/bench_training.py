"""Speed of ``train``: images per second beside plain PyTorch loops, and candidates per hour.

    python -m experiments.bench_training --data-dir DATA --results experiments/results
    python -m experiments.bench_training --data-dir DATA --candidates-per-hour --out runs/hour

The first trains three networks of the space on MNIST, each with each method in a process of its
own, on one thread. Seconds are those of the processor. The methods take turns, and the fastest
training of each counts: other work on the machine only slows down. Reading images, augmentation and
everything else that a method does before its first step is counted; validation is that of 200
images.

The second is described in ``experiments.bench_candidates``.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from sparse_search.architecture import Architecture, Conv2D, ConvBlock, SeparableConv2D
from sparse_search.dataset import Dataset, Split, load_dataset
from sparse_search.graph import Graph
from sparse_search.network import Network
from sparse_search.space import SearchSpace
from sparse_search.training import Augmentation, TrainingConfig, train

from .bench_candidates import measure_candidates
from .plain_training import plain_network, train_on_tensors, train_plain
from .provenance import add_arguments, write_results

NETWORKS = {
    "small": Architecture((ConvBlock((Conv2D(6, 3, 2),), "max"), ConvBlock((Conv2D(12, 3),)))),
    "medium": Architecture(
        (
            ConvBlock((Conv2D(8, 3, 2), SeparableConv2D(16, 3)), "max"),
            ConvBlock((SeparableConv2D(32, 3),)),
        ),
        head="average",
    ),
    "large": Architecture(
        (
            ConvBlock((Conv2D(12, 3),), "max"),
            ConvBlock((Conv2D(24, 3),), "max"),
            ConvBlock((SeparableConv2D(32, 3),)),
        ),
        hidden=(32,),
    ),
}
_REPEATS = 3
CONFIG = TrainingConfig(epochs=1, augmentation=Augmentation(shift_px=1))


def _train_ours(graph: Graph, dataset: Dataset, config: TrainingConfig) -> None:
    generator = torch.Generator().manual_seed(0)
    train(Network(graph, generator), dataset, config, generator)


METHODS: dict[str, Callable[[Graph, Dataset, TrainingConfig], None]] = {
    "sparse_search": _train_ours,
    "plain": lambda graph, data, config: train_plain(plain_network(graph), data.train, config),
    "plain_tensors": lambda graph, data, config: train_on_tensors(
        plain_network(graph), data.train, config
    ),
}


def _part(split: Split, count: int) -> Split:
    return replace(split, images=split.images[:count].copy(), labels=split.labels[:count])


def measure(network: str, method: str, data_dir: Path | None, images: int) -> float:
    """Images per second of processor time of the fastest training, after a short one to warm up."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    whole = load_dataset("mnist", data_dir=data_dir, seed=0).without_test()
    space = SearchSpace(whole.input_shape, whole.class_count)
    graph = space.build(NETWORKS[network])
    seconds = []
    for count in (10 * CONFIG.batch_size, *[images] * _REPEATS):
        dataset = replace(
            whole, train=_part(whole.train, count), validation=_part(whole.validation, 200)
        )
        started = time.process_time()
        METHODS[method](graph, dataset, CONFIG)
        seconds.append(time.process_time() - started)
    return images / min(seconds[1:])


def measure_all(arguments: argparse.Namespace) -> dict[tuple[str, str], float]:
    """The fastest of the rounds by (network, method)."""
    found: dict[tuple[str, str], list[float]] = {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for _ in range(arguments.rounds):
        for network in NETWORKS:
            for method in METHODS:
                command = [sys.executable, "-m", "experiments.bench_training"]
                command += ["--one", f"{network}:{method}", "--images", str(arguments.images)]
                if arguments.data_dir is not None:
                    command += ["--data-dir", str(arguments.data_dir)]
                text = subprocess.run(
                    command, env=environment, check=True, stdout=subprocess.PIPE, text=True
                ).stdout
                found.setdefault((network, method), []).append(float(text))
    return {key: max(values) for key, values in found.items()}


def write(speeds: dict[tuple[str, str], float], arguments: argparse.Namespace) -> None:
    """Writes the table, and beside it what it was made by."""
    rows = [
        {"network": network, "method": method, "images_per_second": round(speed)}
        for (network, method), speed in speeds.items()
    ]
    space = SearchSpace((28, 28, 1), 10)
    graphs = {name: space.build(architecture) for name, architecture in NETWORKS.items()}
    facts = {
        "command": "python -m experiments.bench_training --data-dir DATA",
        "seed": 0,
        "images": arguments.images,
        "trainings": arguments.rounds * _REPEATS,
        "seconds": "of the processor, one thread; the fastest training counts",
        "networks": {
            name: {"macs": graph.macs, "parameters": graph.parameters}
            for name, graph in graphs.items()
        },
        "times_as_fast": {
            f"{network} as {method}": round(speeds[network, "sparse_search"] / speed, 2)
            for (network, method), speed in speeds.items()
            if method != "sparse_search"
        },
    }
    write_results(arguments, "bench_training", rows, facts)


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data-dir", type=Path, help="where MNIST is")
    parser.add_argument("--images", type=int, default=5_120, help="images of a training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--candidates-per-hour", action="store_true")
    parser.add_argument("--candidates", type=int, default=12, help="of each study")
    parser.add_argument("--out", type=Path, default=Path("runs/hour"), help="folder of the studies")
    add_arguments(parser)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        network, method = arguments.one.split(":")
        print(measure(network, method, arguments.data_dir, arguments.images))
    elif arguments.candidates_per_hour:
        measure_candidates(arguments)
    else:
        speeds = measure_all(arguments)
        write(speeds, arguments)
        print((arguments.results / "bench_training.csv").read_text(), end="")


if __name__ == "__main__":
    main()
