"""Does a Hopfield network hold what the paper's section 2 says? (background)"""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ecmlib.figures.style import COLORS, PALETTE, new_figure, new_panels, shared_legend
from ecmlib.reproduction.hopfield import ThoughtExperiment, storage_capacity
from ecmlib.reproduction.stats import NOT_MEASURED, Finding, Statement, equals, least_squares, mean

ALMOST_ALL = 0.9  # of the patterns: McEliece et al. leave the share open, which goes to 1 as n grows
PAPER = ThoughtExperiment(sequences=3.4e9, trained_share=0.07, gigabytes=44, nodes_of_weights=np.nan)


def held(storage: pd.DataFrame) -> pd.DataFrame:
    """Find how many patterns each network holds so that `ALMOST_ALL` of them are fixed points.

    Parameters
    ----------
    storage : DataFrame
        What `ecmlib.reproduction.hopfield.measure_storage` returns, for one n or several together.

    Returns
    -------
    DataFrame
        ``n``, ``trial`` and ``held``, interpolated between the numbers stored; networks that never fall to that share
        are left out.
    """
    rows = []
    for (n, trial), network in storage.groupby(["n", "trial"]):
        line = network.sort_values("stored")
        stored, fixed = line["stored"].to_numpy(float), line["fixed"].to_numpy(float)
        below = np.flatnonzero(fixed < ALMOST_ALL)
        if len(below) and below[0] > 0:
            last, first = below[0] - 1, below[0]
            part = (fixed[last] - ALMOST_ALL) / (fixed[last] - fixed[first])
            rows.append((n, trial, stored[last] + part * (stored[first] - stored[last])))
    return pd.DataFrame(rows, columns=["n", "trial", "held"])


def judge(storage: pd.DataFrame) -> Finding:
    """Judge "n nodes store n / (2 ln n) patterns": measured numbers grow in proportion to it, with a factor of 1."""
    networks = held(storage)
    if networks["n"].nunique() < 2 or len(networks) < 4:
        return NOT_MEASURED
    formula = np.log(networks["n"].map(storage_capacity))
    logarithm = np.log(networks["held"])
    power = least_squares(logarithm, {"power": formula, "factor": np.ones(len(networks))})["power"]
    factor = mean(logarithm - formula).exp()
    nodes = f"networks of {networks['n'].min()} to {networks['n'].max()} nodes"
    return Finding(
        [
            Statement(
                "What networks hold grows in proportion to n / (2 ln n): as its power 1.",
                f"What {nodes} hold, {ALMOST_ALL:.0%} of the patterns being fixed points, grows as the formula's "
                "power {}.",
                equals(power, 1, 0),
                power,
            ),
            Statement("And is equal to it.", "It is {} times the formula.", equals(factor, 1, 0), factor),
        ]
    )


def judge_arithmetic(ours: ThoughtExperiment) -> Finding:
    """Judge the paper's three numbers: ours, rounded as it rounds, are the same."""
    same = "Computed anew and rounded as the paper rounds, it is the same."
    return Finding(
        [
            Statement(
                same,
                f"{ours.sequences:.3g} sequences fit (the paper: {PAPER.sequences:.2g}).",
                round(ours.sequences / 1e9, 1) == PAPER.sequences / 1e9,
            ),
            Statement(
                same,
                f"The training tokens are {ours.trained_share:.1%} of them ({PAPER.trained_share:.0%}).",
                round(ours.trained_share, 2) == PAPER.trained_share,
            ),
            Statement(
                same,
                f"They take {ours.gigabytes:.1f} GB ({PAPER.gigabytes:.0f} GB).",
                round(ours.gigabytes) == PAPER.gigabytes,
            ),
        ]
    )


def plot_storage(table: pd.DataFrame) -> Figure:
    """Draw the share of stored patterns that are fixed points against load, a line a network size n."""
    figure, axes = new_figure()
    sizes = table.assign(nodes=[f"n={n}" for n in table["n"]])
    sns.lineplot(sizes, x="load", y="fixed", hue="nodes", style="nodes", palette=PALETTE, markers=True, seed=0, ax=axes)
    axes.axvline(1, color="black", linestyle="--", linewidth=0.8, label="n / (2 ln n)")
    axes.set(xlabel="patterns stored / (n / (2 ln n))", ylabel="share of fixed points")
    axes.legend(title=None, fontsize="small")
    return figure


def plot_dilution(table: pd.DataFrame) -> Figure:
    """Draw symmetry (eq. 1) and the overlap of pattern and recall against the share of connections kept.

    Parameters
    ----------
    table : DataFrame
        What `ecmlib.reproduction.hopfield.measure_dilution` returns: a line a manner of cutting.
    """
    figure, panels = new_panels(2)
    for axes, (column, title) in zip(panels, {"symmetry": "symmetry (1)", "overlap": "overlap"}.items(), strict=True):
        sns.lineplot(table, x="kept", y=column, hue="cut", style="cut", palette=PALETTE, markers=True, seed=0, ax=axes)
        axes.set(title=title, xlabel="connections kept", ylim=(0, 1.05))
        axes.legend().remove()
    panels[0].set_ylabel("")
    shared_legend(figure, panels[0], ncols=2)
    return figure


def plot_cues(table: pd.DataFrame, minimum: float) -> Figure:
    """Draw the share of patterns recalled against the initial cue; the dashed line is the minimum initial cue."""
    figure, axes = new_figure()
    sns.lineplot(table, x="cue", y="recalled", marker="o", color=COLORS[0], seed=0, ax=axes)
    axes.axvline(minimum, color="black", linestyle="--", linewidth=0.8, label="minimum initial cue")
    axes.set(xlabel="cue length / pattern length", ylabel="share of patterns recalled", ylim=(0, 1.05))
    axes.legend(fontsize="small")
    return figure
