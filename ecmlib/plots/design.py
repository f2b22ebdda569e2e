"""Figures of design: what parameters buy, and which architecture to take."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from ecmlib.plots.style import PALETTE, new_figure


def plot_capacity_over_parameters(frame: pd.DataFrame) -> Figure:
    """Draw predicted capacity against parameters, a line a number of heads (paper, Fig. 11).

    Lines are dashed where the law was not fitted on such sizes, bands are its prediction intervals.

    Parameters
    ----------
    frame : DataFrame
        As `ecmlib.design.capacity_over_parameters` returns it, for one N and one L.
    """
    figure, axes = new_figure()
    heads = sorted(frame["H"].unique())
    for H, color in zip(heads, sns.color_palette(PALETTE, len(heads)), strict=True):
        line = frame[frame["H"] == H].sort_values("P")
        axes.fill_between(line["P"], line["C_low"], line["C_high"], color=color, alpha=0.12, linewidth=0)
        axes.plot(line["P"], line["C"], color=color, linestyle="--", linewidth=1.2)
        axes.plot(line["P"], line["C"].mask(line["outside_region"]), color=color, linewidth=1.8, label=f"H = {H}")
    N, L, T = (frame[size].iloc[0] for size in "NLT")
    axes.set(xscale="log", xlabel="parameters P", ylabel="capacity C (sequences)", title=f"N={N}, L={L}, T={T}")
    axes.legend(fontsize="small")
    return figure


def plot_memory_per_parameter(averages: pd.DataFrame) -> Figure:
    """Draw the mean memory per parameter at each value of each hyperparameter (paper, eq. 12).

    Parameters
    ----------
    averages : DataFrame
        As `ecmlib.design.memory_per_parameter` returns it.
    """
    names = averages["hyperparameter"].unique()
    with sns.axes_style("whitegrid"):
        figure, panels = plt.subplots(1, len(names), figsize=(6, 2.6), sharey=True, squeeze=False, layout="constrained")
    plt.close(figure)
    for name, axes, color in zip(names, panels[0], sns.color_palette(PALETTE), strict=False):
        part = averages[averages["hyperparameter"] == name]
        places = np.arange(len(part))
        axes.bar(places, part["MPP"], color=color)
        axes.set_xticks(places, [f"{value:g}" for value in part["value"]], fontsize="small")
        axes.set(xlabel=name)
        axes.grid(False, axis="x")
    panels[0, 0].set(ylabel="MPP (tokens a parameter)")
    return figure


def plot_candidates(candidates: pd.DataFrame, capacity: float, measured: pd.DataFrame | None = None) -> Figure:
    """Draw the candidates for a target: parameters, predicted capacity with its interval, and what was measured.

    Parameters
    ----------
    candidates : DataFrame
        As `ecmlib.design.smallest_architectures` returns it.
    capacity : float
        The target, in sequences.
    measured : DataFrame, optional
        The columns P and C_plateau of trained architectures.
    """
    figure, axes = new_figure()
    for outside, marker, meaning in ((False, "o", "predicted"), (True, "s", "predicted, outside the fitted region")):
        part = candidates[candidates["outside_region"] == outside]
        if part.empty:
            continue
        reach = [part["C"] - part["C_low"], part["C_high"] - part["C"]]
        color = sns.color_palette(PALETTE)[int(outside)]
        axes.errorbar(part["P"], part["C"], np.maximum(reach, 0), fmt=marker, color=color, capsize=3, label=meaning)
    for _, row in candidates.iterrows():
        at, name = (row["P"], row["C_high"]), f"d={row['d']}\nH={row['H']}, L={row['L']}"
        axes.annotate(name, at, (0, 3), textcoords="offset points", ha="center", va="bottom", fontsize=5)
    if measured is not None:
        axes.plot(measured["P"], measured["C_plateau"], "*", color="black", markersize=11, label="measured")
    axes.axhline(capacity, color="black", linestyle="--", linewidth=0.8, label="target")
    axes.set(xlabel="parameters P", ylabel="capacity C (sequences)", xscale="log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(ScalarFormatter())
    axes.tick_params(axis="x", which="both", labelsize="small")
    axes.margins(0.08, 0.15)
    axes.legend(fontsize="small")
    return figure


def plot_design_hits(hits: pd.DataFrame) -> Figure:
    """Draw the measured capacity of each design against its target; a hit lies on or above the diagonal.

    Parameters
    ----------
    hits : DataFrame
        As `ecmlib.design.design_hits` returns it.
    """
    figure, axes = new_figure()
    trained = hits.dropna(subset="C_plateau")
    axes.vlines(trained["capacity"], trained["C_low"], trained["C_high"], color="grey", label="predicted interval")
    for reached, marker, meaning in ((True, "o", "hit"), (False, "X", "miss")):
        part = trained[trained["reached"] == reached]
        color = sns.color_palette(PALETTE)[0 if reached else 3]
        axes.plot(part["capacity"], part["C_plateau"], marker, color=color, label=f"{meaning} ({len(part)})")
    ends = [trained["capacity"].min(), trained["capacity"].max()]
    axes.plot(ends, ends, color="black", linestyle="--", linewidth=0.8, label="target")
    axes.set(xscale="log", yscale="log", xlabel="target (sequences)", ylabel="capacity C (sequences)")
    axes.legend(fontsize="small")
    return figure
