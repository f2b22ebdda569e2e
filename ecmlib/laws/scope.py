"""Of what our law speaks: which models and libraries, and on which grid and axis it errs by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ecmlib.laws.points import COMPONENTS, scored
from ecmlib.laws.scores import bounded, mean_error
from ecmlib.laws.signal import SignalLaw

MOST_T = 20_000  # sequences of a library that it speaks of
MOST_D = 128  # of a model that is trained at a rate above the next
WIDE_RATE = 0.004  # at which wider ones were seen to train


def out_of_scope(frame: pd.DataFrame) -> pd.Series:
    """Say of each row why our law does not speak of it, in a word or two; "" where it does.

    Measured, not assumed: without feed-forward blocks, models hold a fraction of what their numbers hold beside them,
    and of a library of 65,536 sequences the reference protocol learns next to nothing, in 10,000 steps or in 80,000;
    nor does it train models of d = 192 and more (grid ``axes``). Its rate is too high there: wide models are spoken of
    at rates up to one that was seen to train them (grid ``lower-rates``).
    """
    alone = frame["ff"] == "identity" if "ff" in frame else np.zeros(len(frame), np.bool_)
    too_fast = frame["lr"] > WIDE_RATE if "lr" in frame else np.ones(len(frame), np.bool_)
    wide = (frame["d"] > MOST_D) & too_fast
    names = ["attention alone", f"T above {MOST_T:,}", f"d above {MOST_D}"]
    said = np.select([alone, frame["T"] > MOST_T, wide], names, "")
    return pd.Series(said, frame.index)


def unusual(frame: pd.DataFrame, axes: list[str]) -> pd.Series[str]:
    """Name the first of some columns in which each row differs from the most frequent value; "usual" without one."""
    named: pd.Series[str] = (frame[axes] != frame[axes].mode().iloc[0]).assign(usual=True).idxmax(axis=1).astype(str)
    return named


def by_axis(grids: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Split each grid that mixes components by the first column in which a row differs from what is usual there."""
    split: dict[str, pd.DataFrame] = {}
    for grid, frame in grids.items():
        if not any(name in frame and frame[name].nunique() > 1 for name in COMPONENTS):
            split[grid] = frame
            continue
        axes = [name for name in (*COMPONENTS, "L", "K", "T", "max_steps") if name in frame]
        axis = out_of_scope(frame).mask(lambda said: said == "", unusual(frame, axes))
        split |= {f"{grid}: {name}": rows for name, rows in frame.groupby(axis, sort=False)}
    return split


def errors_by_grid(frames: Mapping[str, pd.DataFrame], laws: Mapping[str, SignalLaw], widest: str) -> pd.DataFrame:
    """Errors of our law, fitted to this or that, on grids, where a prediction can be wrong (`compare`).

    Parameters
    ----------
    frames : mapping
        Rows of `ecmlib.load_results` by the grid's name.
    laws : mapping
        By name, fitted to one target.
    widest : str
        Name of one that knows every model.

    Returns
    -------
    DataFrame
        A row a grid that has records: ``scored`` and ``full``, numbers of configurations, a column a law (of models
        that it knows), and ``ratio``, the median of measured over predicted capacity by the widest law.
    """
    target, rows = laws[widest].evidence.target, {}
    for grid, frame in frames.items():
        if len(frame):
            points = scored(frame, target, SignalLaw.same)
            known = {name: points[law.knows(points)] for name, law in laws.items()}
            errors = {name: mean_error(known[name], bounded(law, known[name]), target) for name, law in laws.items()}
            telling = points[points["telling"]]
            ratio = float((telling[target] / bounded(laws[widest], telling)).median()) if len(telling) else math.nan
            rows[grid] = (
                {"scored": float(len(telling)), "full": float(points["full"].sum())} | errors | {"ratio": ratio}
            )
    return pd.DataFrame(rows).T
