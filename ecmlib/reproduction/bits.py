"""How much information a parameter holds: over sizes, over offered load, and after rounding to fewer bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecmlib.architecture import Architecture
from ecmlib.chance import guess_corrected
from ecmlib.figures.style import new_figure, styled
from ecmlib.laws.points import CONDITIONS, configurations
from ecmlib.results import CapacityRecord

BITS_PER_PARAMETER = {  # what others found
    "Morris et al. 2025, float32": 3.8,
    "Morris et al. 2025, bfloat16": 3.5,
    "Allen-Zhu and Li 2024, knowledge": 2.0,
}
KIND = ["embeddings", "d", "K"]  # of models whose libraries grow
ENOUGH = 4.0  # library bits a parameter from which a model, not what it is offered, sets what it holds
FLAT = 1.05  # a rise to the next load by less is none
FULL_WIDTH = 32  # bits of a number that is not rounded


def offered_load(frame: pd.DataFrame) -> pd.Series:
    """Library bits a parameter: T (N - 1) log2 K / P. From `ENOUGH` on, a model cannot hold what it is offered."""
    load: pd.Series[float] = frame["T"] * (frame["N"] - 1) * np.log2(frame["K"]) / frame["P"]
    return load


def levelling(results: pd.DataFrame) -> pd.DataFrame:
    """Follow bits per parameter as more is offered.

    Returns
    -------
    DataFrame
        A row an architecture and library: `KIND`, ``P``, ``T``, ``load``, ``bits_per_parameter`` (mean of restarts) and
        ``rise``, its ratio to that at the next smaller load; near 1 where it levels off. Sorted by load.
    """
    if results.empty:
        return pd.DataFrame(columns=[*KIND, "P", "T", "load", "bits_per_parameter", "rise"])
    same = [name for name in CONDITIONS if name not in KIND]
    models = configurations(results, "bits_per_parameter", same)
    models = models.assign(load=offered_load(models)).sort_values([*KIND, "load"], ignore_index=True)
    models["rise"] = models["bits_per_parameter"] / models.groupby(KIND)["bits_per_parameter"].shift()
    return models[[*KIND, "P", "T", "load", "bits_per_parameter", "rise"]]


def at_largest_loads(table: pd.DataFrame) -> pd.DataFrame:
    """Keep, of what `levelling` returns, the largest load of each model that is offered `ENOUGH` and was offered less.

    Returns
    -------
    DataFrame
        The same columns, ``loads``, how many the model was offered, and ``level``: whether the ``rise`` to this load is
        less than `FLAT`.
    """
    loads = table.groupby(KIND)["load"]
    largest = table.assign(loads=loads.transform("size")).loc[loads.idxmax()]
    return largest[(largest["load"] >= ENOUGH) & largest["rise"].notna()].assign(level=lambda of: of["rise"] < FLAT)


def kept_whole(architecture: Architecture) -> tuple[int, int]:
    """Count the numbers that are kept beside rounded weights: two a row of each trained matrix, and all of vectors."""
    d, heads, width = architecture.d, architecture.H * architecture.head_dim, architecture.ff_mult * architecture.d
    rows, vectors = 3 * heads + d, d  # of attention: queries, keys and values, their way out; the norm's gains
    if architecture.ff == "train":
        rows, vectors = rows + width + d, vectors + width + 2 * d
    vocabularies = {"frozen": 0, "trained": 2, "tied": 1}[architecture.embeddings]
    embedded = vocabularies * architecture.K + (architecture.N if vocabularies else 0)
    return 2 * (architecture.L * rows + embedded), architecture.L * vectors + d


def rounding(records: Sequence[CapacityRecord]) -> pd.DataFrame:
    """Say what of a model's memory survives when its trained matrices are rounded.

    Returns
    -------
    DataFrame
        A row a restart and width: `KIND`, ``P``, ``load``, ``weight_bits``, ``bits`` that are left, 0 at least: a
        rounded model can tell less than guesses; ``kept``, their share of what the model memorised, and
        ``kept_count``, that of the sequences, less guesses, both missing if that was nothing; ``per_bit``: bits of
        weight for each memorised bit, with what is kept beside rounded weights (`kept_whole`) at `FULL_WIDTH` bits a
        number, and ``per_bit_bare``, without it.
    """
    rows = []
    for record in records:
        size, protocol = record.architecture, record.protocol
        offered = (size.N - 1) * protocol.T * np.log2(size.K)
        beside, vectors = kept_whole(size)
        kind = {name: getattr(size, name) for name in KIND} | {"P": record.P, "load": offered / record.P}
        for restart in record.restarts:
            whole = offered * (1 - restart.bits[-1] / np.log2(size.K)) if restart.bits else 0.0
            counted = guess_corrected(restart.last_count[-1], protocol.T, size.K) if restart.last_count else 0.0
            for coarse in restart.rounded:
                left = max(0.0, offered * (1 - coarse.bits / np.log2(size.K)))
                weights = coarse.weight_bits * (record.P - vectors)
                stored = weights + FULL_WIDTH * (beside + vectors)
                rows.append(
                    kind
                    | {"weight_bits": coarse.weight_bits, "bits": left, "kept": _share(left, whole)}
                    | {"kept_count": _share(guess_corrected(coarse.last_count, protocol.T, size.K), counted)}
                    | {"per_bit": stored / left if left else np.inf, "per_bit_bare": weights / left if left else np.inf}
                )
    columns = [*KIND, "P", "load", "weight_bits", "bits", "kept", "kept_count", "per_bit", "per_bit_bare"]
    return pd.DataFrame(rows, columns=columns)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else np.nan


def by_width(table: pd.DataFrame) -> pd.DataFrame:
    """Sum up, over the models of `rounding` that were offered `ENOUGH`, what each width keeps and costs.

    Returns
    -------
    DataFrame
        A row a width ``weight_bits``, widest first: ``models``; the median shares ``kept`` and ``kept_count`` with the
        least and most; the median bits of weight ``per_bit`` and ``per_bit_bare`` memorised with the least and most.
    """
    widths = table[table["load"] >= ENOUGH].groupby("weight_bits")
    summed = widths.agg(
        models=("kept", "size"),
        **{
            f"{name}{suffix}": (name, statistic)
            for name in ("kept", "kept_count", "per_bit", "per_bit_bare")
            for suffix, statistic in (("", "median"), ("_least", "min"), ("_most", "max"))
        },
    )
    return summed.reset_index().sort_values("weight_bits", ascending=False, ignore_index=True)


def plot_levelling(table: pd.DataFrame) -> Figure:
    """Draw bits per parameter over offered load, a line a kind of model, beside what others found."""
    figure, axes = new_figure(height=3.8)
    for (kind, rows), color, marker in styled(table.groupby(KIND)):
        label = "{}, d={}, K={}".format(*kind)
        axes.plot(rows["load"], rows["bits_per_parameter"], color=color, marker=marker, label=label)
    axes.axline((0, 0), slope=1, color="gray", linestyle=":", linewidth=1)  # all that is offered
    _draw_others(axes, table["load"].max())
    axes.set(xlabel="offered load, library bits a parameter", ylabel="bits a parameter", ylim=(0, 4.2), xlim=(0, None))
    axes.legend(fontsize="x-small", loc="lower right", ncols=2)
    return figure


def plot_rounding(table: pd.DataFrame) -> Figure:
    """Draw the shares of bits and sequences that survive over the width of a weight, median and range (`by_width`)."""
    figure, axes = new_figure()
    widths = by_width(table).sort_values("weight_bits")
    for (name, label), color, marker in styled([("kept_count", "sequences"), ("kept", "bits")]):
        axes.fill_between(
            widths["weight_bits"], widths[f"{name}_least"], widths[f"{name}_most"], color=color, alpha=0.2
        )
        axes.plot(widths["weight_bits"], widths[name], color=color, marker=marker, label=label)
    axes.set(xlabel="bits a weight", ylabel="share kept of what was memorised", ylim=(0, 1.05))
    axes.legend(fontsize="small")
    return figure


def plot_bits_per_parameter(results: pd.DataFrame) -> Figure:
    """Draw bits per parameter against parameters, a colour a sequence length, beside what others found.

    Hollow points memorised their whole library: they could hold more bits than there were.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`; the mean of a configuration's restarts counts.
    """
    best = configurations(results, ["C_plateau_raw", "bits_per_parameter"])
    figure, axes = new_figure(height=3.6)
    lengths = sorted(best["N"].unique())
    for N, color, marker in styled(lengths):
        for full, face in ((False, color), (True, "none")):
            here = best[(best["N"] == N) & (best["complete"] == full)]
            label = "_hollow" if full else f"N={N}"
            axes.plot("P", "bits_per_parameter", marker, data=here, color=color, markerfacecolor=face, label=label)
    _draw_others(axes, best["P"].max())
    axes.set(xscale="log", xlabel="P, parameters", ylabel="bits per parameter", ylim=(0, None))
    figure.legend(loc="outside upper center", ncols=len(lengths), fontsize="small")
    return figure


def _draw_others(axes: Axes, right: float) -> None:
    for name, value in BITS_PER_PARAMETER.items():
        axes.axhline(value, color="black", linestyle="--", linewidth=0.8)
        axes.annotate(name, (right, value), (0, 2), textcoords="offset points", ha="right", fontsize="small")
