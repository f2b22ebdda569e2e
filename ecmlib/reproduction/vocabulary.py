"""How does capacity depend on the vocabulary: is it constant in sequences or in bits? (beyond the paper)"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.chance import at_least_one
from ecmlib.figures.style import new_panels, styled
from ecmlib.laws.points import configurations
from ecmlib.reproduction.stats import NOT_MEASURED, Estimate, Finding, Statement, equals, factors, if_determined
from ecmlib.results import CapacityRecord


def compare(records: Sequence[CapacityRecord]) -> pd.DataFrame:
    """Return a row a configuration.

    Returns
    -------
    DataFrame
        ``d``, ``K``, ``P``, ``C`` in sequences (best restart), ``bits`` memorised in all predictions, and
        ``bits_per_parameter`` (means of restarts).
    """
    frame = pd.concat([record.frame() for record in records], ignore_index=True)
    points = configurations(frame, ["C_plateau", "bits", "bits_per_parameter"])
    table = points.assign(C=at_least_one(points["C_plateau"])).sort_values(["d", "K"], ignore_index=True)
    return table[["d", "K", "P", "C", "bits", "bits_per_parameter"]]


def exponents(table: pd.DataFrame) -> dict[str, Estimate] | None:
    """Fit ``quantity ~ (log2 K)**exponent`` with a factor for each d: 0 says that the quantity does not depend on K.

    Returns
    -------
    dict
        Of "C" and "bits"; None where the table does not determine them. A capacity of C sequences is worth
        ``C (N - 1) log2 K`` bits: constant bits would make the exponent of C -1.
    """
    terms = {"exponent": np.log(np.log2(table["K"]))} | factors(table, ["d"])
    of_C, of_bits = (if_determined(np.log(at_least_one(table[quantity])), terms) for quantity in ("C", "bits"))
    return {"C": of_C["exponent"], "bits": of_bits["exponent"]} if of_C and of_bits else None


def judge(table: pd.DataFrame) -> Finding:
    """Judge "capacity is constant in bits and not in sequences" over K.

    Where the interval of bits contains what both would be, too little is measured.
    """
    of = None if table.empty else exponents(table)
    if of is None or (of["bits"].contains(0) and of["bits"].contains(1)):
        return NOT_MEASURED
    of_one_d = table.groupby("d")[["C", "bits"]]
    within = (of_one_d.max() / of_one_d.min()).max()
    can_be_0 = of["C"].contains(0)
    return Finding(
        [
            Statement(
                "Bits are constant over K: their exponent over log2 K can be 0, and not 1, what it were for constant "
                "sequences.",
                "Bits grow with the bits of a token, log2 K, as its power {}.",
                equals(of["bits"], 0, 1),
                of["bits"],
            ),
            Statement(
                "Sequences are not constant: their exponent cannot be 0.",
                "Sequences grow as its power {}.",
                not can_be_0,
                of["C"],
            ),
        ],
        f"Over all K, at one d, the most and the fewest sequences differ by a factor {within['C']:.1f}, bits by "
        f"{within['bits']:.1f}.",
    )


def plot_vocabulary(table: pd.DataFrame) -> Figure:
    """Draw capacity in sequences and in bits against the vocabulary, both by their values at the smallest one.

    Parameters
    ----------
    table : DataFrame
        What `ecmlib.reproduction.vocabulary.compare` returns.
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
