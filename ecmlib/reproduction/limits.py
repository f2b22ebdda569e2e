"""Does memory come to a limit as training goes on? Three forms of growth, each asked for a budget it has not seen."""

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
from ecmlib.laws.points import SIZES, surviving, unmixed
from ecmlib.reproduction.stats import Estimate

PROTOCOL = ["optimizer", "lr", "schedule"]  # what tells protocols apart in these tables
CURVE = [*SIZES, "P", *PROTOCOL]  # what tells curves apart
QUANTITIES = ["bits", "C"]  # that grow
SURE = 2.0  # a limit is known where its interval is narrower than this factor, from end to end
_FEWEST = 6  # budgets without which no form is fitted
_FIT = ["form", "told", "error", "limit", "low", "high", "reached", "known", "steps_90", "outgrown"]
Steps = NDArray[np.float64]
Fitted = tuple[Steps, NDArray[np.float64]]  # a form's parameters and their covariance


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


def limits(runs: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Fit every form to every architecture and protocol, and let it foretell the longest budget from the shorter ones.

    How well a form fits so few budgets says little of it, and criteria that charge for parameters, such as AICc, charge
    more at six budgets than any fit can gain. So forms are judged by what they say of a budget that they have not seen.

    Parameters
    ----------
    runs : DataFrame
        A row a restart and budget (`ecmlib.reproduction.budget.load_budgets`) or their means (`compare` there). Forms
        are fitted to the means of restarts. Budgets at which the library is full in any restart, or none can be told
        from guessing, say nothing of the model and are left out.
    level : float
        Of the limits' intervals: Student's t of the limit's logarithm, from the fit's covariance.

    Returns
    -------
    DataFrame
        A row a curve (`CURVE`), quantity (`QUANTITIES`) and form: ``budgets`` fitted, ``longest`` of them and what is
        ``held`` there; ``told``, what the form says of it when fitted to the shorter ones alone, and ``error``, the
        mean over restarts of ``|ln(told / held)|``; of the fit to all budgets ``limit`` with ``low`` and ``high``
        (missing without one), ``reached``, the share of it that is held, ``known``, whether the interval is narrow
        enough to speak of a limit, and ``steps_90``, the steps to 90 % of a known one; ``outgrown``, 1 where the
        longest budget holds more than the upper end of the limit that is known without it, else 0, missing if none is
        known; ``agreed``, whether all forms that have a limit know it, in intervals that overlap.
    """
    columns = [*CURVE, "quantity", "budgets", "longest", "held", *_FIT, "agreed"]
    rows: list[dict[str, Any]] = []
    for key, of_curve in surviving(runs).groupby(CURVE) if len(runs) else ():
        by_budget = unmixed(of_curve).groupby("max_steps")
        telling = by_budget.filter(lambda each: not each["full"].any() and not each["lost"].all())
        means = telling.groupby("max_steps")[QUANTITIES].mean()
        if len(means) < _FEWEST:
            continue
        longest = means.index[-1]
        for quantity in QUANTITIES:
            S, y = means.index.to_numpy(float), means[quantity].to_numpy(float)
            held = telling.loc[telling["max_steps"] == longest, quantity].to_numpy(float)
            fits = [_fitted(name, S, y, held, level) for name in FORMS]
            common = {"quantity": quantity, "budgets": len(S), "longest": longest, "held": y[-1]}
            common |= dict(zip(CURVE, key, strict=True)) | {"agreed": _agreed(fits)}
            rows += [common | fit for fit in fits]
    return pd.DataFrame(rows, columns=columns).astype({"known": bool, "agreed": bool})


def foretelling(fitted: pd.DataFrame) -> pd.DataFrame:
    """Compare forms by how well they foretell, over the curves of which each of them says something.

    Returns
    -------
    DataFrame
        A row a quantity and form of what `limits` returns, best first: ``error``, its mean over ``curves``;
        ``nearest``, of how many it is the nearest; ``too_little``, of how many it says too little.
    """
    columns = ["quantity", "form", "error", "curves", "nearest", "too_little"]
    tables = []
    for quantity, of_quantity in fitted.groupby("quantity", sort=False):
        by_form = of_quantity.assign(less=of_quantity["told"] < of_quantity["held"]).set_index([*CURVE, "form"])
        errors = by_form["error"].unstack().dropna()
        of_forms = {
            "error": errors.mean(),
            "nearest": errors.idxmin(axis=1).value_counts().reindex(errors.columns, fill_value=0),
            "too_little": by_form["less"].unstack().loc[errors.index].sum(),
        }
        table = pd.DataFrame(of_forms).sort_values("error").rename_axis("form").reset_index()
        tables.append(table.assign(quantity=quantity, curves=len(errors))[columns])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def of_best_form(fitted: pd.DataFrame) -> pd.DataFrame:
    """Keep, of what `limits` returns, the form that foretells bits best over all curves: they are less noisy than C."""
    of_bits = foretelling(fitted[fitted["quantity"] == "bits"])
    return fitted[fitted["form"].isin(of_bits["form"].head(1))].reset_index(drop=True)


def _fitted(name: str, S: Steps, y: Steps, held: Steps, level: float) -> dict[str, Any]:
    form, fit = FORMS[name], dict.fromkeys(_FIT, np.nan) | {"form": name, "known": False}
    if unseen := _parameters(form, S[:-1], y[:-1]):  # fitted to all budgets but the last
        told = float(form.curve(S[-1], *unseen[0]))
        if told > 0:
            fit |= {"told": told, "error": float(np.mean(np.abs(np.log(told / held))))}
        before = _limit(form, unseen, len(S) - 1, level)
        if before and before.known:
            fit |= {"outgrown": float(y[-1] > before.limit.high)}
    if (parameters := _parameters(form, S, y)) is None or (here := _limit(form, parameters, len(S), level)) is None:
        return fit
    (limit, known), found = here, parameters[0]
    return fit | {
        "limit": limit.value,
        "low": limit.low,
        "high": limit.high,
        "reached": float(y[-1] / limit.value),
        "steps_90": _steps_to(0.9, form, found) if known else np.nan,
        "known": known,
    }


def _parameters(form: Form, S: Steps, y: Steps) -> Fitted | None:
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="error", category=OptimizeWarning):
            found, covariance = curve_fit(form.curve, S, y, form.start(S, y), sigma=y, maxfev=20_000)
    except (RuntimeError, OptimizeWarning):
        return None
    return found, covariance


def _agreed(fits: Sequence[dict[str, Any]]) -> bool:
    known = [fit for fit in fits if fit["known"]]
    every = len(known) == sum(form.has_limit for form in FORMS.values())
    return every and max(fit["low"] for fit in known) <= min(fit["high"] for fit in known)


class _Limit(NamedTuple):
    limit: Estimate
    known: bool


def _limit(form: Form, fitted: Fitted, n: int, level: float) -> _Limit | None:
    """Return the limit of a form fitted to ``n`` budgets; None if it has none, or none that is one."""
    if not form.has_limit:
        return None
    found, covariance = fitted
    limit = _estimated(found, covariance, n, level)
    if not 0 < limit.value < np.inf or found[1] <= 0 or found[2] <= 0:  # falls, or grows without limit: another form
        return None
    return _Limit(limit, limit.low > 0 and limit.high / limit.low < SURE)


def _estimated(found: Steps, covariance: NDArray[np.float64], n: int, level: float) -> Estimate:
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
