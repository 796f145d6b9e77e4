"""TrainingState: everything that a training needs to go on after an epoch, as one file."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from .atomic_files import write_at_once

_CURVE, _KEY = "curve", "key"
_NETWORK, _OPTIMIZER, _GENERATOR = "network.", "optimizer.", "generator"


@dataclass(frozen=True, eq=False)
class TrainingState:
    """Where a training stands between two epochs.

    Attributes:
        network: Weights and running statistics by name.
        optimizer: What the optimizer remembers, by name.
        generator: State of the source of everything random.
        curve: Validation error (fraction) after each epoch so far.
    """

    network: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    generator: Tensor
    curve: tuple[float, ...]

    def save(self, path: Path, key: str) -> None:
        """Writes one safetensors file, at once or not at all.

        Args:
            path: Replaced if it exists.
            key: Of everything that the training depends on.
        """
        tensors = {_GENERATOR: self.generator}
        tensors |= {_NETWORK + name: value for name, value in self.network.items()}
        tensors |= {_OPTIMIZER + name: value for name, value in self.optimizer.items()}
        metadata = {_CURVE: json.dumps(self.curve), _KEY: key}
        stored = {name: value.cpu().contiguous() for name, value in tensors.items()}
        write_at_once(path, lambda partial: save_file(stored, str(partial), metadata=metadata))

    @staticmethod
    def load(path: Path, key: str) -> "TrainingState | None":
        """Reads ``save``'s file; None if it was written with another key.

        Raises:
            FileNotFoundError: There is no file.
            SafetensorError: It is damaged.
        """
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
        if metadata.get(_KEY) != key:
            return None
        curve = tuple(json.loads(metadata[_CURVE]))
        tensors = load_file(str(path))
        return TrainingState(
            _with_prefix(tensors, _NETWORK),
            _with_prefix(tensors, _OPTIMIZER),
            tensors[_GENERATOR],
            curve,
        )


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def clone(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies that later steps do not change."""
    return {name: value.detach().clone() for name, value in tensors.items()}


def generator_state(generator: torch.Generator) -> Tensor:
    """The state of a generator as bytes."""
    state: Tensor = generator.get_state()
    return state.clone()
