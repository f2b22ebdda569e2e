"""How far our law reaches: of which models it speaks, and on which grid and axis it errs by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ecmlib.laws.points import COMPONENTS, scored
from ecmlib.laws.scores import bounded, mean_error
from ecmlib.laws.signal import SignalLaw

MOST_T = 20_000  # sequences of a library that it speaks of


def apart(frame: pd.DataFrame) -> pd.Series:
    """Say of each row why our law does not speak of it, in a word or two; "" where it does.

    Measured, not assumed (grid ``axes``): without feed-forward blocks, one layer holds a fraction of what its numbers
    hold beside them, and 10,000 steps fill no library of 65,536 sequences, each of which they see 78 times.
    """
    alone = frame["ff"] == "identity" if "ff" in frame else np.zeros(len(frame), np.bool_)
    said = np.select([alone, frame["T"] > MOST_T], ["attention alone", f"T above {MOST_T:,}"], "")
    return pd.Series(said, frame.index)


def by_axis(grids: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Split each grid that mixes components by the first column in which a row differs from what is usual there."""
    split: dict[str, pd.DataFrame] = {}
    for grid, frame in grids.items():
        axes = [*COMPONENTS, "L", "K", "T", "max_steps"]
        if not any(name in frame and frame[name].nunique() > 1 for name in COMPONENTS):
            split[grid] = frame
            continue
        other = (frame[axes] != frame[axes].mode().iloc[0]).assign(usual=True)
        axis = apart(frame).mask(lambda said: said == "", other.idxmax(axis=1))
        split |= {f"{grid}: {name}": rows for name, rows in frame.groupby(axis, sort=False)}
    return split


def errors_by_grid(frames: Mapping[str, pd.DataFrame], laws: Mapping[str, SignalLaw]) -> pd.DataFrame:
    """Errors of our law, fitted to this or that, on grids, where a prediction can be wrong (`compare`).

    Returns
    -------
    DataFrame
        A row a grid that has records: ``scored`` and ``full``, numbers of configurations, a column a law, and
        ``ratio``, the median of measured over predicted capacity by the last law.
    """
    rows = {}
    for name, frame in frames.items():
        if len(frame):
            target = next(iter(laws.values())).evidence.target
            points = scored(frame, target, SignalLaw.same)
            errors = {fit: _error(law, points, target) for fit, law in laws.items()}
            told = points[points["telling"]]
            widest = list(laws.values())[-1]
            ratio = float((told[target] / bounded(widest, told)).median()) if len(told) else math.nan
            rows[name] = {"scored": float(len(told)), "full": float(points["full"].sum())} | errors | {"ratio": ratio}
    return pd.DataFrame(rows).T


def _error(law: SignalLaw, points: pd.DataFrame, target: str) -> float:
    try:
        return mean_error(points, bounded(law, points), target)
    except ValueError:  # of components that were not among its data, a law says so
        return math.nan
