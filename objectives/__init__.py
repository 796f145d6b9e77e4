"""Objectives: one number each, with a unit; all are minimised.

To add one, copy a file, edit it, and add one line to ``OBJECTIVES``; the contract test picks it up.
"""

from sparse_search.interfaces import Objective
from sparse_search.target import Limits

from .error import ValidationError
from .macs import Macs
from .model_size import ModelSize
from .working_memory import WorkingMemory

OBJECTIVES: tuple[Objective, ...] = (
    ValidationError(),
    ModelSize("flash"),
    ModelSize("nonzeros"),
    ModelSize("int8-dense"),
    WorkingMemory("arena"),
    WorkingMemory("in+weights"),
    WorkingMemory("in+out"),
    WorkingMemory("live-no-input"),
    Macs(),
)


def trade_off(limits: Limits) -> tuple[Objective, ...]:
    """Validation error, and the size of the model and the working memory that the limits mean."""
    return (
        ValidationError(),
        ModelSize(limits.model_definition),
        WorkingMemory(limits.memory_definition),
    )


DEFAULT_OBJECTIVES = trade_off(Limits())
"""Those of flash and arena."""

__all__ = [
    "DEFAULT_OBJECTIVES",
    "OBJECTIVES",
    "Macs",
    "ModelSize",
    "ValidationError",
    "WorkingMemory",
    "trade_off",
]
