"""What our law says of runs that its fit has not seen: how far off it is there, and how often its intervals hold."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ecmlib.laws.points import COMPONENTS, SIZES, configurations, scored, surviving
from ecmlib.laws.residual import ResidualModel
from ecmlib.laws.scope import out_of_scope, unusual
from ecmlib.laws.scores import bounded, mean_error
from ecmlib.laws.signal import SignalLaw

AXES = ["T", "L", "K"]  # sizes by whose other values intervals are told apart
FULLNESS = {"small": 0.2, "middle": 0.7, "nearly full": math.inf}  # predicted share of the library, below these
_LEVEL = 0.95  # of the interval of a coverage


def left_out_runs(
    ours: SignalLaw, frame: pd.DataFrame, folds: int = 10, bootstraps: int = 60, level: float = 0.9
) -> pd.DataFrame:
    """Predict each run by refits of our law, and of a Gaussian process on its errors, without its configuration.

    Parameters
    ----------
    ours : SignalLaw
        Fitted to ``frame``; refits begin where its fit ended.
    frame : DataFrame
        Rows of `ecmlib.load_results`, a row a run. What our law does not speak of is passed over (`out_of_scope`).
    folds : int
        Groups of configurations that are left out in turn, each with its part of every axis: where few have another L,
        say, a fold that has them all would ask for what no fit can know. Ten if there would be one or none.
    bootstraps : int
        Of each refit, at least 1, for the intervals.
    level : float
        Of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        A row a run that has not diverged: its sizes, steps and components, the capacity that was fitted, and what was
        predicted of it without its configuration: ``predicted``, ``low``, ``high`` and, with the process,
        ``with_process``, in sequences. They are missing where a refit has seen no model with trained embeddings.
    """
    target = ours.evidence.target
    runs = surviving(frame[out_of_scope(frame) == ""]).reset_index(drop=True)
    kept = [*SIZES, *(name for name in ("max_steps", *COMPONENTS) if name in runs)]
    axis = unusual(runs, [name for name in kept if name not in ("d", "H", "N")])
    fold = runs.groupby([axis, *kept]).ngroup().to_numpy() % (folds if folds > 1 else 10)
    found = runs[[*kept, target]].assign(predicted=np.nan, low=np.nan, high=np.nan, with_process=np.nan)
    for out in np.unique(fold):
        seen = runs[fold != out]
        law = ours.refit(seen, bootstraps)
        process = ResidualModel.beside(law, seen)
        asked = runs[(fold == out) & law.knows(runs)]
        _, low, high = law.predict_interval(asked, level)
        columns = [bounded(law, asked), low, high, bounded(process, asked)]
        found.loc[asked.index, ["predicted", "low", "high", "with_process"]] = np.column_stack(columns)
    return found


def intervals_by_group(runs: pd.DataFrame, target: str, usual: pd.Series[float] | None = None) -> pd.DataFrame:
    """Count how often prediction intervals hold, apart for small, middle and nearly full libraries and other axes.

    Parameters
    ----------
    runs : DataFrame
        With sizes, ``target``, ``predicted``, ``low`` and ``high``, as `left_out_runs` returns them.
    target : str
        The measured capacity.
    usual : Series, optional
        The T, L and K of the groups by fullness (`FULLNESS`, of what is predicted: what is measured is not known
        beforehand); by default the most frequent ones. Runs of another T, L or K form groups of their own, by the first
        in which they differ.

    Returns
    -------
    DataFrame
        A row a group that has runs, and "all": ``runs``; ``covered``, the share inside the interval, with ``low`` and
        ``high``, the ends of its 95 % interval (Clopper and Pearson 1934); ``width``, the median of the intervals'
        upper over lower ends.
    """
    runs = runs.dropna(subset="predicted")
    usual = runs[AXES].mode().iloc[0] if usual is None else usual
    full = runs["predicted"] / runs["T"]
    conditions = [runs[axis] != usual[axis] for axis in AXES] + [full < most for most in FULLNESS.values()]
    names = [*(f"other {axis}" for axis in AXES), *FULLNESS]
    group = np.select(conditions, names, "")
    rows = {
        name: _held(runs[group == name], target) for name in [*FULLNESS, *names[: len(AXES)]] if (group == name).any()
    }
    return pd.DataFrame(rows | {"all": _held(runs, target)}).T.rename_axis("group")


def errors_left_out(runs: pd.DataFrame, target: str) -> dict[str, float]:
    """Mean errors on configurations left out, where a prediction can be wrong (`ecmlib.laws.points.scored`).

    Returns
    -------
    dict
        ``scored``, the number of these configurations, and the errors ``ours`` and ``with_process``.
    """
    runs = runs.dropna(subset="predicted")
    points = scored(runs, target, SignalLaw.same)
    said = configurations(runs, [target, "predicted", "with_process"], SignalLaw.same)
    names = {"ours": "predicted", "with_process": "with_process"}
    errors = {name: mean_error(points, said[column].to_numpy(float), target) for name, column in names.items()}
    return {"scored": float(points["telling"].sum())} | errors


def _held(runs: pd.DataFrame, target: str) -> dict[str, float]:
    inside = runs[target].between(runs["low"], runs["high"])
    ends = binomtest(int(inside.sum()), len(runs)).proportion_ci(_LEVEL, "exact")
    width = float((runs["high"] / runs["low"]).median())
    return {"runs": len(runs), "covered": float(inside.mean()), "low": ends.low, "high": ends.high, "width": width}
