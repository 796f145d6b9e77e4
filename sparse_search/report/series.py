"""Series: which models a picture of a study shows in which way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ..candidate import Effort, Evaluation
from ..pareto import ParetoFront, meets
from ..target import Limits
from .front import figure_of

# Colours of Okabe and Ito, which colour-blind people can tell apart; grey recedes.
STRONG = "#0072B2"
PALE = "#8d989f"
LIMIT = "#D55E00"

_MARKERS: dict[Effort, str] = {"search": "o", "final": "D", "pruned": "^"}

_PREFIXES: dict[Effort, str] = {"search": "", "final": "final, ", "pruned": "pruned further, "}


@dataclass(frozen=True)
class Series:
    """Models that look the same.

    Attributes:
        label: What they are, for the legend.
        evaluations: The models, at least one.
        effort: Decides the shape of the marker.
        optimal: Strong, or else pale.
        fits: Filled, or else hollow.
    """

    label: str
    evaluations: tuple[Evaluation, ...]
    effort: Effort
    optimal: bool
    fits: bool

    def draw(self, axes: Axes, name: str, error: str) -> None:
        """Draws the models at the figure called ``name`` and their error."""
        self.draw_at(axes, points(self.evaluations, name, error))

    def draw_at(self, axes: Axes, places: NDArray[np.float64]) -> None:
        """Draws the models at places [n, 2]."""
        axes.scatter(
            places[:, 0],
            places[:, 1],
            s=46 if self.optimal else 24,
            marker=_MARKERS[self.effort],
            facecolors=self._colour if self.fits else "none",
            edgecolors="white" if self.fits else self._colour,
            linewidths=0.6 if self.fits else 1.0,
            alpha=self._alpha,
            zorder=4 if self.optimal else 2,
            label=self.label,
        )

    def legend_entry(self) -> Line2D:
        """The marker, for a legend."""
        return Line2D(
            [],
            [],
            linestyle="",
            marker=_MARKERS[self.effort],
            markersize=8 if self.optimal else 6,
            markerfacecolor=self._colour if self.fits else "none",
            markeredgecolor="white" if self.fits else self._colour,
            alpha=self._alpha,
            label=self.label,
        )

    @property
    def _colour(self) -> str:
        return STRONG if self.optimal else PALE

    @property
    def _alpha(self) -> float:
        return 1.0 if self.optimal else 0.55


def points(evaluations: Sequence[Evaluation], name: str, error: str) -> NDArray[np.float64]:
    """Points [n, 2]: the figure called ``name``, and the error in percent."""
    pairs = [(figure_of(e, name), 100 * figure_of(e, error)) for e in evaluations]
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def find_series(
    evaluations: Sequence[Evaluation], front: ParetoFront, limits: Limits
) -> list[Series]:
    """Every model in one series, the pale ones first."""
    optimal = {e.candidate.id for e in front.evaluations}
    rest = [e for e in evaluations if e.candidate.id not in optimal]
    kinds: list[tuple[str, Effort, bool, bool]] = [
        (f"{prefix}{what}", effort, strong, fits)
        for what, strong, fits in (
            ("over a limit", False, False),
            ("dominated", False, True),
            ("Pareto-optimal, with id", True, True),
        )
        for effort, prefix in _PREFIXES.items()
    ]
    found = []
    for label, effort, strong, fits in kinds:
        members = tuple(
            e
            for e in (front.evaluations if strong else rest)
            if e.candidate.effort == effort and (strong or meets(e, limits) == fits)
        )
        if members:
            found.append(Series(label, members, effort, strong, fits))
    return found
