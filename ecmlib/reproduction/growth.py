"""How measured capacity grows with each size while the others stay (paper, Fig. 7 and section 6.1)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from scipy import stats

from ecmlib.chance import FULL
from ecmlib.figures.style import PALETTE, new_figure
from ecmlib.laws.points import ONE_SETTING, beyond_chance, configurations, growing
from ecmlib.reproduction.stats import (
    LEVEL,
    NOT_MEASURED,
    Estimate,
    Finding,
    Statement,
    above,
    below,
    bootstrapped,
    equals,
)

FEWEST = 3  # sizes d without which no line over d is fitted
FLAT = 0.25  # exponent over d below which a line has stopped rising


def exponents_over_d(results: pd.DataFrame) -> pd.DataFrame:
    """Fit ``C ~ d**exponent`` for every number of heads and sequence length.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, one L, K and T.

    Returns
    -------
    DataFrame
        Columns ``N``, ``H`` and ``exponent``, which is 1 for a line through the origin; lines
        of fewer than `FEWEST` d are left out.
    """
    rows = []
    for (N, H), line in growing(results, ONE_SETTING).groupby(["N", "H"]):
        if len(line) >= FEWEST:
            rows.append({"N": N, "H": H, "exponent": np.polyfit(np.log(line["d"]), np.log(line["C"]), 1)[0]})
    return pd.DataFrame(rows, columns=["N", "H", "exponent"])


def ratios_on_doubling(results: pd.DataFrame, size: str, quantity: str = "C") -> pd.Series:
    """Return the ratios of a quantity in all pairs of configurations that differ by a doubled ``size`` alone.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, one L, K and T.
    size : {"d", "H", "N"}
        What is doubled.
    quantity : {"C", "MPP", "P"}
        Whose ratio.
    """
    sizes = ["d", "H", "N"]
    measured = growing(results, ONE_SETTING)[[*sizes, quantity]]
    halves = measured.assign(**{size: 2 * measured[size]})
    pairs = measured.merge(halves, on=sizes, suffixes=("", "_half"))
    return pairs[quantity] / pairs[f"{quantity}_half"]


def ratios_at_equal_parameters(results: pd.DataFrame, few: int, many: int) -> pd.DataFrame:
    """Compare numbers of heads at equal P: capacity with ``many`` heads over that with ``few``.

    The line of ``few`` heads is interpolated between its measured d, logarithm against logarithm; there is no
    extrapolation.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, one L, K and T.
    few, many : int
        Numbers of heads.

    Returns
    -------
    DataFrame
        Columns ``N``, ``d``, ``P`` and ``ratio``, a row a configuration of ``many`` heads.
    """
    rows = []
    for N, here in growing(results, ONE_SETTING).sort_values("P").groupby("N"):
        line, others = here[here["H"] == few], here[here["H"] == many]
        for d, P, C in others[["d", "P", "C"]].to_numpy().tolist():
            if len(line) > 1 and line["P"].min() <= P <= line["P"].max():
                at_equal_P = np.exp(np.interp(np.log(P), np.log(line["P"]), np.log(line["C"])))
                rows.append({"N": N, "d": d, "P": P, "ratio": C / at_equal_P})
    return pd.DataFrame(rows, columns=["N", "d", "P", "ratio"])


def doublings(results: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return `ratios_on_doubling` of d, H and N: the columns ``doubled``, the size, and ``ratio``."""
    ratios = {size: ratios_on_doubling(results, size, quantity) for size in ("d", "H", "N")}
    return pd.concat(pd.DataFrame({"doubled": size, "ratio": found}) for size, found in ratios.items())


def plot_doublings(ratios: pd.DataFrame, quantity: str) -> Figure:
    """Draw by what each doubled size multiplies a quantity: a point a pair of configurations, the median as a bar.

    Parameters
    ----------
    ratios : DataFrame
        What `doublings` returns.
    quantity : str
        Name of the quantity.
    """
    figure, axes = new_figure(5, 1.2 + 0.6 * ratios["doubled"].nunique())
    sns.stripplot(
        ratios, x="ratio", y="doubled", hue="doubled", palette=PALETTE, alpha=0.6, size=4, ax=axes, legend=False
    )
    medians = ratios.groupby("doubled", sort=False)["ratio"].median()
    axes.plot(medians, range(len(medians)), "|", color="black", markersize=24, markeredgewidth=2, label="median")
    axes.axvline(1, color="black", linestyle="--", linewidth=0.8, label="unchanged")
    axes.set(xscale="log", xlabel=f"{quantity} is multiplied by", ylabel="doubled size")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(
        [tick for tick in (0.25, 0.5, 1, 2, 4, 8) if ratios["ratio"].min() <= tick <= ratios["ratio"].max()]
    )
    figure.legend(loc="outside upper center", ncols=2, fontsize="small", markerscale=0.5)
    return figure


def saturations(results: pd.DataFrame) -> pd.DataFrame:
    """Find the lines over d that have stopped rising, and where they have.

    Returns
    -------
    DataFrame
        ``N``, ``H`` and ``level``, the share of the library that the largest d has counted, a row a line beyond
        guessing whose capacity grows between its two largest d by less than their ratio to the power `FLAT`.
    """
    rows = []
    best = configurations(results, ["C_plateau", "C_plateau_raw"], ONE_SETTING)
    beyond = best[beyond_chance(best["C_plateau_raw"], best["T"], best["K"])]
    for (N, H), line in beyond.sort_values("d").groupby(["N", "H"]):
        if len(line) > 1:
            before, last = line.iloc[-2], line.iloc[-1]
            if last["C_plateau"] < before["C_plateau"] * (last["d"] / before["d"]) ** FLAT:
                rows.append({"N": N, "H": H, "level": last["C_plateau_raw"] / last["T"]})
    return pd.DataFrame(rows, columns=["N", "H", "level"])


def judge_linear_rise(results: pd.DataFrame) -> Finding:
    """R6: capacity is linear in d, stops just under T, rises with H and falls with N.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, one L, K and T.
    """
    if results.empty:
        return NOT_MEASURED
    exponents, levels = exponents_over_d(results)["exponent"], saturations(results)["level"]
    by_H, by_N = ratios_on_doubling(results, "H") > 1, ratios_on_doubling(results, "N") < 1
    if len(exponents) < 2 or by_H.empty or by_N.empty:
        return NOT_MEASURED
    power, rises, falls = bootstrapped(np.median, exponents), _share(by_H), _share(by_N)
    level = bootstrapped(np.mean, levels) if len(levels) > 1 else None
    return Finding(
        [
            Statement(
                "Below saturation capacity is linear in d: its exponent can be 1, and neither 0.5 nor 2.",
                f"Capacity grows as d to the power {{}} (median of {len(exponents)} lines).",
                equals(power, 1, 0.5, 2),
                power,
            ),
            Statement(
                f"Lines that stop rising stop just under T: on average between {FULL} T and T.",
                f"The {len(levels)} lines that have stopped rising have counted {{}} of T."
                if level
                else "Too few lines have stopped rising.",
                above(level, FULL) if level else None,
                level,
            ),
            Statement(
                "Capacity rises with H: in more than half of the pairs that differ by a doubled H alone.",
                f"Doubling H raises it in {by_H.sum()} of {len(by_H)} pairs, a share of {{}}.",
                above(rises, 0.5),
                rises,
            ),
            Statement(
                "Capacity falls with N: in more than half of the pairs that differ by a doubled N alone.",
                f"Doubling N lowers it in {by_N.sum()} of {len(by_N)} pairs, a share of {{}}.",
                above(falls, 0.5),
                falls,
            ),
        ]
    )


def judge_efficiency(results: pd.DataFrame) -> Finding:
    """R13: memory per parameter falls with d, and less with H.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, one L, K and T.
    """
    ratios = [ratios_on_doubling(results, size, "MPP") for size in ("d", "H")] if len(results) else []
    if not ratios or min(map(len, ratios)) < 2:
        return NOT_MEASURED
    by_d, by_H = (bootstrapped(np.median, each) for each in ratios)
    apart = True if by_H.low > by_d.high else False if by_H.high < by_d.low else None
    return Finding(
        [
            Statement(
                "Small networks use parameters better: doubling d lowers MPP.",
                "Below saturation, doubling d multiplies MPP by {} (median).",
                below(by_d, 1),
                by_d,
            ),
            Statement(
                "Heads cost less than d: doubling H leaves more of MPP than doubling d, intervals apart.",
                "Doubling H multiplies it by {}.",
                apart,
                by_H,
            ),
        ]
    )


def _share(holds: pd.Series) -> Estimate:
    """Share of the pairs that hold, with the exact binomial interval."""
    found = stats.binomtest(int(holds.sum()), len(holds))
    interval = found.proportion_ci(LEVEL)
    return Estimate(float(found.statistic), float(interval.low), float(interval.high))
