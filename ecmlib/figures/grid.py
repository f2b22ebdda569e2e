"""Figure of a grid: measured capacity over d, for every N and H, and what laws say of it (paper, Fig. 7)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.figures.style import new_panels, shared_legend, styled
from ecmlib.laws.base import Law
from ecmlib.laws.points import ONE_SETTING, configurations


def plot_grid(
    results: pd.DataFrame, law: Law | None = None, target: str = "C_plateau", published: Law | None = None
) -> Figure:
    """Draw capacity against d: a panel a sequence length, a colour a number of heads, the library's size dashed.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, all of one L, K and T, reduced by `ecmlib.laws.points.configurations`.
    law : Law, optional
        Drawn as lines; without one, lines join what was measured.
    target : str
        Column that is drawn.
    published : Law, optional
        Drawn dotted, whatever library it was fitted to.
    """
    points = configurations(results, target, ONE_SETTING)
    lengths, heads = sorted(points["N"].unique()), sorted(points["H"].unique())
    figure, panels = new_panels(len(lengths))
    d = np.geomspace(points["d"].min(), points["d"].max(), 100)
    T = points["T"].iloc[0]
    drawn = [(each, line) for each, line in ((law, "-"), (published, ":")) if each is not None]
    for N, axes in zip(lengths, panels, strict=True):
        for H, color, marker in styled(heads):
            here = points[(points["N"] == N) & (points["H"] == H)]
            sizes = pd.DataFrame({"d": d}).assign(H=H, N=N, **points[["L", "K", "T"]].iloc[0])
            for each, line in drawn:
                axes.plot(d, each.predict_frame(sizes), line, color=color, linewidth=1.2)
            joined = "-" if law is None else "none"
            (drawn_points,) = axes.plot(here["d"], here[target], color=color, label=f"H={H}", linestyle=joined)
            drawn_points.set(marker=marker, markersize=4)
        if published is not None:
            axes.plot([], [], "k:", label="published")
        axes.axhline(T, color="black", linestyle="--", linewidth=0.8, label="T")
        axes.set(title=f"N = {N}", xlabel="d", ylabel="C, sequences", ylim=(-0.05 * T, 1.15 * T))
    shared_legend(figure, panels[0])
    return figure
