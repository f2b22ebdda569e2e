"""How wrong a law is: its errors where it can be wrong, on what it was fitted to and on what was left out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ecmlib.chance import at_least_one
from ecmlib.laws.base import Law
from ecmlib.laws.fitting import Array
from ecmlib.laws.points import COMPONENTS, SIZES, n_known, surviving


def bounded(law: Law, points: pd.DataFrame) -> Array:
    """Predict configurations as anyone would use a law: not less than one sequence, not more than the library."""
    if points.empty:
        return np.array([])
    return np.asarray(np.minimum(at_least_one(law.predict_frame(points)), points["T"].to_numpy(float)))


def relative_errors(law: Law, points: pd.DataFrame) -> Array:
    """Return ``|predicted / measured - 1|`` of each configuration, predictions being `bounded`."""
    return np.asarray(np.abs(bounded(law, points) / points[law.evidence.target] - 1), float)


def mean_error(points: pd.DataFrame, predicted: Array, target: str) -> float:
    """Mean of ``|predicted / measured - 1|`` over configurations at which a prediction can be wrong; NaN without any.

    ``points`` are what `ecmlib.laws.points.scored` returns.
    """
    errors = np.abs(predicted / points[target].to_numpy(float) - 1)[points["telling"].to_numpy(bool)]
    return float(errors.mean()) if len(errors) else math.nan


def left_out(law: Law, frame: pd.DataFrame, points: pd.DataFrame, groups: Iterable[Any], only: Any = None) -> float:
    """Mean relative error on configurations that a refit has not seen, one group left out at a time; NaN without data.

    Parameters
    ----------
    law : Law
        A fitted one.
    frame : DataFrame
        The runs that it was fitted to.
    points : DataFrame
        Their configurations, as `ecmlib.laws.points.scored` returns them; those at which a prediction can be wrong are
        scored.
    groups : iterable
        Of the length of ``points``.
    only : optional
        The one group to leave out.
    """
    if not law.is_fitted:
        return math.nan
    predicted = predicted_unseen(law, frame, points, groups, only)
    asked = ~np.isnan(predicted)
    return mean_error(points[asked], predicted[asked], law.evidence.target)


def predicted_unseen(
    law: Law, frame: pd.DataFrame, points: pd.DataFrame, groups: Iterable[Any], only: Any = None
) -> Array:
    """Predict each group of configurations by a refit to the runs of all others.

    NaN for groups not asked for, or for all, if a refit has too few. See `left_out` for the parameters.
    """
    of_one = [name for name in (*SIZES, "max_steps", *COMPONENTS) if name in points]
    membership = np.asarray(list(groups))
    predicted = np.full(len(points), math.nan)
    for group in [only] if only is not None else np.unique(membership):
        out = membership == group
        if n_known(points[~out]) <= law.n_parameters:
            return np.full(len(points), math.nan)
        seen = frame.merge(points.loc[~out, of_one], on=of_one)
        predicted[out] = bounded(law.refit(seen), points[out])
    return predicted


def coverage(law: Law, frame: pd.DataFrame, target: str, level: float) -> float:
    """Share of restarts whose capacity lies in the law's prediction interval, ends included."""
    runs = foretold(law, frame, level)
    return float(runs[target].between(runs["low"], runs["high"]).mean())


def foretold(law: Law, frame: pd.DataFrame, level: float = 0.9) -> pd.DataFrame:
    """Return the runs that have not diverged with what a law says of them: ``predicted``, ``low`` and ``high``."""
    runs = surviving(frame)
    predicted, low, high = law.predict_interval(runs, level)
    return runs.assign(predicted=predicted, low=low, high=high)


def aicc(measured: ArrayLike, predicted: ArrayLike, n_parameters: int) -> float:
    """Akaike's information criterion for small samples, of normal errors of the logarithm; NaN for too few points.

    The errors' variance counts as a parameter; capacities of less than one sequence count as one.
    """
    residuals = np.log(at_least_one(np.asarray(predicted)) / at_least_one(np.asarray(measured)))
    n, k = residuals.size, n_parameters + 1
    if n <= k + 1:
        return float("nan")
    return float(n * np.log(np.mean(residuals**2)) + 2 * k + 2 * k * (k + 1) / (n - k - 1))
