"""Does memory come to a limit as training goes on? Three forms fitted to what an architecture holds over budgets."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import OptimizeWarning, curve_fit

from ecmlib.chance import tails
from ecmlib.laws.points import SIZES
from ecmlib.reproduction.stats import Estimate

PROTOCOL = ["optimizer", "lr", "schedule"]  # what tells protocols apart in these tables
SURE = 2.0  # a limit is known where its interval is narrower than this factor, from end to end
_FEWEST = 6  # budgets without which no form is fitted
_EXACT = 1e-20  # squared relative residual below which there is rounding only
Steps = NDArray[np.float64]


class Form(NamedTuple):
    """A way in which memory may grow with the steps S of training."""

    curve: Callable[..., Steps]
    start: Callable[[Steps, Steps], list[float]]
    has_limit: bool


def _power(S: Steps, limit: float, lacking: float, exponent: float) -> Steps:
    return np.asarray(limit * (1 - lacking * (S / 1000) ** -exponent))


def _exponential(S: Steps, limit: float, lacking: float, scale: float) -> Steps:
    return np.asarray(limit * (1 - lacking * np.exp(-S / 1000 / scale)))


def _logarithm(S: Steps, at_1000: float, growth: float) -> Steps:
    return np.asarray(at_1000 + growth * np.log(S / 1000))


FORMS = {
    "power law to a limit": Form(_power, lambda S, y: [1.2 * y[-1], 0.5, 0.5], True),
    "exponential to a limit": Form(_exponential, lambda S, y: [y[-1], 0.5, S[-1] / 4000], True),
    "logarithm without limit": Form(_logarithm, lambda S, y: [y[0], y[-1] / 10], False),
}


def limits(table: pd.DataFrame, quantity: str = "bits", level: float = 0.95) -> pd.DataFrame:
    """Fit every form to every architecture and protocol, and say whether there is a limit.

    Parameters
    ----------
    table : DataFrame
        What `ecmlib.reproduction.budget.compare` returns; budgets at which the library is full say nothing of the model
        and are left out.
    quantity : {"bits", "C"}
        What grows.
    level : float
        Of the limits' intervals: Student's t of the limit's logarithm, from the fit's covariance.

    Returns
    -------
    DataFrame
        A row an architecture, protocol and form: ``form``, ``AICc``, ``limit`` with ``low`` and ``high`` (missing
        without one), ``reached``, the share of it that the longest budget holds, ``known``, whether the interval is
        narrow enough to speak of a limit, ``steps_90``, the steps to 90 % of a known one, and ``budgets`` fitted.
    """
    rows = []
    for key, runs in table[~table["full"] & ~table["lost"]].groupby([*SIZES, "P", *PROTOCOL]):
        S, y = runs["max_steps"].to_numpy(float), runs[quantity].to_numpy(float)
        named = dict(zip([*SIZES, "P", *PROTOCOL], key, strict=True))
        if len(S) >= _FEWEST:
            rows += [named | {"form": name, **_fitted(form, S, y, level)} for name, form in FORMS.items()]
    return pd.DataFrame(rows)


def best_forms(fitted: pd.DataFrame) -> pd.DataFrame:
    """Keep, for each architecture and protocol, the form of the least AICc."""
    if fitted.empty:
        return fitted
    return fitted.loc[fitted.groupby([*SIZES, *PROTOCOL])["AICc"].idxmin()].reset_index(drop=True)


def _fitted(form: Form, S: Steps, y: Steps, level: float) -> dict[str, Any]:
    empty = {"AICc": np.inf, "limit": np.nan, "low": np.nan, "high": np.nan, "reached": np.nan, "steps_90": np.nan}
    empty |= {"known": False, "budgets": len(S)}
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="error", category=OptimizeWarning):
            found, covariance = curve_fit(form.curve, S, y, form.start(S, y), sigma=y, maxfev=20_000)
    except (RuntimeError, OptimizeWarning):
        return empty
    n, k = len(S), len(found) + 1  # the errors' variance counts as a parameter
    if n <= k + 1:
        return empty
    residual = np.log(form.curve(S, *found) / y)
    if not np.isfinite(residual).all():
        return empty
    aicc = float(n * np.log(max(np.mean(residual**2), _EXACT)) + 2 * k + 2 * k * (k + 1) / (n - k - 1))
    if not form.has_limit:
        return empty | {"AICc": aicc}
    limit = _limit(found, covariance, n, level)
    if not 0 < limit.value < np.inf or found[1] <= 0 or found[2] <= 0:  # falls, or grows without limit: another form
        return empty
    known = limit.low > 0 and limit.high / limit.low < SURE
    return empty | {
        "AICc": aicc,
        "limit": limit.value,
        "low": limit.low,
        "high": limit.high,
        "reached": float(y[-1] / limit.value),
        "steps_90": _steps_to(0.9, form, found) if known else np.nan,
        "known": known,
    }


def _limit(found: Steps, covariance: NDArray[np.float64], n: int, level: float) -> Estimate:
    value = float(found[0])
    deviation = float(np.sqrt(covariance[0, 0])) / value
    if not np.isfinite(deviation):
        return Estimate(value, 0.0, np.inf)
    width = float(stats.t.ppf(tails(level)[1], n - len(found))) * deviation
    return Estimate(value, value * float(np.exp(-width)), value * float(np.exp(min(width, 700.0))))


def _steps_to(share: float, form: Form, found: Sequence[float] | Steps) -> float:
    _, lacking, rate = found
    if form.curve is _power:
        return float(1000 * (lacking / (1 - share)) ** (1 / rate))
    return float(1000 * rate * np.log(lacking / (1 - share)))
