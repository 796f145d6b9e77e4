"""What there is to know of a data set before a search: leaks, outliers, balance, what could fit."""

from .duplicates import NEAR_CORRELATION, Leak, find_conflicts, find_leaks
from .feasibility import Feasibility, find_feasibility
from .statistics import (
    OUTLIER_SCORE,
    Outlier,
    class_counts,
    constant_pixels,
    find_outliers,
    flat_images,
    has_equal_channels,
)

__all__ = [
    "NEAR_CORRELATION",
    "OUTLIER_SCORE",
    "Feasibility",
    "Leak",
    "Outlier",
    "class_counts",
    "constant_pixels",
    "find_conflicts",
    "find_feasibility",
    "find_leaks",
    "find_outliers",
    "flat_images",
    "has_equal_channels",
]
