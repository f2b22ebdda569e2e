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
from ecmlib.laws.points import CONDITIONS, SIZES, surviving, unmixed
from ecmlib.reproduction.stats import LEVEL, Estimate, bootstrapped

PROTOCOL = ["optimizer", "lr", "schedule"]  # what tells protocols apart in these tables
CURVE = [*SIZES, "P", *PROTOCOL]  # what tells curves apart
SAME = [*CONDITIONS, "precision", "seed"]  # what the runs of a curve have in common
QUANTITIES = ["bits", "C"]  # that grow
SURE = 2.0  # a limit is known where its interval is narrower than this factor, from end to end ...
FAR = 2.0  # ... and 90 % of it come within so many times the longest budget
_FEWEST = 6  # budgets without which no form is fitted
_FIT = ["form", "told", "error", "limit", "low", "high", "reached", "known", "steps_90", "far_90", "outgrown"]
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


def limits(runs: pd.DataFrame) -> pd.DataFrame:
    """Fit every form to every architecture and protocol, and let it foretell the longest budget from the shorter ones.

    How well a form fits so few budgets says little of it, and criteria that charge for parameters, such as AICc, charge
    more at six budgets than any fit can gain. So forms are judged by what they say of a budget that they have not seen.

    Limits have 95 % intervals: Student's t of the limit's logarithm, from the fit's covariance. These take the form for
    granted, so that a limit far beyond all budgets can look sure: it is known only if 90 % of it come within `FAR`
    times the longest of them.

    Parameters
    ----------
    runs : DataFrame
        A row a restart and budget (`ecmlib.reproduction.budget.load_budgets`) or their means (`compare` there). Forms
        are fitted to the means of restarts. Budgets at which the library is full in any restart, or none can be told
        from guessing, say nothing of the model and are left out.

    Returns
    -------
    DataFrame
        A row a curve (`CURVE`), quantity (`QUANTITIES`) and form: ``budgets`` fitted, ``longest`` of them and what is
        ``held`` there; ``told``, what the form says of it when fitted to the shorter ones alone, and ``error``, the
        mean over restarts of ``|ln(told / held)|``; of the fit to all budgets ``limit`` with ``low`` and ``high``
        (missing without one), ``reached``, the share of it that is held, ``known``, whether the interval is narrow and
        the limit near enough to speak of one, ``steps_90``, the steps to 90 % of a known one, and ``far_90``, to that
        of any; ``outgrown``, 1 where the longest budget holds more than the upper end of the limit that is known
        without it, else 0, missing if none is known; ``agreed``, whether all forms that have a limit know it, in
        intervals that overlap.
    """
    columns = [*CURVE, "quantity", "budgets", "longest", "held", *_FIT, "agreed"]
    rows: list[dict[str, Any]] = []
    for key, of_curve in surviving(runs).groupby(CURVE) if len(runs) else ():
        by_budget = unmixed(of_curve, SAME).groupby("max_steps")
        telling = by_budget.filter(lambda each: not each["full"].any() and not each["lost"].all())
        means = telling.groupby("max_steps")[QUANTITIES].mean()
        if len(means) < _FEWEST:
            continue
        longest = means.index[-1]
        for quantity in QUANTITIES:
            S, y = means.index.to_numpy(float), means[quantity].to_numpy(float)
            held = telling.loc[telling["max_steps"] == longest, quantity].to_numpy(float)
            fits = [_fitted(name, S, y, held) for name in FORMS]
            common = {"quantity": quantity, "budgets": len(S), "longest": longest, "held": y[-1]}
            common |= dict(zip(CURVE, key, strict=True)) | {"agreed": _agreed(fits)}
            rows += [common | fit for fit in fits]
    return pd.DataFrame(rows, columns=columns).astype({"known": bool, "agreed": bool})


def foretelling(fitted: pd.DataFrame) -> pd.DataFrame:
    """Compare forms by how well they foretell, over the curves of which each of them says something, or over all.

    Errors are medians over curves: one run that has collapsed outweighs all others in a mean.

    Returns
    -------
    DataFrame
        A row a quantity and form of what `limits` returns: ``error``, its median over ``curves``; ``nearest``, of how
        many it is the nearest; ``too_little``, of how many it says too little, and ``leans``, whether these are more or
        fewer than a form has that errs to both sides alike (binomial, 95 %): such a form levels off too early or too
        late. The best of a quantity is first: the least error of those that do not lean, if there are any.
        ``behind`` is by how much another is further off than the best, a median of paired differences over curves, with
        ``behind_low`` and ``behind_high``.
    """
    columns = ["quantity", "form", "error", "curves", "nearest", "too_little", "leans"]
    tables = []
    for quantity, of_quantity in fitted.groupby("quantity", sort=False):
        by_form = of_quantity.assign(less=of_quantity["told"] < of_quantity["held"]).set_index([*CURVE, "form"])
        told = by_form["error"].unstack().dropna(how="all")
        errors = told.dropna() if told.notna().all(axis=1).any() else told
        too_little = by_form["less"].unstack().loc[errors.index].sum()
        of_forms = {
            "error": errors.median(),
            "nearest": errors.idxmin(axis=1).value_counts().reindex(errors.columns, fill_value=0),
            "too_little": too_little,
            "leans": [_leans(int(less), len(errors)) for less in too_little],
        }
        table = pd.DataFrame(of_forms).sort_values(["leans", "error"]).rename_axis("form").reset_index()
        table = table.assign(quantity=quantity, curves=len(errors))[columns]
        behind = pd.DataFrame([_behind(errors[form] - errors[table["form"].iloc[0]]) for form in table["form"]])
        tables.append(table.join(behind.set_axis(["behind", "behind_low", "behind_high"], axis=1)))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def of_best_form(fitted: pd.DataFrame) -> pd.DataFrame:
    """Keep, of what `limits` returns, for each quantity the form that foretells it best (`foretelling`)."""
    best = foretelling(fitted).groupby("quantity").head(1)[["quantity", "form"]]
    return fitted.merge(best, on=["quantity", "form"]).reset_index(drop=True)


def _leans(too_little: int, curves: int) -> bool:
    return curves > 0 and float(stats.binomtest(too_little, curves).pvalue) < 1 - LEVEL


def _behind(differences: pd.Series[float]) -> Estimate:
    if not differences.any() or len(differences) < 2:  # the best itself, or no bootstrap
        return Estimate(np.nan, np.nan, np.nan)
    return bootstrapped(np.median, differences)


def _fitted(name: str, S: Steps, y: Steps, held: Steps) -> dict[str, Any]:
    form, fit = FORMS[name], dict.fromkeys(_FIT, np.nan) | {"form": name, "known": False}
    if unseen := _parameters(form, S[:-1], y[:-1]):  # fitted to all budgets but the last
        told = float(form.curve(S[-1], *unseen[0]))
        if told > 0:
            fit |= {"told": told, "error": float(np.mean(np.abs(np.log(told / held))))}
        before = _limit(form, unseen, S[:-1])
        if before and before.known:
            fit |= {"outgrown": float(y[-1] > before.limit.high)}
    if (parameters := _parameters(form, S, y)) is None or (here := _limit(form, parameters, S)) is None:
        return fit
    limit, known, steps_90 = here
    return fit | {
        "limit": limit.value,
        "low": limit.low,
        "high": limit.high,
        "reached": float(y[-1] / limit.value),
        "steps_90": steps_90 if known else np.nan,
        "far_90": steps_90,
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
    steps_90: float


def _limit(form: Form, fitted: Fitted, S: Steps) -> _Limit | None:
    """Return the limit of a form fitted to budgets ``S``; None if it has none, or none that is one."""
    if not form.has_limit:
        return None
    found, covariance = fitted
    limit = _estimated(found, covariance, len(S))
    if not 0 < limit.value < np.inf or found[1] <= 0 or found[2] <= 0:  # falls, or grows without limit: another form
        return None
    steps_90 = _steps_to(0.9, form, found)
    return _Limit(limit, limit.low > 0 and limit.high / limit.low < SURE and steps_90 <= FAR * S[-1], steps_90)


def _estimated(found: Steps, covariance: NDArray[np.float64], n: int) -> Estimate:
    value = float(found[0])
    deviation = float(np.sqrt(covariance[0, 0])) / value
    if not np.isfinite(deviation):
        return Estimate(value, 0.0, np.inf)
    width = float(stats.t.ppf(tails(LEVEL)[1], n - len(found))) * deviation
    return Estimate(value, value * float(np.exp(-width)), value * float(np.exp(min(width, 700.0))))


def _steps_to(share: float, form: Form, found: Sequence[float] | Steps) -> float:
    _, lacking, rate = found
    if form.curve is _power:
        return float(1000 * np.exp(min(np.log(lacking / (1 - share)) / rate, 700.0)))
    return float(1000 * rate * max(np.log(lacking / (1 - share)), 0.0))
