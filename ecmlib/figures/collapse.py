"""One picture of all that was measured: what is memorised over what is offered."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ecmlib.figures.style import new_figure, styled
from ecmlib.laws.detection import detected


def plot_loads(cells: pd.DataFrame, uneven: float) -> Figure:
    """Draw the memorised share of libraries over their load, a colour a vocabulary and a marker a kind of grid.

    A law that misses nothing puts all models of one vocabulary on its curve. Crosses are models of which it does not
    speak.

    Parameters
    ----------
    cells : DataFrame
        Rows of `ecmlib.laws.loads.loads`, with their ``kind``.
    uneven : float
        Of the law whose curves are drawn, one a vocabulary.
    """
    figure, axes = new_figure(5, 5)
    vocabularies = np.unique(cells["K"].to_numpy(float))
    shades = ScalarMappable(LogNorm(vocabularies[0], 2 * vocabularies[-1]), "viridis")  # whose lightest is hard to see
    across = np.geomspace(cells["asked_over_stored"].min(), cells["asked_over_stored"].max(), 300)
    for K in vocabularies:
        curve = detected(1 / across, np.full(len(across), K), uneven)
        axes.plot(across, curve, color=tuple(shades.to_rgba(K)), linewidth=0.8, label=f"_law, K={K:.0f}")
    for (kind, rows), _, marker in styled(cells[cells["spoken"]].groupby("kind", sort=False)):
        _scatter(axes, rows, shades, marker, str(kind))
    if not cells["spoken"].all():
        _scatter(axes, cells[~cells["spoken"]], shades, "x", "not of the law's scope")
    axes.set(xscale="log", yscale="log", xlabel="load A / M, bits that can be known over bits stored", ylabel="C / T")
    for handle in axes.legend(fontsize="x-small", loc="lower left").legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_color("0.3")
    ticks = [K for K in vocabularies if np.log2(K).is_integer()]  # those that were drawn by lot would crowd
    bar = figure.colorbar(shades, ax=axes, label="K", ticks=ticks, format="%d", location="top", aspect=40)
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize="x-small")
    return figure


def _scatter(axes: Axes, rows: pd.DataFrame, shades: ScalarMappable, marker: str, label: str) -> None:
    edge = 0.9 if marker == "x" else 0.0
    colors = shades.to_rgba(rows["K"].to_numpy(float))
    axes.scatter(
        rows["asked_over_stored"], rows["memorised"], 16, colors, marker=marker, alpha=0.8, linewidths=edge, label=label
    )
