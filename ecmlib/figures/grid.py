"""Figure of a grid: measured capacity over d, for every N and H (paper, Fig. 7)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ecmlib.figures.style import new_panels, styled


def plot_grid(results: pd.DataFrame, quantity: str = "C_plateau") -> Figure:
    """Draw capacity against d: a panel a sequence length, a line a number of heads, the library's size dashed.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, all with one T and one K; each line joins the best restarts.
    quantity : str
        Column that is drawn.
    """
    best = results.groupby(["N", "d", "H"], as_index=False)[[quantity, "T"]].max()
    lengths, heads = sorted(best["N"].unique()), sorted(best["H"].unique())
    figure, panels = new_panels(len(lengths))
    colors = {H: color for H, color, _ in styled(heads)}
    for N, axes in zip(lengths, panels, strict=True):
        here = best[best["N"] == N]
        for H, marker in zip(heads, "osD^vP", strict=False):
            line = here[here["H"] == H]
            axes.plot(line["d"], line[quantity], marker=marker, markersize=4, color=colors[H], label=f"H={H}")
        axes.axhline(best["T"].iloc[0], color="black", linestyle="--", linewidth=0.8, label="T")
        axes.set(title=f"N = {N}", xlabel="d", ylabel="C, sequences", ylim=(0, None))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize="small")
    return figure
