"""Networks that a search begins with, in place of random ones: from a file, or from another run.

They are trained from scratch like any other candidate, and what breaks the limits of the new search
is narrowed until it keeps them: so the front of one board can be the beginning of another's.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from .architecture import Architecture
from .candidate import Candidate
from .errors import ArchitectureError, StudyError
from .finals import representatives, useful
from .forecast import Forecaster
from .json_errors import describe, unknown_keys
from .record import StudyRecord
from .search.feasible import Sieve
from .target import Limits

Start: TypeAlias = Sequence[Architecture | Candidate]

_MODELS = 8
"""Of the front of another run, those that stand for it."""

_ADAPTER: TypeAdapter[tuple[Candidate, ...]] = TypeAdapter(tuple[Candidate, ...])


def read_start(path: Path) -> tuple[Candidate, ...]:
    """What a search may begin with.

    Args:
        path: A run folder, whose front is taken; or a JSON file with an architecture, with a
            candidate (an architecture with pruning and recipe), or with a list of them.

    Raises:
        StudyError: There is nothing of that kind.
    """
    if path.is_dir():
        record = StudyRecord.open(path)
        front = sorted(record.front().evaluations, key=lambda e: e.objectives["val_error"])
        if not front:
            raise StudyError(f"expected a run with a front in {path}, its front is empty")
        members = representatives(useful(front, record.space.class_count), _MODELS)
        return tuple(_fresh(member.candidate) for member in members)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StudyError(f"expected a run folder or a JSON file in {path}: {reason}") from None
    return tuple(
        _parse(part, path) for part in (content if isinstance(content, list) else [content])
    )


def _parse(content: Any, path: Path) -> Candidate:
    try:
        if not (isinstance(content, dict) and "architecture" in content):
            return _fresh(Candidate(0, Architecture.from_json(json.dumps(content))))
        candidate = Candidate.from_json(json.dumps({"id": 0, **content}))
        Architecture.from_json(json.dumps(content["architecture"]))  # knows its keys
    except (ArchitectureError, ValidationError) as error:
        reason = describe(error) if isinstance(error, ValidationError) else str(error)
        raise StudyError(f"expected an architecture or a candidate in {path}: {reason}") from None
    unknown = [*unknown_keys(content, json.loads(candidate.to_json()))]
    if unknown:
        raise StudyError(
            f"expected an architecture or a candidate in {path}, found unknown keys: "
            f"{', '.join(unknown)}"
        )
    return _fresh(candidate)


def _fresh(candidate: Candidate) -> Candidate:
    """The same network, pruning and recipe, as a search would propose it from nothing."""
    return Candidate(
        0,
        candidate.architecture,
        candidate.pruning,
        candidate.recipe,
        "given",
        codebook_bits=candidate.codebook_bits,
    )


def fit_start(start: Start, forecaster: Forecaster, limits: Limits) -> tuple[Candidate, ...]:
    """The candidates of a search that begins so, numbered from 0; what is there twice goes once.

    Raises:
        StudyError: The space does not contain one of them, or none can be made to keep the limits.
    """
    sieve = Sieve(forecaster, limits)
    members = [_member(one, forecaster) for one in start]
    admitted = (sieve.admit(member) for member in members)
    fitting = [forecast.candidate for forecast in admitted if forecast is not None]
    if members and not fitting:
        raise StudyError(f"no network of the start can keep the limits: {sieve.error()}")
    return tuple(replace(candidate, id=number) for number, candidate in enumerate(fitting))


def _member(one: Architecture | Candidate, forecaster: Forecaster) -> Candidate:
    """As a candidate of the space."""
    candidate = _fresh(one if isinstance(one, Candidate) else Candidate(0, one))
    space = forecaster.space
    objection = space.objection(candidate.architecture)
    if objection is None:
        known = {method for allowed in space.pruning for method in allowed.methods}
        unknown = [step.method for step in candidate.pruning if step.method not in known]
        objection = f"the space does not prune by {', '.join(unknown)}" if unknown else None
    if objection is not None:
        raise StudyError(f"a network of the start cannot be searched from: {objection}")
    return replace(candidate, architecture=space.canonical(candidate.architecture))


def stored_start(settings: Mapping[str, Any]) -> tuple[Candidate, ...]:
    """What a study began with."""
    return _ADAPTER.validate_python(settings.get("start", ()))


def start_settings(start: tuple[Candidate, ...]) -> dict[str, Any]:
    """What a study records of it: nothing where it begins at random."""
    return {"start": _ADAPTER.dump_python(start, mode="json")} if start else {}
