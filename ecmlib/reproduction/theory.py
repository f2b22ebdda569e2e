"""What theorems promise, in the paper's letters: bounds on capacity that have no hidden logarithms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ecmlib.figures.style import PALETTE, new_figure, shared_legend
from ecmlib.laws.points import configurations

BOUNDS = {
    "H min(N-1, h)": "Mahdavi et al. 2024",
    "H h + d": "Dana et al. 2025",
    "P / (K-1)": "Madden et al. 2024",
}  # whose formula it is


def promised_capacities(results: pd.DataFrame) -> pd.DataFrame:
    """Compare measured capacities with what theorems promise for the same architectures.

    All three hold up to a constant factor, for models that differ in part from those that are measured: the first
    two for a layer of attention without feed-forward block, the last for any distribution of the next token.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`.

    Returns
    -------
    DataFrame
        Columns ``d``, ``H``, ``N``, ``C`` (the best ``C_plateau`` of the restarts), ``bound``, ``author`` and
        ``promised``, three rows a configuration. Configurations that memorised their whole library are left out:
        they could hold more.
    """
    best = configurations(results, "C_plateau").rename(columns={"C_plateau": "C"})
    best = best[~best["complete"]]
    promised = {
        "H min(N-1, h)": best["H"] * np.minimum(best["N"] - 1, best["head_dim"]),
        "H h + d": best["H"] * best["head_dim"] + best["d"],
        "P / (K-1)": best["P"] / (best["K"] - 1),
    }
    rows = [
        best[["d", "H", "N", "C"]].assign(bound=bound, author=BOUNDS[bound], promised=values)
        for bound, values in promised.items()
    ]
    return pd.concat(rows, ignore_index=True)


def plot_promised(promised: pd.DataFrame) -> Figure:
    """Draw measured against promised capacity, a point an architecture and bound; on the dashed line they agree.

    Parameters
    ----------
    promised : DataFrame
        Rows of `ecmlib.reproduction.theory.promised_capacities`.
    """
    figure, axes = new_figure(height=3.8)
    positive = promised[promised["C"] > 1]  # fewer is nothing but chance
    labelled = positive.assign(label=positive["bound"] + ", " + positive["author"])
    sns.scatterplot(labelled, x="promised", y="C", hue="label", style="label", palette=PALETTE, ax=axes, alpha=0.8)
    ends = labelled[["promised", "C"]].min().min(), labelled[["promised", "C"]].max().max()
    axes.plot(ends, ends, "k--", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="promised capacity, sequences", ylabel="C, sequences")
    axes.legend().remove()
    shared_legend(figure, axes, ncols=1)
    return figure
