"""What a study was created with, as JSON, and how that differs from what is asked for now."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import TypeAdapter

from . import __version__
from .errors import StudyError

if TYPE_CHECKING:
    from .dataset import Dataset
    from .evaluation import EvaluationConfig
    from .workers import Device, WorkerCount

# Recorded for a reader; a study may continue where they differ. The fingerprint says whether data
# is the same, wherever it comes from and however it was read.
_INFORMATION = ("version", "dataset.source", "dataset.options", "dataset.images")

# Characters of a value that a message shows.
_LONGEST = 200


class Named(Protocol):
    """A morphism, pruner, objective or strategy: its name is what a study records."""

    @property
    def name(self) -> str:
        """Unique name."""
        ...


def study_settings(
    *,
    dataset: "Dataset",
    values: Mapping[str, Any],
    parts: Mapping[str, Sequence[Named]],
) -> dict[str, Any]:
    """Settings by name, as a journal stores them.

    Args:
        dataset: Recorded by name, source, options of reading, sizes of its splits, fingerprint.
        values: Numbers, texts and frozen dataclasses.
        parts: Families of plug-ins, recorded by their names.
    """
    return {
        "version": __version__,
        "dataset": {
            "name": dataset.name,
            "source": dataset.source,
            "options": dataset.options.given,
            "images": {"train": len(dataset.train), "validation": len(dataset.validation)},
            "fingerprint": dataset.fingerprint(),
        },
        **{name: to_json_value(value) for name, value in values.items()},
        **{family: [part.name for part in members] for family, members in parts.items()},
    }


def to_json_value(value: Any) -> Any:
    """A value or dataclass as dicts, lists, numbers, texts and None.

    >>> from sparse_search.candidate import PruningStep
    >>> to_json_value(PruningStep("magnitude", 0.5))
    {'method': 'magnitude', 'sparsity': 0.5, 'layers': [], 'threshold': None}
    """
    return TypeAdapter(type(value)).dump_python(value, mode="json")


def training_config(
    dataset: "Dataset",
    config: "EvaluationConfig | None",
    device: "Device | None",
    workers: "WorkerCount",
) -> "EvaluationConfig":
    """How candidates are trained, and where.

    Args:
        dataset: Decides how where ``config`` is None.
        config: How.
        device: Where; None leaves it to ``config``.
        workers: Who trains.

    Raises:
        StudyError: This machine does the training and has no such device.
    """
    from .evaluation import EvaluationConfig  # imports torch
    from .training import check_device

    config = config or EvaluationConfig.for_dataset(dataset)
    if device is not None:
        config = config.on(device)
    if workers != "ray":  # Else it is the machines of the cluster that need it.
        check_device(config.training.device)
    return config


def check_settings(folder: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Compares a study's settings with those it shall continue with.

    Raises:
        StudyError: They differ; names each setting, both values and the remedy.
    """
    found = [
        f"{name}: the study has {ours}, this call has {theirs}"
        for name, ours, theirs in _differences("", stored, wanted)
        if not name.startswith(_INFORMATION)
    ]
    if found:
        ours, theirs = (s.get("dataset", {}).get("options", {}) for s in (stored, wanted))
        if ours != theirs:
            found.append(f"dataset.options: the study has {ours}, this call has {theirs}")
        raise StudyError(
            f"{folder} was created with other settings:\n  "
            + "\n  ".join(found)
            + "\nuse the same settings to continue it, or another folder for a new study"
        )


def _differences(name: str, stored: Any, wanted: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(stored, Mapping) and isinstance(wanted, Mapping):
        for key in sorted({*stored, *wanted}):
            inner = f"{name}.{key}" if name else key
            yield from _differences(inner, stored.get(key), wanted.get(key))
    elif stored != wanted:
        yield name, *_shown(stored, wanted)


def _shown(stored: Any, wanted: Any) -> tuple[str, str]:
    """Both values; of long lists only how many entries they have."""
    texts = repr(stored), repr(wanted)
    if max(map(len, texts)) <= _LONGEST:
        return texts
    ours, theirs = _in_short(stored), _in_short(wanted)
    return ours, theirs if ours != theirs else f"{theirs} that differ"


def _in_short(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = "none" if value is None else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
