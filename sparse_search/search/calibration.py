"""Calibration: whether the surrogate's predictions can be trusted, by leaving evaluations out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well each evaluation is predicted from all others, on the logit scale.

    Attributes:
        count: Evaluations.
        skill: 1 - (mean squared error) / (that of predicting the mean of the others); 0 is no
            better than the mean, 1 is perfect.
        rank_correlation: Spearman's, of predicted and measured errors; 0 if either is constant.
        coverage: Fraction of measurements inside their central 95 % interval.
        log_density: Mean log predictive density of the measurements.
    """

    count: int
    skill: float
    rank_correlation: float
    coverage: float
    log_density: float

    @staticmethod
    def of(
        measured: NDArray[np.float64],
        predicted: NDArray[np.float64],
        std: NDArray[np.float64],
        spread: float,
    ) -> "Calibration":
        """Compares predictions with measurements.

        Args:
            measured: [n] standardised logits, at least two.
            predicted: [n] means of the predictions.
            std: [n] their standard deviations, noise included.
            spread: Logits per standardised unit.
        """
        count = len(measured)
        residual = measured - predicted
        baseline = (measured - measured.mean()) * count / (count - 1)
        constant = bool(np.ptp(measured) == 0 or np.ptp(predicted) == 0)
        error, z = float((residual**2).mean()), residual / std
        return Calibration(
            count=count,
            skill=1.0 - error / max(float((baseline**2).mean()), 1e-12),
            rank_correlation=0.0 if constant else float(spearmanr(predicted, measured)[0]),
            coverage=float((np.abs(z) <= norm.ppf(0.975)).mean()),
            log_density=float((norm.logpdf(z) - np.log(std * spread)).mean()),
        )
