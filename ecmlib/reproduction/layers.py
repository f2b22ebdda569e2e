"""What do more layers add, at equal d and at equal P? (beside the paper's Table 1)"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.architecture import Architecture
from ecmlib.chance import at_least_one
from ecmlib.figures.style import new_figure, styled
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.points import configurations
from ecmlib.reproduction.measure import listed
from ecmlib.reproduction.stats import NOT_MEASURED, Finding, Statement, above, least_squares
from ecmlib.results import CapacityRecord


def plan(d: int, L: list[int], **sizes: Any) -> list[dict[str, int]]:
    """Return the configurations: every L at the same d, and with the d whose P comes nearest to that of L=1.

    Raises
    ------
    ValueError
        If L is no list, or a size is out of range.
    """
    listed("L", L)
    P = Architecture(d=d, L=1, **sizes).n_params
    for layers in L:
        Architecture(d=d, L=layers, **sizes)
    nearest = [_nearest(P, d, layers, sizes) for layers in L]
    pairs = [(d, layers) for layers in L] + list(zip(nearest, L, strict=True))
    return [{"d": size, "L": layers} for size, layers in dict.fromkeys(pairs)]


def compare(records: Sequence[CapacityRecord]) -> pd.DataFrame:
    """Return a row a configuration and comparison it is part of.

    Returns
    -------
    DataFrame
        ``equal`` ("d" or "P"), ``L``, ``d``, ``P``, ``C`` (best restart), ``bits_per_parameter`` (mean of restarts),
        and ``published``: what the paper's Table 1 predicts for its own library, missing for more than two layers.
    """
    frame = pd.concat([record.frame() for record in records], ignore_index=True)
    rows = []
    for row in configurations(frame, ["C_plateau", "bits_per_parameter"]).to_dict("records"):
        published = np.nan
        if row["L"] in (1, 2):
            published = float(EmpiricalCapacityModel.published(L=row["L"]).predict(row["d"], row["H"], row["N"]))
        kept = {name: row[name] for name in ("L", "d", "P", "bits_per_parameter")}
        kept |= {"C": at_least_one(row["C_plateau"]), "published": published}
        rows += [{"equal": "d"} | kept] if row["d"] == frame["d"].max() else []
        rows += [{"equal": "P"} | kept] if row["d"] != frame["d"].max() or row["L"] == 1 else []
    return pd.DataFrame(rows).sort_values(["equal", "L"], ignore_index=True)


def judge(table: pd.DataFrame) -> Finding:
    """Judge "more layers of one d hold more"; beside it stand equal P, and what Table 1 says from one layer to two.

    Capacity is taken as a power of L, with one exponent at equal d and one at equal P. Nothing is judged by Table 1,
    whose row for two layers is rounded too coarsely.
    """
    if table.empty:
        return NOT_MEASURED
    points = table.drop_duplicates(["L", "d"])
    deeper = points[points["L"] > 1]
    if len(points) < 4 or len(deeper) == len(points) or deeper["equal"].nunique() < 2:
        return NOT_MEASURED
    log_L = np.log2(points["L"])  # 0 for L=1, the one point that both comparisons share
    terms = {"L=1": np.ones(len(points)), **{name: log_L * (points["equal"] == name) for name in ("d", "P")}}
    fitted = least_squares(np.log(points["C"]), terms)
    by_d, by_P = fitted["d"].exp(), fitted["P"].exp()
    published = table[table["equal"] == "d"].set_index("L")["published"]
    promised = float(published.get(2, np.nan) / published[1])
    rounded = (
        f" Table 1 says {promised:.2f} at equal d, from one layer to two, but is rounded too coarsely to judge by."
    )
    return Finding(
        [
            Statement(
                "More layers of one d hold more: doubling L multiplies capacity by more than 1.",
                "Doubling L multiplies capacity by {} at equal d.",
                above(by_d, 1),
                by_d,
            )
        ],
        f"At equal P the factor is {by_P}.{rounded if np.isfinite(promised) else ''}",
    )


def plot_layers(table: pd.DataFrame) -> Figure:
    """Draw capacity against layers, at equal d and at equal P, and what the paper's Table 1 predicts at equal d.

    Parameters
    ----------
    table : DataFrame
        What `ecmlib.reproduction.layers.compare` returns.
    """
    figure, axes = new_figure()
    for (equal, rows), color, marker in styled(table.groupby("equal")):
        axes.plot(rows["L"], rows["C"], color=color, marker=marker, label=f"equal {equal}")
        for d, P, L, C in rows.loc[rows["L"] > 1, ["d", "P", "L", "C"]].to_numpy(float):
            label = f"d={d:.0f}" if equal == "P" else f"P={P:,.0f}"
            # Above a line that rises steeply to the left of its points, below a flat one.
            place: dict[str, Any] = (
                {"xytext": (-5, 2), "ha": "right"} if equal == "d" else {"xytext": (0, -12), "ha": "center"}
            )
            axes.annotate(label, (L, C), textcoords="offset points", fontsize="x-small", **place)
    predicted = table[table["equal"] == "d"].dropna(subset="published")
    axes.plot(predicted["L"], predicted["published"], "k--", marker="x", label="Table 1, equal d")
    axes.set(xlabel="L, layers", ylabel="C, sequences", ylim=(0, None), xticks=sorted(table["L"].unique()))
    axes.legend(fontsize="small")
    return figure


def _nearest(P: int, d: int, L: int, sizes: dict[str, Any]) -> int:
    """Return the size up to d, the smaller of two, whose parameters come nearest to P; they grow with it."""

    def parameters(narrow: int) -> int:
        return Architecture(d=narrow, L=L, **sizes).n_params

    enough = bisect_left(range(1, d + 1), P, key=parameters) + 1
    return min(range(max(1, enough - 1), enough + 1), key=lambda narrow: abs(parameters(narrow) - P))
