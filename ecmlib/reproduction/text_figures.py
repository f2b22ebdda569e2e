"""Figures of random tokens and text: what contents need, how capacity grows, and what a law says of it."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ecmlib.contents import CONTENTS
from ecmlib.figures.style import new_panels, styled
from ecmlib.laws.points import SIZES
from ecmlib.reproduction.text import GROWTH, usable_cells

_COMPARED = ("uniform", "text")


def plot_contents(cells: pd.DataFrame) -> Figure:
    """Draw, over the contents, the bits that a sequence needs, and the capacity in sequences and in bits.

    Parameters
    ----------
    cells : DataFrame
        What `ecmlib.reproduction.text.compare` returns. Drawn are the sizes of which most contents are measured, a line
        each; what n-grams say a sequence needs is dashed. Capacities of lost and full cells are left out.
    """
    by_sizes = cells.groupby(SIZES)
    most = by_sizes["content"].transform("nunique") == by_sizes["content"].nunique().max()
    figure, (needed, sequences, bits) = new_panels(3, share_y=False)
    for (sizes, rows), color, marker in styled(cells[most].groupby(SIZES)):
        d, H, N, _, K, T = sizes
        rows = rows.assign(place=rows["content"].map(CONTENTS.index)).sort_values("place")
        usable = usable_cells(rows)
        line: dict[str, Any] = {"color": color, "marker": marker, "markersize": 4, "linewidth": 1.2}
        needed.plot(rows["place"], (rows["N"] - 1) * rows["ngram_bits"], color=color, linestyle="--", linewidth=0.8)
        needed.plot(
            rows["place"], (rows["N"] - 1) * rows["reference_bits"], **line, label=f"d={d} H={H} N={N} K={K} T={T}"
        )
        sequences.plot(usable["place"], usable["C"], **line)
        bits.plot(usable["place"], usable["bits_per_parameter"], **line)
    needed.set(ylabel="bits a sequence needs", ylim=(0, None))
    sequences.set(ylabel="C, sequences", yscale=_scale(usable_cells(cells[most])))
    bits.set(ylabel="memorised bits\na parameter", ylim=(0, None))
    for axes in (needed, sequences, bits):
        axes.set_xticks(range(len(CONTENTS)), CONTENTS, rotation=45, fontsize="small")
        axes.tick_params(labelbottom=True)
    figure.legend(loc="outside upper center", ncols=2, fontsize="small")
    return figure


def plot_growth(cells: pd.DataFrame) -> Figure:
    """Draw capacity for uniform tokens and for text over d, H and N; lines join cells that differ in nothing else."""
    figure, panels = new_panels(len(GROWTH), share_x=False)
    usable = usable_cells(cells)
    for axes, size in zip(panels, GROWTH, strict=True):
        for content, color, marker in styled(_COMPARED):
            here = usable[usable["content"] == content].sort_values(size)
            others_equal = here.groupby([name for name in SIZES if name != size])
            for line in (rows for _, rows in others_equal if len(rows) > 1):
                axes.plot(line[size], line["C"], color=color, marker=marker, markersize=4, linewidth=1)
        axes.set(xlabel=size, ylabel="C, sequences", xscale=_scale(usable), yscale=_scale(usable))
        axes.set_xticks(shown := sorted(usable[size].unique()), shown)
        axes.xaxis.minorticks_off()
    for content, color, marker in styled(_COMPARED):
        panels[0].plot([], [], color=color, marker=marker, label=content)
    figure.legend(loc="outside upper center", ncols=len(_COMPARED), fontsize="small")
    return figure


def plot_law(errors: pd.DataFrame) -> Figure:
    """Draw predicted over measured capacities, a law told the reference's bits a token (left) or log2 K (right).

    Parameters
    ----------
    errors : DataFrame
        What `ecmlib.reproduction.text.law_errors` returns.
    """
    figure, panels = new_panels(2)
    ends = [errors[["C", "predicted", "predicted_K"]].to_numpy().min(), errors["C"].max()]
    for axes, kind, told in zip(panels, ("", "_K"), ("the reference's bits", "log2 K"), strict=True):
        for content, color, marker in styled(CONTENTS):
            here = errors[errors["content"] == content]
            label = content if kind == "" and len(here) else None
            axes.plot(
                here["C"], here[f"predicted{kind}"], marker, color=color, markersize=4, linestyle="none", label=label
            )
        axes.plot(ends, ends, color="black", linewidth=0.8, linestyle="--")
        axes.set(xlabel="C, sequences", ylabel="predicted C", xscale="log", yscale="log", title=f"told {told}")
        axes.title.set_fontsize("small")
    figure.legend(loc="outside upper center", ncols=len(CONTENTS), fontsize="small")
    return figure


def _scale(drawn: pd.DataFrame) -> str:
    """Return the scale of capacities: logarithmic, unless nothing is drawn, of which there is no logarithm."""
    return "linear" if drawn.empty else "log"
