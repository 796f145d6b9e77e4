"""What is wrong with JSON that a person wrote, in words."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

_MOST = 5


def describe(error: ValidationError) -> str:
    """Where values are wrong and what was expected there, in one line."""
    found = error.errors()
    texts = [f"{_place(e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in found[:_MOST]]
    return "; ".join(texts) + ("; …" if len(found) > _MOST else "")


def unknown_keys(given: Any, known: Any) -> Iterator[str]:
    """Places of keys that were given and not read.

    Args:
        given: JSON values.
        known: What was read of them, as JSON values again.

    >>> list(unknown_keys({"a": [{"b": 1, "c": 2}], "d": 3}, {"a": [{"b": 1}], "e": 4}))
    ['a.0.c', 'd']
    """
    return _unknown((), given, known)


def _unknown(place: tuple[str | int, ...], given: Any, known: Any) -> Iterator[str]:
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key not in known:
                yield _place((*place, key))
            else:
                yield from _unknown((*place, key), value, known[key])
    elif isinstance(given, list) and isinstance(known, list):
        for index, (ours, theirs) in enumerate(zip(given, known, strict=False)):
            yield from _unknown((*place, index), ours, theirs)


def _place(parts: tuple[str | int, ...]) -> str:
    return ".".join(map(str, parts)) or "document"
