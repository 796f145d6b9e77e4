"""Objectives: one number each, with a unit; all are minimised.

To add one, copy a file, edit it, and add one line to ``OBJECTIVES``; the contract test picks it up.
"""

from sparse_search.interfaces import Objective

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

DEFAULT_OBJECTIVES: tuple[Objective, ...] = (
    ValidationError(),
    ModelSize("flash"),
    WorkingMemory("arena"),
)

__all__ = [
    "DEFAULT_OBJECTIVES",
    "OBJECTIVES",
    "Macs",
    "ModelSize",
    "ValidationError",
    "WorkingMemory",
]
