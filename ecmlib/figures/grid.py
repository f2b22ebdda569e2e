"""Figure of a grid: measured capacity over d, for every N and H (paper, Fig. 7)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.figures.style import new_panels, styled
from ecmlib.laws.base import Law
from ecmlib.laws.points import ONE_SETTING, configurations


def plot_grid(results: pd.DataFrame, quantity: str = "C_plateau", published: Law | None = None) -> Figure:
    """Draw capacity against d: a panel a sequence length, a line a number of heads, the library's size dashed.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, all of one L, K and T; each line joins the best restarts.
    quantity : str
        Column that is drawn.
    published : Law, optional
        Drawn dotted, whatever library it was fitted to.
    """
    best = configurations(results, quantity, ONE_SETTING)
    lengths, heads = sorted(best["N"].unique()), sorted(best["H"].unique())
    figure, panels = new_panels(len(lengths))
    d = np.geomspace(best["d"].min(), best["d"].max(), 100)
    for N, axes in zip(lengths, panels, strict=True):
        T = best["T"].iloc[0]
        for H, color, marker in styled(heads):
            line = best[(best["N"] == N) & (best["H"] == H)]
            axes.plot(line["d"], line[quantity], marker=marker, markersize=4, color=color, label=f"H={H}")
            if published is not None:
                sizes = pd.DataFrame({"d": d}).assign(H=H, N=N, **best[["L", "K", "T"]].iloc[0])
                axes.plot(d, published.predict_frame(sizes), ":", color=color, linewidth=1.2)
        if published is not None:
            axes.plot([], [], "k:", label="published")
        axes.axhline(T, color="black", linestyle="--", linewidth=0.8, label="T")
        axes.set(title=f"N = {N}", xlabel="d", ylabel="C, sequences", ylim=(0, 1.15 * T))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize="small")
    return figure
