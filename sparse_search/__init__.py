"""Bayesian multi-objective architecture search for microcontrollers.

From a data set and a board to a Pareto front of small networks, and from a network of the front
to int8 C that is proved to fit and to compute what the search measured.

The names below are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .architecture import Architecture
    from .boards import find_board
    from .dataset import Dataset, ReadOptions, load_dataset
    from .deploy.export import ExportOptions, export_c
    from .deploy.tflite import export_tflite
    from .deploy.verify import verify
    from .encoding import EncodingPolicy
    from .evaluation import EvaluationConfig
    from .front_pruning import prune_front
    from .memory import plan_memory
    from .quantized import QuantizedModel
    from .space import SearchSpace
    from .study import Study
    from .target import Limits

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Dataset",
    "EncodingPolicy",
    "EvaluationConfig",
    "ExportOptions",
    "Limits",
    "QuantizedModel",
    "ReadOptions",
    "SearchSpace",
    "Study",
    "export_c",
    "export_tflite",
    "find_board",
    "load_dataset",
    "plan_memory",
    "prune_front",
    "verify",
]

_MODULES = {
    "Architecture": "architecture",
    "Dataset": "dataset",
    "EncodingPolicy": "encoding",
    "EvaluationConfig": "evaluation",
    "ExportOptions": "deploy",
    "Limits": "target",
    "QuantizedModel": "quantized",
    "ReadOptions": "dataset",
    "SearchSpace": "space",
    "Study": "study",
    "export_c": "deploy",
    "export_tflite": "deploy.tflite",
    "find_board": "boards",
    "load_dataset": "dataset",
    "plan_memory": "memory",
    "prune_front": "front_pruning",
    "verify": "deploy",
}


def __getattr__(name: str) -> Any:
    """Loads one of the public names."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
