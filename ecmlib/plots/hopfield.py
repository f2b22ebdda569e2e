"""Figures of the Hopfield network."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ecmlib.plots.style import COLORS, PALETTE, new_figure, new_panels


def plot_storage(table: pd.DataFrame) -> Figure:
    """Draw the share of stored patterns that are fixed points against load, a line a network size n."""
    figure, axes = new_figure()
    sizes = table.assign(nodes=[f"n={n}" for n in table["n"]])
    sns.lineplot(sizes, x="load", y="fixed", hue="nodes", style="nodes", palette=PALETTE, markers=True, ax=axes)
    axes.axvline(1, color="black", linestyle="--", linewidth=0.8, label="n / (2 ln n)")
    axes.set(xlabel="patterns stored / (n / (2 ln n))", ylabel="share of fixed points")
    axes.legend(title=None, fontsize="small")
    return figure


def plot_dilution(table: pd.DataFrame) -> Figure:
    """Draw symmetry (eq. 1) and the overlap of pattern and recall against the share of connections kept.

    Parameters
    ----------
    table : DataFrame
        What `ecmlib.hopfield.measure_dilution` returns: a line a manner of cutting.
    """
    figure, panels = new_panels(2)
    for axes, (column, title) in zip(panels, {"symmetry": "symmetry (1)", "overlap": "overlap"}.items(), strict=True):
        sns.lineplot(table, x="kept", y=column, hue="cut", style="cut", palette=PALETTE, markers=True, ax=axes)
        axes.set(title=title, xlabel="connections kept", ylim=(0, 1.05))
        axes.legend().remove()
    panels[0].set_ylabel("")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, fontsize="small")
    return figure


def plot_cues(table: pd.DataFrame, minimum: float) -> Figure:
    """Draw the share of patterns recalled against the initial cue; the dashed line is the minimum initial cue."""
    figure, axes = new_figure()
    sns.lineplot(table, x="cue", y="recalled", marker="o", color=COLORS[0], ax=axes)
    axes.axvline(minimum, color="black", linestyle="--", linewidth=0.8, label="minimum initial cue")
    axes.set(xlabel="cue length / pattern length", ylabel="share of patterns recalled", ylim=(0, 1.05))
    axes.legend(fontsize="small")
    return figure
