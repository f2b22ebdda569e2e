"""Figures of the laws: against the data they were fitted to, and beyond (paper, Figs. 7 to 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from ecmlib.chance import at_least_one
from ecmlib.figures.style import new_figure, new_panels, scale_by_doublings, shared_legend, styled
from ecmlib.laws.base import Law
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.points import configurations, growing, scored
from ecmlib.laws.scores import bounded, mean_error


def plot_ratios(results: pd.DataFrame, law: Law, target: str = "C_plateau") -> Figure:
    """Draw measured over predicted capacity as heat maps: a panel a number of heads, d across, N down (paper, Fig. 8).

    Colours are logarithmic and end at a quarter and at 4 times; configurations not measured stay blank.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, all of one L, K and T.
    law : Law
    target : str
        Column that is compared (`ecmlib.laws.points.configurations`).
    """
    points = configurations(results, target)
    points = points.assign(ratio=points[target] / at_least_one(law.predict_frame(points)))
    heads = sorted(points["H"].unique())
    figure, panels = new_panels(len(heads))
    for H, axes in zip(heads, panels, strict=True):
        table = points[points["H"] == H].pivot(index="N", columns="d", values="ratio")
        table = table.reindex(index=sorted(points["N"].unique()), columns=sorted(points["d"].unique()))
        image = axes.imshow(table, cmap="PuOr", norm=LogNorm(0.25, 4), aspect="auto")
        axes.set_xticks(range(len(table.columns)), [str(d) for d in table.columns], fontsize="x-small")
        axes.set_yticks(range(len(table.index)), [str(N) for N in table.index], fontsize="x-small")
        for (row, column), ratio in np.ndenumerate(table.to_numpy(float)):
            if np.isfinite(ratio):
                dark = abs(np.log(ratio)) > 1
                axes.text(column, row, f"{ratio:.2g}", ha="center", va="center", fontsize=5, color="w" if dark else "k")
        axes.grid(False)
        axes.set(title=f"H = {H}", xlabel="d", ylabel="N")
    bar = figure.colorbar(image, ax=panels, label="measured / predicted", ticks=[0.25, 0.5, 1, 2, 4], shrink=0.8)
    bar.ax.yaxis.set_major_formatter(ScalarFormatter())
    bar.ax.minorticks_off()
    return figure


def plot_slopes(
    results: pd.DataFrame, ecm: EmpiricalCapacityModel, published: EmpiricalCapacityModel | None = None
) -> Figure:
    """Draw capacity per unit of d against N, a line a number of heads (paper, Fig. 9).

    Lines are the slope (eq. 10). Points are geometric means of measured C/d over all d at which C is neither chance
    nor saturated, bars reach from the smallest to the largest: if capacity were linear in d, they would have no length.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, all of one L, K and T.
    ecm : EmpiricalCapacityModel
    published : EmpiricalCapacityModel, optional
        Drawn dotted.
    """
    points = growing(results)
    figure, axes = new_figure()
    heads = sorted(points["H"].unique())
    lengths = np.geomspace(points["N"].min(), points["N"].max(), 100)
    for place, (H, color, marker) in enumerate(styled(heads)):
        per_d = points[points["H"] == H].assign(slope=points["C"] / points["d"]).groupby("N")["slope"]
        middle = np.exp(per_d.apply(lambda slopes: np.log(slopes).mean()))
        beside = middle.index * 1.03 ** (place - (len(heads) - 1) / 2)
        reach = np.clip([middle - per_d.min(), per_d.max() - middle], 0, None)  # rounding may leave less than nothing
        axes.errorbar(beside, middle, reach, fmt=marker, color=color, markersize=4, linewidth=0.8, label=f"H={H}")
        axes.plot(lengths, ecm.slope(H, lengths), color=color, linewidth=1.2)
        if published is not None:
            axes.plot(lengths, published.slope(H, lengths), ":", color=color, linewidth=1.2)
    if published is not None:
        axes.plot([], [], "k:", label="published")
    axes.set(xscale="log", yscale="log", xlabel="N", ylabel="C / d, sequences")
    ticks = sorted(points["N"].unique())
    axes.set_xticks(ticks, [str(N) for N in ticks])
    axes.set_yticks([1, 2, 5, 10, 20, 50])
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    figure.legend(loc="outside upper center", ncols=3, fontsize="small")
    return figure


def plot_extrapolation(results: pd.DataFrame, laws: Mapping[str, Law], largest: float) -> Figure:
    """Draw what laws fitted to small d predict for larger ones (paper, Fig. 10).

    Predicted over measured capacity against d, a panel a law; the shaded part was fitted.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, all of one L, K and T, of all d.
    laws : mapping
        Laws fitted to d <= ``largest``, by name.
    largest : float
        Largest d fitted.
    """
    points = configurations(results, next(iter(laws.values())).evidence.target)
    figure = _ratio_panels(points, laws, "d", points["d"].to_numpy(float), largest)
    for axes in figure.axes:
        scale_by_doublings(axes)
    return figure


def plot_residuals(results: pd.DataFrame, laws: Mapping[str, Law]) -> Figure:
    """Draw predicted over measured capacity against the measured one, a panel a law.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, all of one L, K and T.
    laws : mapping
        Laws by name.
    """
    target = next(iter(laws.values())).evidence.target
    points = configurations(results, target)
    return _ratio_panels(points, laws, "measured C, sequences", points[target].to_numpy(float))


def plot_predicted(frames: Mapping[str, pd.DataFrame], law: Law) -> Figure:
    """Draw measured against predicted capacity of several grids, a colour a grid.

    Bars are the law's 90 % prediction intervals: where it says itself that it can be wrong. Hollow points are full or
    lost in guessing. The legend gives each grid's mean error, as a share of what was measured, at the others, and how
    many these are (`ecmlib.laws.points.scored`).

    Parameters
    ----------
    frames : mapping
        Rows of `ecmlib.load_results` by the grid's name.
    law : Law
    """
    target = law.evidence.target
    figure, axes = new_figure(5, 4.4 + 0.12 * len(frames))  # the legend is below
    drawn: list[float] = []
    for (name, frame), color, marker in styled(frames.items()):
        points = scored(frame, target, law.same)
        C, low, high = law.predict_interval(points, 0.9)
        error, n = mean_error(points, bounded(law, points), target), points["telling"].sum()
        arms = np.clip([C - low, high - C], 0, None)
        axes.errorbar(C, points[target], xerr=arms, fmt="none", ecolor=color, elinewidth=0.6, alpha=0.35)
        for hollow, face in ((False, color), (True, "none")):
            here = points["telling"] != hollow
            style: dict[str, Any] = {"color": color, "markerfacecolor": face, "markersize": 4, "alpha": 0.8}
            label = f"_{name}, hollow" if hollow else f"{name}: {100 * error:.0f} % of {n}" if n else name
            axes.plot(C[here], points.loc[here, target], marker, label=label, **style)
        drawn += [*C, *points[target]]
    ends = [min(number for number in drawn if number > 0), max(drawn)]
    axes.plot(ends, ends, color="black", linestyle="--", linewidth=0.8, label="equal")
    axes.set(xscale="log", yscale="log", xlabel="predicted C, sequences", ylabel="measured C, sequences")
    said = {"title": "mean error, of configurations", "title_fontsize": "x-small", "fontsize": "x-small"}
    figure.legend(loc="outside lower center", ncols=2, **said)
    return figure


def _ratio_panels(
    points: pd.DataFrame, laws: Mapping[str, Law], label: str, across: np.ndarray, fitted_to: float | None = None
) -> Figure:
    target = next(iter(laws.values())).evidence.target
    figure, panels = new_panels(len(laws))
    for (name, law), axes in zip(laws.items(), panels, strict=True):
        ratio = at_least_one(law.predict_frame(points)) / points[target]
        for H, color, marker in styled(sorted(points["H"].unique())):
            here = (points["H"] == H).to_numpy()
            axes.plot(across[here], ratio[here].clip(0.02, 50), marker, color=color, markersize=3, label=f"H={H}")
        if fitted_to is not None:
            axes.axvspan(across.min(), fitted_to, color="grey", alpha=0.15, linewidth=0)
        axes.axhline(1, color="black", linestyle="--", linewidth=0.8)
        axes.set_title(name, fontsize="small")
        axes.set(xscale="log", yscale="log", xlabel=label, ylabel="predicted / measured", ylim=(0.02, 50))
    shared_legend(figure, panels[0])
    return figure
