"""Laws that mean nothing, to compare with: polynomials in (d, H, N)."""

from __future__ import annotations

import math
from typing import Annotated, Self

import numpy as np
import pandas as pd
from pydantic import Field

from ecmlib.laws.base import Law
from ecmlib.laws.fitted import Sizes
from ecmlib.laws.fitting import Array, FitLoss, FitOptions
from ecmlib.laws.points import ONE_SETTING, fittable, n_known, scored, weights
from ecmlib.validation import checked

_INPUTS = ["d", "H", "N"]
Degree = Annotated[int, Field(ge=0, le=8)]


class PolynomialModel(Law):
    """A polynomial in d, H and N, scaled to mean 0 and variance 1 (paper, section 6.2: degree 5, 56 coefficients).

    Parameters
    ----------
    degree : int
        Largest sum of exponents, 0 to 8.
    logarithmic : bool
        Whether the polynomial is the logarithm of the capacity; else it is the capacity and may be less than 0.
    centre, scale : list of float
        Mean and standard deviation of d, H and N in the fitted data.
    coefficients : list of float
        In the order of `sklearn.preprocessing.PolynomialFeatures`.
    """

    name = "polynomial"
    variables = _INPUTS

    degree: Degree
    logarithmic: bool
    centre: list[float]
    scale: list[float]
    coefficients: list[float]

    @property
    def n_parameters(self) -> int:
        """Number of coefficients."""
        return len(self.coefficients)

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        target: str = "C_plateau",
        degree: int = 5,
        loss: FitLoss = "squares",
        *,
        bootstraps: int = 1000,
        seed: int = 0,
    ) -> Self:
        """Fit to configurations by linear least squares, or by the least absolute relative errors.

        Parameters
        ----------
        frame : DataFrame
            As `ecmlib.load_results` returns it.
        target : str
            Column of capacities.
        degree : int
            0 to 8.
        loss : {"squares", "mape", "log"}
            Squared errors of capacities, as in the paper; their relative errors; squared errors of their logarithms.
        bootstraps, seed : int
            Refits to resampled configurations, and the seed of the resampling.

        Raises
        ------
        ValueError
            If an option is out of range, or if the frame is empty, lacks a column, mixes conditions, holds a capacity
            that is no number or has fewer configurations beyond guessing than there are coefficients.
        """
        checked(Degree, degree=degree)
        FitOptions(target=target, loss=loss, bootstraps=bootstraps, seed=seed)
        points = scored(frame, target, ONE_SETTING)
        weight = weights(points, target, cls.nearness)
        coefficients = math.comb(degree + 3, 3)
        if (known := n_known(points)) < coefficients:
            raise ValueError(f"{known} configurations beyond guessing: degree {degree} has {coefficients} coefficients")
        capacities = fittable(points, target, loss)
        measured = np.log(capacities) if loss == "log" else capacities
        solve = _solve_relative if loss == "mape" else _solve
        inputs = points[_INPUTS].to_numpy(float)
        centre, spread = inputs.mean(axis=0), inputs.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        terms = _terms(inputs, centre, scale, degree)
        random = np.random.default_rng(seed)
        resampled = random.integers(len(points), size=(bootstraps, len(points)))
        law = cls(
            degree=degree,
            logarithmic=loss == "log",
            centre=centre.tolist(),
            scale=scale.tolist(),
            coefficients=solve(terms, measured, weight).tolist(),
        )
        draws = [solve(terms[rows], measured[rows], weight[rows]).tolist() for rows in resampled]
        return law._with_evidence(frame, points, target, loss, draws=draws)

    def refit(self, frame: pd.DataFrame, bootstraps: int = 0) -> Self:
        """Fit the same polynomial to other data."""
        return self.fit(frame, self.evidence.target, self.degree, self.evidence.loss, bootstraps=bootstraps)

    def _values(self, sizes: Sizes) -> Array:
        return self._of(sizes, np.array(self.coefficients))

    def _draws(self, sizes: Sizes) -> Array:
        return self._of(sizes, np.array(self.evidence.draws).reshape(-1, self.n_parameters).T).T

    def _of(self, sizes: Sizes, coefficients: Array) -> Array:
        inputs = _inputs(sizes)
        values = _terms(inputs, np.array(self.centre), np.array(self.scale), self.degree) @ coefficients
        # Beyond e^50 an extrapolated logarithm says no more than "far too many".
        return np.asarray(np.exp(np.minimum(values, 50.0)) if self.logarithmic else values)


def _inputs(sizes: Sizes) -> Array:
    return np.column_stack([sizes[name] for name in _INPUTS])


def _terms(inputs: Array, centre: Array, scale: Array, degree: int) -> Array:
    from sklearn.preprocessing import PolynomialFeatures

    return np.asarray(PolynomialFeatures(degree).fit_transform((inputs - centre) / scale))


def _solve(terms: Array, measured: Array, weights: Array) -> Array:
    from sklearn.linear_model import LinearRegression

    return np.asarray(LinearRegression(fit_intercept=False).fit(terms, measured, weights).coef_)


def _solve_relative(terms: Array, measured: Array, weights: Array) -> Array:
    """Minimise the weighted sum of absolute relative errors: absolute errors weigh one over what is measured."""
    from sklearn.linear_model import QuantileRegressor

    median = QuantileRegressor(quantile=0.5, alpha=0, fit_intercept=False)
    return np.asarray(median.fit(terms, measured, weights / measured).coef_)
