"""Builds the replay tables: every network of a stated sub-space, trained from scratch twice.

    python -m experiments.replay_table digits --out runs/tables
    python -m experiments.replay_table mnist --data-dir DATA --out runs/tables --part 0/2
    python -m experiments.replay_table digits --out runs/tables --pack experiments/tables

The journal (JSON lines) makes it resumable: a line per network and seed, written when it is
measured. ``--part i/n`` takes every n-th network, so that n processes share the work. ``--pack``
writes the table that ``sparse_search`` studies are replayed from: see ``experiments.replay``.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from objectives import DEFAULT_OBJECTIVES
from sparse_search.architecture import (
    Architecture,
    Conv2D,
    ConvBlock,
    ConvLayer,
    InputTransform,
    SeparableConv2D,
)
from sparse_search.dataset import Dataset, Split, load_dataset
from sparse_search.evaluation import plan_metrics
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.network import Network
from sparse_search.quantize import quantize
from sparse_search.space import SearchSpace
from sparse_search.training import Augmentation, TrainingConfig, error_rate, train

SEEDS = (0, 1)
CALIBRATION_IMAGES = 256


@dataclass(frozen=True)
class TableSpec:
    """What a table holds.

    Attributes:
        name: Of the table, and of the data set.
        widths: Filters that a layer may have.
        input_pool: Average pooling of the image before the first layer.
        training: How every network is trained.
    """

    name: str
    widths: tuple[int, ...]
    input_pool: int
    training: TrainingConfig

    def load(self, data_dir: Path | None) -> Dataset:
        """The data; of MNIST the first 12,000 training and 10,000 validation images."""
        dataset = load_dataset(self.name, data_dir=data_dir, seed=0)
        if self.name == "mnist":
            train_part = _first(dataset.train, 12_000)
            dataset = replace(
                dataset, train=train_part, validation=_first(dataset.validation, 10_000)
            )
        return dataset


SPECS = {
    "digits": TableSpec("digits", (3, 6, 12), 1, TrainingConfig(epochs=12, batch_size=64)),
    "mnist": TableSpec(
        "mnist", (4, 8), 2, TrainingConfig(epochs=3, augmentation=Augmentation(shift_px=1))
    ),
}


def _first(split: Split, count: int) -> Split:
    if len(split.labels) < count:
        raise SystemExit(f"expected at least {count} images in the split, got {len(split.labels)}")
    return replace(split, images=split.images[:count], labels=split.labels[:count])


def enumerate_networks(spec: TableSpec) -> list[Architecture]:
    """Every network of the sub-space, in a fixed order.

    One to three blocks of one 3x3 layer with padding "same", ordinary or separable, stride 1 or 2,
    without pooling; the head flattens or averages; no hidden layer.
    """
    layers: list[ConvLayer] = [
        kind(filters, 3, stride)
        for kind, filters, stride in product((Conv2D, SeparableConv2D), spec.widths, (1, 2))
    ]
    transform = InputTransform(spec.input_pool)
    return [
        Architecture(tuple(ConvBlock((layer,)) for layer in chosen), (), head, transform)
        for depth in (1, 2, 3)
        for chosen in product(layers, repeat=depth)
        for head in ("flatten", "average")
    ]


def measure(
    architecture: Architecture, seed: int, dataset: Dataset, training: TrainingConfig
) -> dict[str, Any]:
    """Trains one network from scratch and measures its int8 model."""
    space = SearchSpace(dataset.input_shape, dataset.class_count)
    started = time.perf_counter()
    state = int(architecture.hash(), 16) % 2**31
    generator = torch.Generator().manual_seed(state * 1000 + seed)
    network = Network(space.build(architecture), generator)
    result = train(network, dataset, training, generator)
    rows = np.random.default_rng(seed).choice(
        len(dataset.train.labels), CALIBRATION_IMAGES, replace=False
    )
    model = quantize(network, dataset.train.images[np.sort(rows)])
    plan = plan_memory(model, KernelLibrary.RUNTIME)
    measured = {o.name: o.measure(model, plan, dataset) for o in DEFAULT_OBJECTIVES}
    return {
        "objectives": measured,
        "metrics": plan_metrics(plan),
        "float_error": error_rate(network, dataset.validation),
        "curve": result.curve,
        "seconds": round(time.perf_counter() - started, 3),
    }


def todo(spec: TableSpec, journal: Path, part: int, parts: int) -> Iterator[tuple[int, int]]:
    """(network, seed) pairs of this part that the journals do not have yet, in random order."""
    done = {(line["network"], line["seed"]) for line in read_journals(journal.parent, spec.name)}
    pairs = [(n, s) for n in range(len(enumerate_networks(spec))) for s in SEEDS]
    order = np.random.default_rng(0).permutation(len(pairs))
    for index in order[part::parts]:
        if pairs[index] not in done:
            yield pairs[index]


def read_journals(folder: Path, name: str) -> list[dict[str, Any]]:
    """Every complete line of a table's journals; a torn last line is left out."""
    lines: list[dict[str, Any]] = []
    for path in sorted(folder.glob(f"{name}-*.jsonl")):
        for text in path.read_text().splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                continue
    return lines


def main() -> None:
    """Builds a part of a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("table", choices=SPECS)
    parser.add_argument("--out", type=Path, required=True, help="folder of the journals")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--part", default="0/1", help="i/n: every n-th network from the i-th")
    arguments = parser.parse_args()
    part, parts = (int(text) for text in arguments.part.split("/"))
    torch.set_num_threads(1)
    spec = SPECS[arguments.table]
    dataset = spec.load(arguments.data_dir).without_test()
    networks = enumerate_networks(spec)
    arguments.out.mkdir(parents=True, exist_ok=True)
    journal = arguments.out / f"{spec.name}-{part}of{parts}.jsonl"
    for network, seed in todo(spec, journal, part, parts):
        line = {"network": network, "seed": seed}
        line |= measure(networks[network], seed, dataset, spec.training)
        with journal.open("a") as file:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
