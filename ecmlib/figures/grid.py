"""Figure of a grid: measured capacity over d, for every N and H (paper, Fig. 7)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.figures.style import new_panels, styled
from ecmlib.laws.base import Law


def plot_grid(results: pd.DataFrame, quantity: str = "C_plateau", published: Law | None = None) -> Figure:
    """Draw capacity against d: a panel a sequence length, a line a number of heads, the library's size dashed.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, all with one T and one K; each line joins the best restarts.
    quantity : str
        Column that is drawn.
    published : Law, optional
        Drawn dotted, whatever library it was fitted to.
    """
    best = results.groupby(["N", "d", "H"], as_index=False)[[quantity, "T"]].max()
    lengths, heads = sorted(best["N"].unique()), sorted(best["H"].unique())
    figure, panels = new_panels(len(lengths))
    colors = {H: color for H, color, _ in styled(heads)}
    d = np.geomspace(best["d"].min(), best["d"].max(), 100)
    for N, axes in zip(lengths, panels, strict=True):
        here = best[best["N"] == N]
        T = best["T"].iloc[0]
        for H, marker in zip(heads, "osD^vP", strict=False):
            line = here[here["H"] == H]
            axes.plot(line["d"], line[quantity], marker=marker, markersize=4, color=colors[H], label=f"H={H}")
            if published is not None:
                sizes = pd.DataFrame({"d": d}).assign(H=H, N=N)
                axes.plot(d, published.predict_frame(sizes), ":", color=colors[H], linewidth=1.2)
        if published is not None:
            axes.plot([], [], "k:", label="published")
        axes.axhline(T, color="black", linestyle="--", linewidth=0.8, label="T")
        axes.set(title=f"N = {N}", xlabel="d", ylabel="C, sequences", ylim=(0, 1.15 * T))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize="small")
    return figure
