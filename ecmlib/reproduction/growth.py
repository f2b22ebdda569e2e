"""How measured capacity grows with each size while the others stay (paper, Fig. 7 and section 6.1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from scipy import stats

from ecmlib.figures.style import PALETTE, new_figure
from ecmlib.laws.points import ONE_SETTING, growing
from ecmlib.reproduction.measure import measured
from ecmlib.reproduction.stats import NOT_MEASURED, Finding, bootstrapped, verdict_of


def exponents_over_d(results: pd.DataFrame, fewest: int = 3) -> pd.DataFrame:
    """Fit ``C ~ d**exponent`` for every number of heads and sequence length.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, one L, K and T.
    fewest : int
        Sizes d without which no exponent is fitted.

    Returns
    -------
    DataFrame
        Columns ``N``, ``H``, ``sizes`` (how many d) and ``exponent``, which is 1 for a line through the origin.
    """
    rows = []
    for (N, H), line in growing(results, ONE_SETTING).groupby(["N", "H"]):
        if len(line) >= fewest:
            exponent = np.polyfit(np.log(line["d"]), np.log(line["C"]), 1)[0]
            rows.append({"N": N, "H": H, "sizes": len(line), "exponent": exponent})
    return pd.DataFrame(rows, columns=["N", "H", "sizes", "exponent"])


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
        Columns ``N``, ``P`` and ``ratio``, a row a configuration of ``many`` heads.
    """
    rows = []
    for N, here in growing(results, ONE_SETTING).sort_values("P").groupby("N"):
        line, others = here[here["H"] == few], here[here["H"] == many]
        for P, C in zip(others["P"], others["C"], strict=True):
            if len(line) > 1 and line["P"].min() <= P <= line["P"].max():
                at_equal_P = np.exp(np.interp(np.log(P), np.log(line["P"]), np.log(line["C"])))
                rows.append({"N": N, "P": P, "ratio": C / at_equal_P})
    return pd.DataFrame(rows, columns=["N", "P", "ratio"])


def doublings(results: pd.DataFrame, quantity: str, sizes: Sequence[str] = ("d", "H", "N")) -> pd.DataFrame:
    """Return `ratios_on_doubling` of several sizes: the columns ``doubled``, the size, and ``ratio``."""
    ratios = {size: ratios_on_doubling(results, size, quantity) for size in sizes}
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
    axes.legend(fontsize="small")
    return figure


def judge_linear_rise(results: Path) -> Finding:
    """R6: each of three statements about the main grid."""
    grid = measured(results, "mac-cpu")
    if grid.empty:
        return NOT_MEASURED
    power = bootstrapped(np.median, exponents_over_d(grid)["exponent"])
    by_H, by_N = ratios_on_doubling(grid, "H"), ratios_on_doubling(grid, "N")
    return Finding(
        verdict_of(power.contains(1), _mostly(by_H > 1), _mostly(by_N < 1)),
        f"C grows as d to the power {power.value:.2f}; doubling H gives {by_H.median():.2f} C, doubling N "
        f"{by_N.median():.2f} C (medians)",
        f"power {power.low:.2f} to {power.high:.2f}; H raises C in {(by_H > 1).sum()} of {len(by_H)} pairs, N lowers "
        f"it in {(by_N < 1).sum()} of {len(by_N)}",
    )


def judge_four_heads(results: Path) -> Finding:
    """R12: the ratio of capacities with four and two heads at equal P."""
    grid = measured(results, "mac-cpu")
    if grid.empty:
        return NOT_MEASURED
    compared = ratios_at_equal_parameters(grid, few=2, many=4)
    ratio = bootstrapped(np.median, compared["ratio"])
    return Finding(
        verdict_of(ratio.contains(2)),
        f"at equal P, four heads hold {ratio.value:.2f} times what two hold (median of {len(compared)} "
        f"comparisons, P from {compared['P'].min():,} to {compared['P'].max():,}; the paper's 2M are outside)",
        f"{ratio.low:.2f} to {ratio.high:.2f}",
    )


def judge_efficiency(results: Path) -> Finding:
    """R13: memory per parameter falls with d, and less with H."""
    grid = measured(results, "mac-cpu")
    if grid.empty:
        return NOT_MEASURED
    by_d, by_H = (bootstrapped(np.median, ratios_on_doubling(grid, size, "MPP")) for size in ("d", "H"))
    return Finding(
        verdict_of(by_d.high < 1, by_H.low > by_d.high),
        f"below saturation, doubling d gives {by_d.value:.2f} MPP, doubling H {by_H.value:.2f} MPP (medians)",
        f"{by_d.low:.2f} to {by_d.high:.2f}; {by_H.low:.2f} to {by_H.high:.2f}",
    )


def _mostly(holds: pd.Series) -> bool:
    """Whether more of the pairs hold than a fair coin would give in 95 of 100 trials."""
    return bool(stats.binomtest(int(holds.sum()), len(holds), alternative="greater").pvalue < 0.05)
