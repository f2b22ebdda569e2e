"""Do feed-forward blocks add capacity? Pairs of models with them and without (paper, Fig. 2; claim R1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from ecmlib.chance import FULL, at_least_one
from ecmlib.figures.style import new_figure, styled
from ecmlib.laws.points import CONDITIONS, SIZES, unmixed
from ecmlib.reproduction.stats import NOT_MEASURED, Finding, Statement, below, equals, least_squares
from ecmlib.restart import SETTINGS
from ecmlib.results import CapacityRecord

_ONE_PAIR = [*SIZES, "seed", *(name for name in CONDITIONS if name not in ("ff", "ff_mult"))]


def compare(records: Sequence[CapacityRecord]) -> pd.DataFrame:
    """Pair the restarts that differ in ``ff`` alone.

    Returns
    -------
    DataFrame
        A row a pair: ``d``, ``restart``, P and C of both, C at ``equal_steps``, where the shorter of both curves ends,
        the ratios of C, "train" over "identity", and ``full``, whether one of them counts nine tenths of its library,
        so that their ratio is that of libraries. A capacity below one sequence counts as one. Empty if there is no
        pair.

    Raises
    ------
    ValueError
        If two records of a d differ in more than ``ff`` and the length of training; the message names it.
    """
    curves = pd.concat([record.curves() for record in records])
    rows = []
    for (d, restart), pair in curves.groupby(["d", "restart"]):
        unmixed(pair, _ONE_PAIR)
        if set(pair["ff"]) != {"train", "identity"} or "diverged" in set(pair["status"]):
            continue
        row = {"d": d, "restart": restart, "equal_steps": pair.groupby("ff")["step"].max().min()}
        row |= {"full": bool((pair["last_count"] >= FULL * pair["T"]).any())}
        for ff, curve in pair.groupby("ff"):
            unmixed(curve, SETTINGS)
            by_then = curve[curve["step"] <= row["equal_steps"]]
            row |= {f"P_{ff}": curve["P"].iloc[0]}
            at_end, then = curve["C_best"].max(), by_then["C_best"].max()
            row |= {f"C_{ff}": at_least_one(at_end), f"C_{ff}_equal_steps": at_least_one(then)}
        rows.append(row)
    if not rows:
        return pd.DataFrame()
    pairs = pd.DataFrame(rows)
    return pairs.assign(
        ratio=pairs["C_train"] / pairs["C_identity"],
        ratio_equal_steps=pairs["C_train_equal_steps"] / pairs["C_identity_equal_steps"],
    )


def judge(pairs: pd.DataFrame) -> Finding:
    """R1: at small d both models of a pair hold the same; at larger d the one without feed-forward holds more.

    Small is the lower half of the sizes, the median included. Ratios are averaged as logarithms, one of each size, and
    only where neither library is full.
    """
    if pairs.empty or pairs.loc[~pairs["full"], "d"].nunique() < 3:
        return NOT_MEASURED
    full = pairs[pairs["full"]].groupby("d")["ratio"].min()
    by_d = pairs[~pairs["full"]].groupby("d")[["ratio", "ratio_equal_steps"]].agg(stats.gmean)
    middle = float(np.median(by_d.index))
    small = np.asarray(by_d.index <= middle)
    at_end, at_equal_steps = (
        {name: ratio.exp() for name, ratio in least_squares(np.log(column), {"small": small, "large": ~small}).items()}
        for _, column in by_d.items()
    )
    return Finding(
        [
            Statement(
                f"For d up to {middle:g} models hold the same with feed-forward blocks and without: their ratio can be "
                "1, and neither 1/2 nor 2.",
                f"For d up to {middle:g}, models with feed-forward blocks hold {{}} times what models without hold.",
                equals(at_end["small"], 1, 0.5, 2),
                at_end["small"],
            ),
            Statement(
                "For larger d models with feed-forward blocks hold less: their ratio is below 1.",
                "For larger d the ratio is {}.",
                below(at_end["large"], 1),
                at_end["large"],
            ),
        ],
        f"After equal numbers of steps the ratios are {at_equal_steps['small']} and {at_equal_steps['large']}; d "
        f"reaches {by_d.index.max():g}."
        + (
            f" At d = {', '.join(f'{d:g}' for d in full.index)} models with feed-forward blocks hold their whole "
            f"library, at least {', '.join(f'{ratio:.2f}' for ratio in full)} times what models without hold."
            if len(full)
            else ""
        ),
    )


def plot_feedforward(pairs: pd.DataFrame) -> Figure:
    """Draw capacity against d with feed-forward blocks and without (paper, Fig. 2).

    Dashed lines are read where the shorter run of a pair ends.

    Parameters
    ----------
    pairs : DataFrame
        What `ecmlib.reproduction.feedforward.compare` returns.
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
