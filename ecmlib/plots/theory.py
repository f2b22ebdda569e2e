"""Figure of theory: measured capacities against those that theorems promise."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ecmlib.plots.style import PALETTE, new_figure


def plot_promised(promised: pd.DataFrame) -> Figure:
    """Draw measured against promised capacity, a point an architecture and bound; on the dashed line they agree.

    Parameters
    ----------
    promised : DataFrame
        Rows of `ecmlib.theory.promised_capacities`.
    """
    figure, axes = new_figure(height=3.8)
    positive = promised[promised["C"] > 1]  # fewer is nothing but chance
    labelled = positive.assign(label=positive["bound"] + ", " + positive["author"])
    sns.scatterplot(labelled, x="promised", y="C", hue="label", style="label", palette=PALETTE, ax=axes, alpha=0.8)
    ends = labelled[["promised", "C"]].min().min(), labelled[["promised", "C"]].max().max()
    axes.plot(ends, ends, "k--", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="promised capacity, sequences", ylabel="C, sequences")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend().remove()
    figure.legend(handles, labels, loc="outside upper center", fontsize="small")
    return figure
