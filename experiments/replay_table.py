"""Builds the replay tables: every network of a stated sub-space, trained from scratch twice.

    python -m experiments.replay_table digits --out runs/tables
    python -m experiments.replay_table mnist --data-dir DATA --out runs/tables --part 0/2
    python -m experiments.replay_table digits --out runs/tables --pack experiments/tables

The journal (JSON lines) makes it resumable: a line per network and seed, written when it is
measured. ``--part i/n`` takes every n-th network, so that n processes share the work. ``--pack``
writes the table that searches are replayed from (see ``experiments.replay``); ``--commit`` and
``--machine`` say in it where its networks were trained.
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
from pydantic import TypeAdapter

from objectives import DEFAULT_OBJECTIVES
from sparse_search.architecture import (
    Architecture,
    Conv2D,
    ConvBlock,
    ConvLayer,
    HeadKind,
    InputTransform,
    LayerKind,
    SeparableConv2D,
)
from sparse_search.dataset import Dataset, Split, load_dataset
from sparse_search.evaluation import plan_metrics
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.network import Network
from sparse_search.quantize import quantize
from sparse_search.space import RecipeRange, SearchSpace
from sparse_search.training import Augmentation, TrainingConfig, error_rate, train

from .replay import Draw, write_table

SEEDS = (0, 1)
CALIBRATION_IMAGES = 256


@dataclass(frozen=True)
class TableSpec:
    """What a table holds.

    Attributes:
        name: Of the table, and of the data set.
        kinds: Types of layers.
        widths: Filters that a layer may have.
        heads: How the last feature map reaches the output layer.
        input_pool: Average pooling of the image before the first layer.
        training: How every network is trained.
    """

    name: str
    kinds: tuple[LayerKind, ...]
    widths: tuple[int, ...]
    heads: tuple[HeadKind, ...]
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
    "digits": TableSpec(
        "digits",
        ("conv", "separable"),
        (3, 6, 12),
        ("flatten",),
        1,
        TrainingConfig(epochs=12, batch_size=64),
    ),
    "mnist": TableSpec(
        "mnist",
        ("conv",),
        (4, 8),
        ("flatten", "average"),
        2,
        TrainingConfig(epochs=3, augmentation=Augmentation(shift_px=1)),
    ),
}


def _first(split: Split, count: int) -> Split:
    if len(split.labels) < count:
        raise SystemExit(f"expected at least {count} images in the split, got {len(split.labels)}")
    return replace(split, images=split.images[:count], labels=split.labels[:count])


def enumerate_networks(spec: TableSpec) -> list[Architecture]:
    """Every network of the sub-space, in a fixed order.

    One to three blocks of one 3x3 layer with padding "same" and stride 1 or 2, without pooling; no
    hidden layer.
    """
    layers: list[ConvLayer] = [
        (Conv2D if kind == "conv" else SeparableConv2D)(filters, 3, stride)
        for kind, filters, stride in product(spec.kinds, spec.widths, (1, 2))
    ]
    transform = InputTransform(spec.input_pool)
    return [
        Architecture(tuple(ConvBlock((layer,)) for layer in chosen), (), head, transform)
        for depth in (1, 2, 3)
        for chosen in product(layers, repeat=depth)
        for head in spec.heads
    ]


def table_space(spec: TableSpec, dataset: Dataset) -> SearchSpace:
    """The space of exactly the networks that ``enumerate_networks`` lists, in canonical form."""
    return SearchSpace(
        dataset.input_shape,
        dataset.class_count,
        max_blocks=3,
        max_layers=1,
        max_filters=max(spec.widths),
        widths=spec.widths,
        kinds=spec.kinds,
        kernels=(3,),
        strides=(1, 2),
        paddings=("same",),
        reductions_percent=(),
        pools=("none",),
        branches=("none",),
        fc_branches=("none",),
        input_pools=(spec.input_pool,),
        heads=spec.heads,
        max_hidden=0,
        pruning=(),
        recipes=RecipeRange.fixed(),
    )


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
    """(network, seed) pairs of this part that the journals do not have yet.

    Networks come in random order, those that lack one seed only first, so that an unfinished
    table holds as many whole networks as possible.
    """
    done = {(line["network"], line["seed"]) for line in read_journals(journal.parent, spec.name)}
    order = np.random.default_rng(0).permutation(len(enumerate_networks(spec)))[part::parts]
    begun = {network for network, _ in done}
    for network in sorted(order.tolist(), key=lambda network: network not in begun):
        for seed in SEEDS:
            if (network, seed) not in done:
                yield network, seed


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


def pack(
    spec: TableSpec, dataset: Dataset, journals: Path, out: Path, builder: dict[str, str]
) -> str:
    """Writes the table of all networks that have every seed.

    Args:
        spec: What the table holds.
        dataset: What its networks learned.
        journals: Folder of the journals.
        out: File to write.
        builder: Commit and machine that trained the networks.

    Returns:
        What was written, in words.
    """
    count = len(dataset.validation.labels)
    lines = {(line["network"], line["seed"]): line for line in read_journals(journals, spec.name)}
    architectures = enumerate_networks(spec)
    whole = [n for n in range(len(architectures)) if all((n, seed) in lines for seed in SEEDS)]
    draws = [_draw(lines[n, seed], count) for n in whole for seed in SEEDS]
    missing = len(architectures) - len(whole)
    facts = {
        "name": spec.name,
        "data": f"{len(dataset.train.labels)} training and {count} validation images",
        "fingerprint": dataset.fingerprint(),
        "training": TypeAdapter(TrainingConfig).dump_python(spec.training, mode="json"),
        "seeds": SEEDS,
        "enumerated": len(architectures),
        "missing": missing,
        **builder,
    }
    write_table(
        out,
        facts=facts,
        space=table_space(spec, dataset),
        validation_images=count,
        networks={n: architectures[n] for n in whole},
        draws=draws,
    )
    return f"{out}: {len(whole)} networks, {missing} missing, {out.stat().st_size / 1024:.0f} KiB"


def _draw(line: dict[str, Any], validation_images: int) -> Draw:
    """A line of a journal with its errors as counts."""

    def count(error: float) -> int:
        wrong = round(error * validation_images)
        if wrong / validation_images != error:
            raise SystemExit(f"expected an error on {validation_images} images, got {error}")
        return wrong

    return Draw(
        network=line["network"],
        seed=line["seed"],
        wrong=count(line["objectives"]["val_error"]),
        float_wrong=count(line["float_error"]),
        curve=tuple(count(error) for error in line["curve"]),
        metrics=line["metrics"],
        seconds=line["seconds"],
    )


def main() -> None:
    """Builds a part of a table, or packs what was built."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("table", choices=SPECS)
    parser.add_argument("--out", type=Path, required=True, help="folder of the journals")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--part", default="0/1", help="i/n: every n-th network from the i-th")
    parser.add_argument("--pack", type=Path, help="write the table into this folder and stop")
    parser.add_argument("--commit", default="unknown", help="of the code that built the journals")
    parser.add_argument("--machine", default="unknown", help="that built the journals, in words")
    arguments = parser.parse_args()
    part, parts = (int(text) for text in arguments.part.split("/"))
    torch.set_num_threads(1)
    spec = SPECS[arguments.table]
    dataset = spec.load(arguments.data_dir).without_test()
    if arguments.pack:
        builder = {"commit": arguments.commit, "machine": arguments.machine}
        out = arguments.pack / f"{spec.name}.json.gz"
        print(pack(spec, dataset, arguments.out, out, builder))
        return
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
