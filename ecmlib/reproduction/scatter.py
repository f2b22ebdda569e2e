"""Where the scatter of capacities comes from: restarts that differ in their library, weights or order alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from ecmlib.chance import tails
from ecmlib.figures.style import new_figure, styled
from ecmlib.laws.points import ONE_BUDGET, SIZES, surviving, unmixed
from ecmlib.reproduction.stats import LEVEL


def scatter(frame: pd.DataFrame) -> pd.DataFrame:
    """Measure how much C differs between restarts that share everything but one thing.

    Parameters
    ----------
    frame : DataFrame
        Rows of `ecmlib.load_results`, a row a restart.

    Returns
    -------
    DataFrame
        A row an architecture and ``vary``: ``restarts``, ``mean``, ``sd`` with its 95 % interval ``low`` to ``high``,
        which takes restarts as normal (chi-squared), ``share`` (of the mean), ``guess_sd``, what guessing alone gives
        to C, and ``bits_share``, the standard deviation of memorised bits as a share of their mean. Groups of fewer
        than three restarts are left out.
    """
    columns = [*SIZES, "vary", "restarts", "mean", "sd", "low", "high", "share", "guess_sd", "bits_share"]
    if frame.empty:
        return pd.DataFrame(columns=columns)
    rows = []
    for key, runs in unmixed(surviving(frame), ONE_BUDGET).groupby([*SIZES, "vary"]):
        values, n = runs["C"].to_numpy(float), len(runs)
        if n < 3:
            continue
        sd = float(values.std(ddof=1))
        low, high = (sd * np.sqrt((n - 1) / stats.chi2.ppf(tail, n - 1)) for tail in reversed(tails(LEVEL)))
        rows.append(
            dict(zip([*SIZES, "vary"], key, strict=True))
            | {"restarts": n, "mean": values.mean(), "sd": sd, "low": low, "high": high}
            | {"share": sd / values.mean(), "guess_sd": runs["C_guess_sd"].mean()}
            | {"bits_share": runs["bits"].std() / runs["bits"].mean()}
        )
    return pd.DataFrame(rows, columns=columns)


def plot_scatter(table: pd.DataFrame) -> Figure:
    """Draw standard deviations with their intervals, what varies on the axis and a colour an architecture."""
    figure, axes = new_figure()
    names = sorted(table["vary"].unique())
    for number, ((size, rows), color, marker) in enumerate(styled(table.groupby(["d", "H", "N"]))):
        at = [names.index(name) + 0.12 * number for name in rows["vary"]]
        ends = [rows["sd"] - rows["low"], rows["high"] - rows["sd"]]
        label = "d={}, H={}, N={}".format(*size)
        axes.errorbar(at, rows["sd"], yerr=ends, fmt=marker, color=color, capsize=3, label=label)
        axes.axhline(rows["guess_sd"].mean(), color=color, linestyle=":", linewidth=1)
    axes.set(ylabel="standard deviation of C, sequences", ylim=(0, None), xlabel="what differs between restarts")
    axes.set_xticks(range(len(names)), names)
    axes.legend(fontsize="small")
    return figure
