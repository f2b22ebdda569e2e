"""Restarts reduced to configurations, and checked: the one way from records to the points of laws and figures."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ecmlib.architecture import FEED_FORWARD_WIDTH, HEAD_DIM
from ecmlib.chance import FULL, at_least_one, count_deviation, guess_distribution, is_guessing, with_guesses
from ecmlib.laws.fitting import FitLoss
from ecmlib.protocol import Protocol
from ecmlib.validation import shown

# An untrained network reaches the counts whose growth is looked at with less than this probability. `scored` asks less:
# of counts hardly beyond guessing, only those are found that luck has lifted, and their logarithms bend every exponent.
_NO_CHANCE = 1e-6
SIZES = ["d", "H", "N", "L", "K", "T"]
# The best restart counts, as in the paper.
_BEST = ("C_plateau", "C_plateau_raw", "C_plateau_rule", "C_paper_rule", "C_paper_rule_raw")
# What a model may be made of besides, as the paper makes it: a law that knows no other value refuses it by name.
COMPONENTS = {"head_dim": HEAD_DIM, "ff": "train", "ff_mult": FEED_FORWARD_WIDTH, "embeddings": "frozen"}
# In what measurements of one kind may differ: a law's own variables, seeds and what they vary, where a curve is looked
# at, and the number format, of which the precision experiment finds no effect.
_FREE = ("T", "max_steps", "seed", "vary", "eval_every", "eval_growth", "min_steps", "precision")
# A frame that is fitted must not mix these.
CONDITIONS = [*COMPONENTS, "dropout", *(name for name in Protocol.model_fields if name not in _FREE)]
ONE_BUDGET = [*CONDITIONS, "max_steps"]  # nor these, where what is compared was trained equally long
# What a law of d, H and N alone needs the same, too.
ONE_SETTING = [*CONDITIONS, "L", "K", *(name for name in _FREE if name != "seed")]


def surviving(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out the restarts that diverged."""
    return frame[frame["status"] != "diverged"] if "status" in frame else frame


def unmixed(frame: pd.DataFrame, same: Sequence[str] = CONDITIONS) -> pd.DataFrame:
    """Return a frame as it is.

    Raises
    ------
    ValueError
        If it mixes values of what must be the same; the message names them.
    """
    mixed = [column for column in same if column in frame and frame[column].nunique(dropna=False) > 1]
    if mixed:
        values = {column: frame[column].drop_duplicates().sort_values() for column in mixed}
        said = "; ".join(f"{column} = {', '.join(map(str, several))}" for column, several in values.items())
        raise ValueError(f"the frame mixes {said}: take one of them at a time")
    return frame


def configurations(
    frame: pd.DataFrame, target: str | Sequence[str], same: Sequence[str] = CONDITIONS, by: Sequence[str] = ()
) -> pd.DataFrame:
    """Reduce restarts to configurations: the best restart counts, or their mean; one that diverged never does.

    Best-of-n rises with n: where configurations have different numbers of restarts, part of the difference is luck. So
    ``C``, the count at the end of a run, and what else is measured are averaged over restarts; the paper's capacities
    are the best of them.

    Parameters
    ----------
    frame : DataFrame
        A row a restart, as `ecmlib.load_results` returns it.
    target : str or sequence of str
        Column of capacities in sequences, or several of them, each by itself.
    same : sequence of str
        Columns that must have one value, where the frame has them.
    by : sequence of str
        Further columns that tell configurations apart.

    Returns
    -------
    DataFrame
        A row a configuration, budgets of training apart: d, H, N, L, K, T, ``max_steps``, P and `COMPONENTS` where the
        frame has them, ``by``, ``target``, ``lost``, if the frame has it (whether every restart ended in guessing),
        ``restarts``, ``spread``, the standard deviation over restarts of the logarithm of the first target (missing if
        there is one), and ``complete``: whether the first target reached T, in which case the capacity is at least T.

    Raises
    ------
    ValueError
        If the frame is empty, lacks a column, holds a value that is no number, mixes what must be the same, or does not
        say of a row to which configuration it belongs.
    """
    if frame.empty:
        raise ValueError("the frame is empty: there is nothing to fit")
    targets = [target] if isinstance(target, str) else list(target)
    missing = [column for column in [*SIZES, *targets] if column not in frame]
    if missing:
        raise ValueError(f"the frame lacks the column {', '.join(missing)}")
    if (frame := surviving(frame)).empty:
        raise ValueError("every restart diverged: there is nothing to fit")
    apart = [*(column for column in ("max_steps", *COMPONENTS) if column in frame), *by]
    for column in apart:
        if len(unsaid := frame[frame[column].isna()]):  # a group without a name is dropped
            raise ValueError(f"{column} is missing at {_named(unsaid.iloc[0])}: every row must say it")
    unmixed(frame, [column for column in same if column not in by])
    columns = np.column_stack([numbers(name, frame[name]) for name in [*SIZES, *targets]])
    bad = frame[~np.isfinite(columns).all(axis=1)]
    if len(bad):
        values = ", ".join(f"{name} = {bad[name].iloc[0]}" for name in targets)
        raise ValueError(f"{values} at {_named(bad.iloc[0])}: every value must be a number")
    one = frame.assign(spread=np.log(at_least_one(frame[targets[0]]))).groupby([*SIZES, *apart])
    follows = ["P"] if "P" in frame else []
    reduced = {name: "max" if name in ("P", *_BEST) else "mean" for name in [*follows, *targets]}
    if "lost" in frame:
        reduced |= {"lost": "all"}
    points = one.agg(reduced).assign(restarts=one.size(), spread=one["spread"].std()).reset_index()
    return points.assign(complete=points[targets[0]] >= points["T"])


def scored(frame: pd.DataFrame, target: str, same: Sequence[str] = CONDITIONS) -> pd.DataFrame:
    """Return the configurations, and of which a law's prediction can be wrong.

    Returns
    -------
    DataFrame
        As `configurations`, with ``full``, whether at least 0.9 T were counted, guesses included, ``lost``, whether the
        count cannot be told from guessing (at 95 %, one-sided), and ``telling``, neither of them. The best of a curve
        and of restarts may be beyond guessing by luck alone: it is lost, too, where every restart ended in guessing.
    """
    points = configurations(frame, target, same)
    raw = with_guesses(points[target], points["T"], points["K"])
    lost = is_guessing(raw, points["T"], points["K"])
    if target in _BEST and "lost" in points:
        lost |= points["lost"].astype(bool)
    points = points.assign(full=raw >= FULL * points["T"], lost=lost)
    return points.assign(telling=~points["full"] & ~points["lost"])


def n_known(points: pd.DataFrame) -> int:
    """Count the configurations that weigh anything, of those that `scored` returns."""
    return int((~points["lost"]).sum())


def weights(points: pd.DataFrame, target: str, nearness: float) -> NDArray[np.float64]:
    """Weigh configurations by what is known of each: how sure its count is, beside how near a law can come to it.

    What cannot be told from guessing weighs nothing.

    Parameters
    ----------
    points : DataFrame
        What `scored` returns.
    target : str
        Column of capacities.
    nearness : float
        Relative error of the law that is fitted, where counts are sure.

    Returns
    -------
    array
        Between 0 and 1.
    """
    weight = nearness**2 / (nearness**2 + noise(points, target) ** 2)
    return np.where(points["lost"], 0.0, weight)


def noise(points: pd.DataFrame, target: str) -> NDArray[np.float64]:
    """Relative standard deviation that counting and seeds explain, of capacities as `scored` returns them.

    A count has the variance of a binomial number. What restarts differ by beyond that, as far as some were repeated, is
    of the seeds, one variance for all configurations: of two or three restarts a configuration's own says little. Both
    are shared by the restarts over which a capacity is averaged; the best of them has them whole.
    """
    of_counts = count_deviation(points[target], points["T"], points["K"]) / at_least_one(points[target])
    repeated = points["telling"] & (points["restarts"] > 1)
    beyond = (np.square(points["spread"]) - np.square(of_counts))[repeated]
    of_seeds = max(float(np.average(beyond, weights=points["restarts"][repeated] - 1)), 0.0) if len(beyond) else 0.0
    averaged = 1 if target in _BEST else points["restarts"]
    return np.asarray(np.sqrt((np.square(of_counts) + of_seeds) / averaged), float)


def numbers(name: str, values: Any) -> NDArray[np.float64]:
    """Return the values of a column, or one for all rows, as numbers.

    Raises
    ------
    ValueError
        If one is none; the message names the column and the value.
    """
    each = np.asarray(values)
    if each.dtype.kind not in "iuf":
        for value in each.ravel().tolist():
            if type(value) is bool or not isinstance(value, Real):
                raise ValueError(f"{name} = {shown(value)}: input should be a number")
    return each.astype(float)


def fittable(points: pd.DataFrame, target: str, loss: FitLoss = "log") -> NDArray[np.float64]:
    """Return the capacities of configurations, all of them greater than 0 unless it is their squares that are fitted.

    Raises
    ------
    ValueError
        If one is not: guess-corrected capacities of tiny models can be 0 or less, and have no logarithm.
    """
    measured = points[target].to_numpy(float)
    if loss != "squares" and measured.min() <= 0:
        row = points.iloc[int(np.argmin(measured))]
        raise ValueError(
            f"{target} = {row[target]:.6g} at {_named(row)}: relative errors need capacities greater than 0; "
            'leave such configurations out or use loss="squares"'
        )
    return measured


def beyond_chance(raw: ArrayLike, T: ArrayLike, K: ArrayLike) -> NDArray[np.bool_]:
    """Whether counts, guesses included, are more than an untrained network reaches but once in a million tries."""
    return np.asarray(raw > guess_distribution(T, K).isf(_NO_CHANCE))


def growing(results: pd.DataFrame, same: Sequence[str] = CONDITIONS) -> pd.DataFrame:
    """Return the configurations whose capacity is set by the model: above chance and below saturation.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`; the best restart of a configuration counts.
    same : sequence of str
        See `configurations`.

    Returns
    -------
    DataFrame
        Columns ``d``, ``H``, ``N``, ``L``, ``K``, ``T``, ``P``, ``C`` and ``MPP`` (tokens a parameter, paper, eq. 12).
    """
    best = configurations(results, ["C_plateau", "C_plateau_raw"], same)
    inside = beyond_chance(best["C_plateau_raw"], best["T"], best["K"]) & (best["C_plateau_raw"] < FULL * best["T"])
    best = best.assign(C=best["C_plateau"], MPP=best["N"] * best["C_plateau"] / best["P"])
    grown: pd.DataFrame = best.loc[inside, [*SIZES, "P", "C", "MPP"]].reset_index(drop=True)
    return grown


def _named(row: pd.Series[Any]) -> str:
    return ", ".join(f"{size}={row[size]:g}" for size in SIZES)
