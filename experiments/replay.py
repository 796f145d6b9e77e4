"""Replay tables: every network of a stated sub-space, trained before, so a search takes seconds.

    table = ReplayTable.load("experiments/tables/digits.json.gz")
    evaluation = table.evaluate(candidate, seed=0)

A network was trained from scratch several times. A replayed search sees one of these draws,
chosen by its seed, as a live search would; it is judged by their mean, so that luck does not count.
Nothing is interpolated: a network that the table does not hold cannot be evaluated.

The file is gzipped JSON. Errors are counts of wrong validation images, so they are exact.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from sparse_search.architecture import Architecture
from sparse_search.candidate import Candidate, Evaluation, Recipe
from sparse_search.space import SearchSpace

FORMAT = 1
OBJECTIVES = ("val_error", "flash_bytes", "arena_bytes")
_SPACE = TypeAdapter(SearchSpace)


class MissingNetworkError(LookupError):
    """The table holds no network like this candidate."""


@dataclass(frozen=True)
class Draw:
    """One training of one network.

    Attributes:
        network: Number of the network in the enumeration.
        seed: Of the training.
        wrong: Validation images that the int8 model gets wrong.
        float_wrong: Those that the float network gets wrong.
        curve: Those that the float network got wrong after each epoch.
        metrics: Every figure of the memory plan by name.
        seconds: Wall time of training and measuring.
    """

    network: int
    seed: int
    wrong: int
    float_wrong: int
    curve: tuple[int, ...]
    metrics: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class ReplayTable:
    """Networks and what was measured of them.

    Attributes:
        facts: What the table is: data, training, seeds, commit, machine, missing networks.
        space: The sub-space that was enumerated; all its networks, or most, are in the table.
        validation_images: On how many images errors were measured.
        draws: Trainings by canonical architecture. The enumeration may spell a network twice, so
            some have more of them than there are seeds.
    """

    facts: Mapping[str, Any]
    space: SearchSpace
    validation_images: int
    draws: Mapping[Architecture, tuple[Draw, ...]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.draws)

    def __contains__(self, candidate: Candidate) -> bool:
        plain = not candidate.pruning and candidate.recipe == Recipe()
        return plain and candidate.architecture in self.draws

    def evaluate(self, candidate: Candidate, seed: int) -> Evaluation:
        """What one training measured; the same for the same network and seed.

        Raises:
            MissingNetworkError: The table does not hold the network.
        """
        draws = self._draws(candidate)
        first = draws[0]
        draw = draws[int(np.random.default_rng([seed, first.network]).integers(len(draws)))]
        return Evaluation(
            candidate,
            dict(zip(OBJECTIVES, self._objectives(draw), strict=True)),
            {"float_val_error": draw.float_wrong / self.validation_images, **draw.metrics},
            tuple(wrong / self.validation_images for wrong in draw.curve),
            draw.seconds,
        )

    def mean_objectives(self, candidate: Candidate) -> NDArray[np.float64]:
        """Mean of ``OBJECTIVES`` over all trainings of the network, [3].

        Raises:
            MissingNetworkError: The table does not hold the network.
        """
        draws = self._draws(candidate)
        values = np.array([self._objectives(draw) for draw in draws])
        return np.asarray(values.mean(axis=0), dtype=np.float64)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """Mean of ``OBJECTIVES`` of every network, [n, 3]."""
        candidates = (Candidate(0, architecture) for architecture in self.draws)
        return np.array([self.mean_objectives(candidate) for candidate in candidates])

    def _draws(self, candidate: Candidate) -> tuple[Draw, ...]:
        if candidate not in self:
            raise MissingNetworkError(
                f"expected a network of the table, without pruning and with the study's recipe, "
                f"got {candidate.architecture.hash()}; propose from the table's space"
            )
        return self.draws[candidate.architecture]

    def _objectives(self, draw: Draw) -> tuple[float, float, float]:
        error = draw.wrong / self.validation_images
        return (error, draw.metrics["flash_bytes"], draw.metrics["arena_bytes"])

    @staticmethod
    def load(path: str | Path) -> "ReplayTable":
        """Reads ``write_table``'s file.

        Raises:
            ValueError: Not such a file.
        """
        content = json.loads(gzip.decompress(Path(path).read_bytes()))
        if content.get("format") != FORMAT:
            raise ValueError(f"{path}: expected a replay table of format {FORMAT}; build it again")
        space = _SPACE.validate_python(content["space"])
        spelled = [
            (item["number"], space.canonical(Architecture.from_json(json.dumps(item["network"]))))
            for item in content["networks"]
        ]
        by_number: dict[int, list[Draw]] = {}
        columns = content["draws"]
        names = [name for name in columns if name not in _COLUMNS]
        for i, network in enumerate(columns["network"]):
            metrics = {name: float(columns[name][i]) for name in names}
            fixed = {name: columns[name][i] for name in _COLUMNS} | {
                "curve": tuple(columns["curve"][i])
            }
            by_number.setdefault(network, []).append(Draw(metrics=metrics, **fixed))
        draws: dict[Architecture, tuple[Draw, ...]] = {}
        for number, architecture in spelled:
            draws[architecture] = (*draws.get(architecture, ()), *by_number[number])
        return ReplayTable(content["facts"], space, content["validation_images"], draws)


_COLUMNS = ("network", "seed", "wrong", "float_wrong", "curve", "seconds")


def write_table(
    path: Path,
    *,
    facts: Mapping[str, Any],
    space: SearchSpace,
    validation_images: int,
    networks: Mapping[int, Architecture],
    draws: Sequence[Draw],
) -> None:
    """Writes a table; the same content gives the same bytes.

    Args:
        path: File to write.
        facts: What the table is, as JSON values.
        space: The sub-space.
        validation_images: On how many images errors were measured.
        networks: Architectures by their number in the enumeration.
        draws: Every training of these networks.
    """
    rows = sorted(draws, key=lambda draw: (draw.network, draw.seed))
    columns: dict[str, list[Any]] = {
        name: [getattr(draw, name) for draw in rows] for name in _COLUMNS
    }
    for name in rows[0].metrics if rows else ():
        columns[name] = [_short(draw.metrics[name]) for draw in rows]
    content = {
        "format": FORMAT,
        "facts": dict(facts),
        "space": json.loads(_SPACE.dump_json(space)),
        "validation_images": validation_images,
        "networks": [
            {"number": number, "network": json.loads(architecture.to_json())}
            for number, architecture in sorted(networks.items())
        ],
        "draws": columns,
    }
    text = json.dumps(content, separators=(",", ":"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def _short(value: float) -> float:
    """An integer where the number is one: it takes fewer characters."""
    return int(value) if value == int(value) else value
