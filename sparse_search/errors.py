"""Errors of sparse_search: each says what was expected, what was found and what to do.

Every error subclasses ``SparseSearchError`` and the builtin that a caller would expect, so both
``except SparseSearchError`` and ``except ValueError`` work.
"""


class SparseSearchError(Exception):
    """Base class of every error that sparse_search raises on purpose."""


class ArchitectureError(SparseSearchError, ValueError):
    """An architecture is malformed, or does not fit its input shape or search space."""


class GraphError(SparseSearchError, ValueError):
    """A graph breaks an invariant: unknown tensor, wrong shape, wrong order."""


class DatasetError(SparseSearchError, ValueError):
    """A data set is missing, damaged, mislabelled or unusable."""


class DatasetMissingError(DatasetError, FileNotFoundError):
    """A file of a data set is not where it was expected."""


class PruningError(SparseSearchError, ValueError):
    """A pruning step asks for what its method cannot do."""


class QuantizationError(SparseSearchError, ValueError):
    """A model cannot be represented in int8 as asked."""


class MemoryPlanError(SparseSearchError, ValueError):
    """A memory plan cannot be made or is inconsistent."""


class ExportError(SparseSearchError, ValueError):
    """A model cannot be exported, or an export folder is damaged."""


class ToolMissingError(SparseSearchError, RuntimeError):
    """An external tool (a compiler, an emulator) is not installed."""


class VerificationError(SparseSearchError, RuntimeError):
    """The compiled C does not compute what the integer reference computes."""


class StudyError(SparseSearchError, RuntimeError):
    """A study cannot be opened, continued or read."""


class StudyLockedError(StudyError):
    """Another process is working on the study."""


class InfeasibleError(SparseSearchError, ValueError):
    """No network of the space can meet the limits."""


class TrainingDivergedError(SparseSearchError, ArithmeticError):
    """A training run produced a loss that is not finite."""


class TargetError(SparseSearchError, ValueError):
    """A board is unknown, or a size or limit cannot be read."""


class PartHiddenError(SparseSearchError, ImportError):
    """Another package hides one that belongs to sparse_search."""
