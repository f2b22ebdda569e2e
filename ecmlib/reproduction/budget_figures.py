"""What an architecture holds over training budgets, and how long 90 % of its limit takes, as figures."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ecmlib.figures.style import new_figure, new_panels, scale_by_doublings, shared_legend, styled
from ecmlib.laws.points import SIZES
from ecmlib.reproduction.budget import protocol_name, with_load
from ecmlib.reproduction.limits import CURVE, PROTOCOL


def plot_steps_90(limited: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Draw the steps to 90 % of each known limit of bits, over parameters and over offered load, a colour a protocol.

    Parameters
    ----------
    limited : DataFrame
        What `ecmlib.reproduction.limits.of_best_form` returns.
    table : DataFrame
        What `compare` returns.
    """
    known = with_load(limited[limited["known"] & (limited["quantity"] == "bits")], table)
    figure, panels = new_panels(2, share_x=False)
    for (_, curves), color, marker in styled(known.groupby(PROTOCOL, sort=False)):
        for axes, across in zip(panels, ("P", "load"), strict=True):
            name = protocol_name(curves.iloc[0])
            axes.plot(curves[across], curves["steps_90"], marker, color=color, label=name)
    for axes, name in zip(panels, ("P, parameters", "load, bits offered a parameter"), strict=True):
        axes.set(yscale="log", xlabel=name)
        scale_by_doublings(axes)
    panels[0].set(ylabel="steps to 90 % of the limit", ylim=(1000, None))
    shared_legend(figure, panels[0], ncols=3)
    return figure


def plot_budgets(table: pd.DataFrame, limited: pd.DataFrame, quantity: str = "bits_per_parameter") -> Figure:
    """Draw one architecture's memory over training budgets, a line a protocol, with the limits that are known.

    Parameters
    ----------
    table : DataFrame
        Rows of `compare` of one architecture.
    limited : DataFrame
        What `ecmlib.reproduction.limits.of_best_form` returns.
    quantity : {"bits_per_parameter", "C"}
        What is drawn.
    """
    figure, axes = new_figure()
    known = limited[limited["known"] & (limited["quantity"] == ("C" if quantity == "C" else "bits"))]
    for (_, runs), color, marker in styled(table.groupby(PROTOCOL, sort=False)):
        one = runs.iloc[0]
        axes.plot(runs["max_steps"], runs[quantity], color=color, marker=marker, label=protocol_name(one))
        for limit in known.loc[(known[CURVE] == one[CURVE]).all(axis=1), "limit"]:
            axes.axhline(limit if quantity == "C" else limit / one["P"], color=color, linestyle=":", linewidth=1)
    size = table.iloc[0]
    label = "bits a parameter" if quantity == "bits_per_parameter" else "C, sequences"
    title = ", ".join(f"{name}={size[name]}" for name in SIZES)
    axes.set_xscale("log")
    budgets = sorted(table["max_steps"].unique())
    axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets], fontsize="small")
    axes.minorticks_off()
    axes.set(xlabel="training budget, steps", ylabel=label, ylim=(0, None), title=title)
    axes.legend(fontsize="small")
    return figure
