"""How far predictions are off."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def mape(measured: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute percentage error, as a fraction: the mean of ``|predicted - measured| / |measured|``."""
    truth = np.asarray(measured, float)
    return float(np.mean(np.abs((np.asarray(predicted, float) - truth) / truth)))


def aicc(measured: ArrayLike, predicted: ArrayLike, n_parameters: int) -> float:
    """Akaike's information criterion for small samples, of normal errors of the logarithm; NaN for too few points.

    The errors' variance counts as a parameter; capacities of less than one sequence count as one.
    """
    residuals = np.log(np.maximum(np.asarray(predicted, float), 1)) - np.log(np.maximum(np.asarray(measured, float), 1))
    n, k = residuals.size, n_parameters + 1
    if n <= k + 1:
        return float("nan")
    return float(n * np.log(np.mean(residuals**2)) + 2 * k + 2 * k * (k + 1) / (n - k - 1))
