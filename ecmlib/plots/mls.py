"""Figure of both ways to measure a capacity (paper, Fig. 4)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ecmlib.plots.style import new_panels, styled

_SERIES = {"MAC_raw": "MAC, as counted", "MAC": "MAC less guesses", "MLS": "MLS"}


def plot_mac_and_mls(table: pd.DataFrame) -> Figure:
    """Draw MAC, raw and corrected, and MLS against d, a panel a number of heads.

    Parameters
    ----------
    table : DataFrame
        As `ecmlib.experiments.mls.compare` returns it. Open markers are bounds: the capacity may be larger.
    """
    heads = sorted(table["H"].unique())
    figure, panels = new_panels(len(heads))
    for H, axes in zip(heads, panels, strict=True):
        here = table[table["H"] == H]
        for (column, label), color, marker in styled(_SERIES.items()):
            axes.plot(here["d"], here[column], marker=marker, markersize=4, color=color, label=label)
        axes.plot(here["d"], here["guesses"], "k--", linewidth=0.8, label="guessing, T/K")
        bounds = here[here["censored"]]
        axes.plot(bounds["d"], bounds["MLS"], "D", color="white", markeredgecolor="black")
        axes.set(title=f"H = {H}", xlabel="d", ylabel="C, sequences", yscale="log", xscale="log")
        axes.set_xticks(here["d"], [str(d) for d in here["d"]], minor=False)
        axes.minorticks_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, fontsize="small")
    return figure
