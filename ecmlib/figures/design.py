"""Figures of design: what parameters buy, and which architecture to take."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from ecmlib.figures.style import COLORS, FEW_MARKS, new_figure, styled


def plot_capacity_over_parameters(frame: pd.DataFrame, published: pd.DataFrame | None = None) -> Figure:
    """Draw predicted capacity against parameters, a line a number of heads (paper, Fig. 11).

    Lines are dashed where the law was not fitted on such sizes, bands are its prediction intervals.

    Parameters
    ----------
    frame : DataFrame
        As `ecmlib.laws.worth.capacity_over_parameters` returns it, for one N and one L.
    published : DataFrame, optional
        Columns H, P and C of the paper's law, drawn dotted.
    """
    figure, axes = new_figure()
    heads = sorted(frame["H"].unique())
    for H, color, marker in styled(heads):
        line = frame[frame["H"] == H].sort_values("P")
        axes.fill_between(line["P"], line["C_low"], line["C_high"], color=color, alpha=0.12, linewidth=0)
        axes.plot(line["P"], line["C"], color=color, linestyle="--", linewidth=1.2)
        inside = line["C"].mask(line["outside_region"])
        axes.plot(line["P"], inside, color=color, linewidth=1.8, label=f"H = {H}", marker=marker, **FEW_MARKS)
        if published is not None:
            drawn = published[published["H"] == H].sort_values("P")
            axes.plot(drawn["P"], drawn["C"], ":", color=color, linewidth=1.4)
    if published is not None:
        axes.plot([], [], "k:", label="published")
    N, L, T = (frame[size].iloc[0] for size in "NLT")
    axes.set(xlabel="parameters P", ylabel="capacity C (sequences)", title=f"N = {N}, L = {L}, T = {T:,}")
    axes.set(xscale="log", yscale="log")
    axes.legend(fontsize="small")
    return figure


def plot_candidates(candidates: pd.DataFrame, capacity: float, measured: pd.DataFrame | None = None) -> Figure:
    """Draw the candidates for a target, a line each: predicted capacity with its interval, and what was measured.

    Parameters
    ----------
    candidates : DataFrame
        As `ecmlib.laws.design.smallest_architectures` returns it.
    capacity : float
        The target, in sequences.
    measured : DataFrame, optional
        Training runs of candidates: d, H, L and ``held``, in sequences.
    """
    figure, axes = new_figure(height=1.4 + 0.22 * len(candidates))
    lines = pd.Series(range(len(candidates)), index=pd.MultiIndex.from_frame(candidates[["d", "H", "L"]]))
    for outside, marker, meaning in ((False, "o", "predicted"), (True, "s", "predicted, outside the fitted region")):
        part = candidates[candidates["outside_region"] == outside]
        if not part.empty:
            arms = np.maximum([part["C"] - part["C_low"], part["C_high"] - part["C"]], 0)
            color = COLORS[int(outside)]
            axes.errorbar(part["C"], part.index, xerr=arms, fmt=marker, color=color, capsize=3, label=meaning)
    if measured is not None:
        places = lines.reindex(pd.MultiIndex.from_frame(measured[["d", "H", "L"]]))
        axes.plot(measured["held"], places, "*", color="black", markersize=11, label="measured")
    axes.axvline(capacity, color="black", linestyle="--", linewidth=0.8, label="target")
    names = [f"d={row['d']}, H={row['H']}, L={row['L']}: P={row['P']:,}" for _, row in candidates.iterrows()]
    axes.set_yticks(lines, names, fontsize="small")
    axes.invert_yaxis()
    axes.set(xlabel="capacity C (sequences)")
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    return figure


def plot_design_hits(hits: pd.DataFrame) -> Figure:
    """Draw the measured capacity of each design, and its predicted interval, as multiples of its target.

    Parameters
    ----------
    hits : DataFrame
        As `ecmlib.reproduction.designs.design_hits` returns it.
    """
    figure, axes = new_figure()
    trained = hits.dropna(subset="held")
    target = trained["capacity"]
    ends = trained["C_low"] / target, trained["C_high"] / target
    axes.vlines(target, *ends, color="grey", linewidth=1, label="predicted interval")
    for reached, marker, meaning in ((True, "o", "hit"), (False, "X", "miss")):
        part = trained[trained["reached"] == reached]
        color = COLORS[0 if reached else 3]
        share = part["held"] / part["capacity"]
        axes.plot(part["capacity"], share, marker, color=color, label=f"{meaning} ({len(part)})")
    axes.axhline(1, color="black", linestyle="--", linewidth=0.8, label="target")
    axes.set(xscale="log", xlabel="target (sequences)", ylabel="capacity C / target")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    figure.legend(loc="outside upper center", ncols=4, fontsize="small")
    return figure
