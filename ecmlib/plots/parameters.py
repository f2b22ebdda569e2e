"""Figure of parameter counts (paper, Fig. 3)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ecmlib.plots.style import new_panels, styled


def plot_parameters(table: pd.DataFrame) -> Figure:
    """Draw P against d: a panel a number of layers, a line a number of heads; crosses are built models.

    Parameters
    ----------
    table : DataFrame
        As `ecmlib.experiments.parameters.count` returns it.
    """
    layers, heads = sorted(table["L"].unique()), sorted(table["H"].unique())
    figure, panels = new_panels(len(layers))
    for L, axes in zip(layers, panels, strict=True):
        for H, color, _ in styled(heads):
            here = table[(table["L"] == L) & (table["H"] == H)].sort_values("d")
            axes.plot(here["d"], here["P"], color=color, label=f"H={H}")
            axes.plot(here["d"], here["built"], "x", color=color, markersize=4)
        axes.set(title=f"L = {L}", xlabel="d", ylabel="P", xscale="log", yscale="log")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize="small")
    return figure
