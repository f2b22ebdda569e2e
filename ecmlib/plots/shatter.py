"""Figures of the epochs until a library is memorised (paper, Fig. 5)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.distributions import FITS, checked_counts
from ecmlib.plots.style import COLORS, new_figure, new_panels, styled


def plot_epochs(epochs: Sequence[int | None]) -> Figure:
    """Draw the share of trials done by each epoch, and what each fitted distribution says."""
    counts = checked_counts(epochs)
    figure, axes = new_figure()
    axes.ecdf(counts, color="black", label="measured")
    support = np.unique(np.geomspace(max(1, counts.min() / 2), counts.max(), 400).astype(int))
    for (name, (fit, _)), color, _ in styled(FITS.items()):
        axes.plot(support, fit(counts).cdf(support), "--", color=color, linewidth=1.2, label=name)
    axes.set(xlabel="epochs", ylabel="share of trials done", xscale="log")
    axes.legend(fontsize="small")
    return figure


def plot_quantiles(epochs: Sequence[int | None]) -> Figure:
    """Draw measured epochs against those that each fitted distribution expects at the same rank (QQ plot)."""
    counts = np.sort(checked_counts(epochs))
    ranks = (np.arange(len(counts)) + 0.5) / len(counts)
    figure, axes = new_figure()
    for (name, (fit, _)), color, marker in styled(FITS.items()):
        axes.plot(fit(counts).ppf(ranks), counts, marker, markersize=3, color=color, label=name)
    ends = [counts[0], counts[-1]]
    axes.plot(ends, ends, color="black", linewidth=0.8, label="perfect fit")
    axes.set(xlabel="epochs expected", ylabel="epochs measured", xscale="log", yscale="log")
    axes.legend(fontsize="small")
    return figure


def plot_reach(reached: pd.DataFrame) -> Figure:
    """Draw each trial's epochs against the reach of its hardest last token, a panel a d.

    Parameters
    ----------
    reached : DataFrame
        As `ecmlib.experiments.shatter.reaches` returns it.
    """
    sizes = sorted(reached["d"].unique())
    figure, panels = new_panels(len(sizes))
    for d, axes in zip(sizes, panels, strict=True):
        here = reached[reached["d"] == d]
        axes.plot(here["reach"], here["epochs"], "o", markersize=2, alpha=0.5, color=COLORS[0])
        axes.set(title=f"d = {d}", xlabel="reach of the hardest token", ylabel="epochs", yscale="log")
    return figure
