"""Figures of the experiments beside the main grid: feed-forward, layers, vocabulary, batch size, stopping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecmlib.plots.style import COLORS, new_figure, new_panels, styled


def plot_feedforward(pairs: pd.DataFrame) -> Figure:
    """Draw capacity against d with feed-forward blocks and without (paper, Fig. 2).

    Dashed lines are read where the shorter run of a pair ends.

    Parameters
    ----------
    pairs : DataFrame
        What `ecmlib.experiments.feedforward.compare` returns.
    """
    figure, axes = new_figure()
    best = pairs.groupby("d", as_index=False).max()
    names = {"train": "feed-forward trained", "identity": "identity instead"}
    for (ff, name), color, marker in styled(names.items()):
        axes.plot(best["d"], best[f"C_{ff}"], color=color, marker=marker, label=name)
        style: dict[str, Any] = {"color": color, "marker": marker, "linestyle": "--", "markerfacecolor": "none"}
        axes.plot(best["d"], best[f"C_{ff}_equal_steps"], label=f"{name}, equal steps", **style)
    axes.set(xlabel="d", ylabel="C, sequences", ylim=(0, None))
    axes.legend(fontsize="small")
    return figure


def plot_layers(table: pd.DataFrame) -> Figure:
    """Draw capacity against layers, at equal d and at equal P, and what the paper's Table 1 predicts at equal d.

    Parameters
    ----------
    table : DataFrame
        What `ecmlib.experiments.layers.compare` returns.
    """
    figure, axes = new_figure()
    for (equal, rows), color, marker in styled(table.groupby("equal")):
        axes.plot(rows["L"], rows["C"], color=color, marker=marker, label=f"equal {equal}")
        for d, P, L, C in rows.loc[rows["L"] > 1, ["d", "P", "L", "C"]].to_numpy(float):
            label = f"d={d:.0f}" if equal == "P" else f"P={P:,.0f}"
            axes.annotate(label, (L, C), (0, 5), textcoords="offset points", ha="center", fontsize="x-small")
    predicted = table[table["equal"] == "d"].dropna(subset="published")
    axes.plot(predicted["L"], predicted["published"], "k--", marker="x", label="Table 1, equal d")
    axes.set(xlabel="L, layers", ylabel="C, sequences", ylim=(0, None), xticks=sorted(table["L"].unique()))
    axes.legend(fontsize="small")
    return figure


def plot_vocabulary(table: pd.DataFrame) -> Figure:
    """Draw capacity in sequences and in bits against the vocabulary, both by their values at the smallest one.

    Parameters
    ----------
    table : DataFrame
        What `ecmlib.experiments.vocabulary.compare` returns.
    """
    figure, panels = new_panels(2)
    for axes, (quantity, title) in zip(panels, {"C": "sequences", "bits": "bits"}.items(), strict=True):
        for (d, rows), color, marker in styled(table.groupby("d")):
            axes.plot(rows["K"], rows[quantity] / rows[quantity].iloc[0], color=color, marker=marker, label=f"d={d}")
        axes.axhline(1, color="black", linewidth=0.8, linestyle="--")
        axes.set(xlabel="K, tokens", title=f"capacity in {title}")
        axes.set_xscale("log", base=2)
    panels[0].set(ylabel="by that of the smallest K", ylim=(0, None))  # once both panels are drawn
    panels[0].legend(fontsize="small")
    return figure


def plot_batch_size(readings: pd.DataFrame) -> Figure:
    """Draw capacity against batch size at equal steps and at equal epochs (paper, Fig. 6).

    Parameters
    ----------
    readings : DataFrame
        What `ecmlib.experiments.batch_size.compare` returns.
    """
    figure, panels = new_panels(2)
    for axes, reading in zip(panels, ("steps", "epochs"), strict=True):
        best = readings.groupby(["N", "batch_size"], as_index=False)[[f"C_{reading}", reading]].max()
        for (N, rows), color, marker in styled(best.groupby("N")):
            label = f"N={N}, {rows[reading].iloc[0]:.0f} {reading}"
            axes.plot(rows["batch_size"], rows[f"C_{reading}"], color=color, marker=marker, label=label)
        axes.axvline(512, color="black", linewidth=0.8, linestyle="--")
        axes.set(xlabel="batch size", title=f"equal {reading}", yscale="log")
        axes.set_xscale("log", base=2)
        axes.legend(fontsize="x-small")
    panels[0].set_ylabel("C, sequences")
    return figure


def plot_noise_scale(noise: pd.DataFrame, critical: pd.DataFrame) -> Figure:
    """Draw the gradient noise scale along training, and the critical batch size that the curves show as a band.

    Parameters
    ----------
    noise : DataFrame
        `ecmlib.noise_scale.NoiseScaleRecord.frame`, of all N together.
    critical : DataFrame
        What `ecmlib.experiments.critical_batch.critical_batch_sizes` returns; no rows while nothing is measured.
    """
    figure, axes = new_figure()
    finite = noise.replace(np.inf, np.nan).dropna()
    for (N, rows), color, marker in styled(finite.groupby("N")):
        line = rows.sort_values("step")
        label = f"noise scale, N={N}"
        axes.plot(line["step"], line["noise_scale"], color=color, marker=marker, markersize=3, label=label)
        axes.fill_between(line["step"], line["low"], line["high"], color=color, alpha=0.3, linewidth=0)
        here = critical[critical["N"] == N] if len(critical) else critical
        for B_crit, lowest, highest in here.reindex(columns=["B_crit", "low", "high"]).to_numpy():
            axes.axhspan(lowest, highest, color=color, alpha=0.12, linewidth=0)
            axes.axhline(B_crit, color=color, linestyle="--", linewidth=0.8, label=f"critical batch size, N={N}")
    low, high = finite["noise_scale"].min(), finite["noise_scale"].max()
    axes.set(xlabel="training steps", ylabel="sequences", yscale="log", ylim=(low / 10, high * 10))
    axes.legend(fontsize="x-small")
    return figure


def plot_patience(shares: pd.DataFrame, paper: int) -> Figure:
    """Draw the share of the final capacity that a run has found when the paper's rule ends it.

    Parameters
    ----------
    shares : DataFrame
        What `ecmlib.experiments.stopping.shares` returns.
    paper : int
        The paper's patience, marked.
    """
    figure, axes = new_figure()
    color = COLORS[0]
    axes.plot(shares["patience_steps"], shares["share"], color=color, marker="o", label="share of the final capacity")
    axes.fill_between(shares["patience_steps"], shares["low"], shares["high"], color=color, alpha=0.3, linewidth=0)
    axes.plot(shares["patience_steps"], shares["struck"], "k--", marker="x", label="runs that the rule ended")
    axes.axvline(paper, color="black", linewidth=0.8, linestyle=":", label="the paper's patience")
    axes.set(xlabel="patience, steps", ylabel="share", xscale="log", ylim=(0, 1.05))
    figure.legend(loc="outside upper center", fontsize="small", ncols=2)
    return figure


def plot_slopes_over_patience(parameters: pd.DataFrame) -> Figure:
    """Draw how the slopes f(H, N) of the paper's law move with the patience of the runs that it is fitted to.

    Parameters
    ----------
    parameters : DataFrame
        What `ecmlib.experiments.stopping.parameters_of` returns.
    """
    slopes = parameters[parameters["quantity"].str.startswith("f(")]
    quantities = slopes["quantity"].unique()
    figure, panels = new_panels(len(quantities), share_y=False)
    for quantity, axes in zip(quantities, panels, strict=True):
        _draw_interval(axes, slopes[slopes["quantity"] == quantity])
        axes.set(title=quantity, xscale="log")
    figure.supxlabel("patience, steps", fontsize="medium")
    figure.supylabel("sequences per unit of d", fontsize="medium")
    return figure


def _draw_interval(axes: Axes, rows: pd.DataFrame) -> None:
    below, above = rows["value"] - rows["low"], rows["high"] - rows["value"]
    reach = np.clip([below, above], 0, None)
    color = COLORS[0]
    axes.errorbar(rows["patience_steps"], rows["value"], reach, color=color, marker="o", markersize=4, capsize=2)
