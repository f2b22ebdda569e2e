"""How long is long enough? What an architecture holds over training budgets, and whether it comes to a limit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import OptimizeWarning, curve_fit

from ecmlib.budget_record import BudgetRecord
from ecmlib.chance import tails
from ecmlib.figures.style import new_figure, styled
from ecmlib.laws.points import SIZES
from ecmlib.record import load_folder
from ecmlib.reproduction.bits import offered_load
from ecmlib.reproduction.stats import NOT_MEASURED, Estimate, Finding, Statement, mean

PROTOCOL = ["optimizer", "lr", "schedule"]
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


def load_budgets(folder: str | Path) -> pd.DataFrame:
    """Read the budget records of a folder: a row a restart and budget (`ecmlib.budget_record.BudgetRecord.frame`).

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

    Warns
    -----
    UserWarning
        For each file that is no such record, with the reason. It is left out.
    """
    frames = [record.frame() for record in load_folder(folder, BudgetRecord) if record.restarts]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def same_protocol(budgets: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows over budgets that were trained as the one protocol of other results says, but for its length."""
    if budgets.empty:
        return budgets
    alike = np.logical_and.reduce([budgets[name].isin(results[name].unique()) for name in PROTOCOL])
    return budgets[alike]


def compare(frame: pd.DataFrame) -> pd.DataFrame:
    """Average the restarts of each architecture, protocol and budget.

    Returns
    -------
    DataFrame
        `SIZES`, ``P``, ``load`` (library bits a parameter), the protocol's `PROTOCOL`, ``max_steps`` (the budget), the
        means ``C``, ``bits`` and ``bits_per_parameter`` over ``restarts``, ``C_sd`` (between restarts),
        ``full`` (any) and ``lost`` (all), and ``C_paper_rule`` and ``C_plateau`` as the first edition had them.
    """
    grouped = frame[frame["status"] != "diverged"].groupby([*SIZES, "P", *PROTOCOL, "max_steps"])
    table = grouped.agg(
        C=("C", "mean"),
        C_sd=("C", "std"),
        bits=("bits", "mean"),
        bits_per_parameter=("bits_per_parameter", "mean"),
        C_paper_rule=("C_paper_rule", "max"),
        C_plateau=("C_plateau", "max"),
        full=("full", "any"),
        lost=("lost", "all"),
        restarts=("restart", "nunique"),
    ).reset_index()
    return table.assign(load=offered_load(table))


def limits(table: pd.DataFrame, quantity: str = "bits", level: float = 0.95) -> pd.DataFrame:
    """Fit every form to every architecture and protocol, and say whether there is a limit.

    Parameters
    ----------
    table : DataFrame
        What `compare` returns; budgets at which the library is full say nothing of the model and are left out.
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


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Compare what the paper's rule finds with the most that any protocol and budget has held.

    Returns
    -------
    DataFrame
        A row an architecture that is measured under the paper's protocol and another one, and whose library is not
        full: ``found``, the capacity under the paper's rule; ``plateau``, the best count of that curve; ``most``, the
        largest capacity that another protocol reached; ``share`` of ``found`` in it, and the ``protocol`` of the best.
    """
    rows = []
    for key, runs in table[~table["lost"]].groupby(SIZES):
        papers = runs[(runs["optimizer"] == "adam") & (runs["schedule"] == "constant") & (runs["lr"] == 1e-3)]
        others = runs.drop(papers.index)
        if papers.empty or others.empty or others["full"].any():
            continue
        best = others.sort_values("C").iloc[-1]
        longest = papers.sort_values("max_steps").iloc[-1]
        rows.append(
            dict(zip(SIZES, key, strict=True))
            | {"found": longest["C_paper_rule"], "plateau": longest["C_plateau"], "most": best["C"]}
            | {"share": longest["C_paper_rule"] / best["C"], "protocol": protocol_name(best)}
        )
    return pd.DataFrame(rows)


def judge(table: pd.DataFrame) -> Finding:
    """Judge "the paper's rule finds what an architecture can hold", and whether a limit shows within the budgets."""
    compared = shares(table)
    best = best_forms(limits(table))
    if len(compared) < 3 or best.empty:
        return NOT_MEASURED
    share = mean(np.log(compared["share"])).exp()
    known = best[best["known"]]
    reached = f"; they hold {known['reached'].min():.2f} to {known['reached'].max():.2f} of it" if len(known) else ""
    return Finding(
        [
            Statement(
                "The paper's rule finds as much as any protocol and budget: the share can be 1.",
                f"The paper's rule finds {{}} of the most that any protocol and budget holds ({len(compared)} "
                f"architectures).",
                share.high >= 1,
                share,
            )
        ],
        f"A limit shows in {len(known)} of {len(best)} curves of memorised bits over steps{reached}.",
    )


def protocol_name(row: Any) -> str:
    """Name a protocol as legends do."""
    if row["schedule"] == "constant":
        return f"{row['optimizer'].capitalize()} {row['lr']:g}"
    return f"{row['optimizer'].capitalize()} {row['lr']:g}, decay"


def plot_budgets(table: pd.DataFrame, quantity: str = "bits_per_parameter") -> Figure:
    """Draw one architecture's memory over training budgets, a line a protocol, with the limit that its best form has.

    Parameters
    ----------
    table : DataFrame
        Rows of `compare` of one architecture.
    quantity : {"bits_per_parameter", "C"}
        What is drawn.
    """
    figure, axes = new_figure()
    fitted = best_forms(limits(table, "C" if quantity == "C" else "bits"))
    for (_, runs), color, marker in styled(table.groupby(PROTOCOL, sort=False)):
        name = protocol_name(runs.iloc[0])
        axes.plot(runs["max_steps"], runs[quantity], color=color, marker=marker, label=name)
        if len(fitted):
            of_runs = fitted[(fitted[PROTOCOL] == runs.iloc[0][PROTOCOL]).all(axis=1) & fitted["known"]]
            for limit in of_runs["limit"]:
                at = limit if quantity == "C" else limit / runs["P"].iloc[0]
                axes.axhline(at, color=color, linestyle=":", linewidth=1)
    size = table.iloc[0]
    label = "bits a parameter" if quantity == "bits_per_parameter" else "C, sequences"
    title = ", ".join(f"{name}={size[name]}" for name in SIZES)
    axes.set_xscale("log")
    budgets = sorted(table["max_steps"].unique())
    axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets], fontsize="small")
    axes.minorticks_off()
    axes.set(xlabel="training budget, steps", ylabel=label, ylim=(0, None), title=title)
    axes.legend(fontsize="small")
    return figure


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
