"""Which law predicts best what it has not seen."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field

from ecmlib.chance import FULL
from ecmlib.files import write_atomically
from ecmlib.laws.base import Law
from ecmlib.laws.baselines import PolynomialModel
from ecmlib.laws.contestants import OURS
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.fitting import FitLoss, FitWarning
from ecmlib.laws.points import SIZES, n_known, scored
from ecmlib.laws.scores import aicc, bounded, coverage, left_out, mean_error, predicted_unseen
from ecmlib.validation import LARGEST, Level, Parameters, Positive

_FILES = {
    "ECM": "ecm.json",
    "polynomial 5": "polynomial.json",
    "ECM, L=2": "ecm_L2.json",
    OURS: "signal.json",
}
HELD_OUT = ["left_out_cell", "left_out_H", "left_out_N", "beyond_d_32", "holdout", "paper_conditions"]
CELLS = "cells scored"  # row of the table that counts them
NARROW = 32  # largest d of the fit that is asked about larger ones


def _not_one(folds: int) -> int:
    if folds == 1:
        raise ValueError("input should be 0 or at least 2: one group is all that there is to fit to")
    return folds


class ComparisonChoices(Parameters):
    """What a comparison of laws may be asked for, checked before hours of fits.

    Parameters
    ----------
    target : {"C", "C_plateau", "C_paper_rule"}
        Column of capacities that is fitted.
    starts, bootstraps, seed
        See `ecmlib.laws.fitting.FitOptions`.
    folds : int
        Groups of configurations that are left out in turn, 2 or more; 0 leaves out each alone.
    level : float
        Of all intervals, between 0 and 1.
    """

    target: Literal["C", "C_plateau", "C_paper_rule"] = "C_plateau"
    starts: Positive = 200
    bootstraps: Positive = 1000
    folds: Annotated[int, Field(ge=0, le=LARGEST), AfterValidator(_not_one)] = 0
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    level: Level = 0.9


def compare(
    laws: Mapping[str, Law],
    frame: pd.DataFrame,
    holdout: pd.DataFrame | None = None,
    level: float = 0.9,
    folds: int = 0,
    papers: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Table of errors on what was fitted, on what was left out, and on data that no fit has seen.

    A law's error is the mean of ``|predicted / measured - 1|`` over the configurations at which it can be wrong:
    neither full nor lost in guessing (`ecmlib.laws.points.scored`). Predictions are held between 1 and T, all alike.
    A law is refitted without the left-out configurations from where its full fit ended.

    Parameters
    ----------
    laws : mapping
        As `ecmlib.laws.contestants.fit_all` returns it.
    frame : DataFrame
        What they were fitted to.
    holdout : DataFrame, optional
        Other configurations.
    level : float
        Of the prediction intervals whose coverage is counted.
    folds : int
        Groups of configurations that are left out in turn; 0 leaves out each alone.
    papers : DataFrame, optional
        Configurations at the paper's library size, counted under its rule; asked only of laws that know of T.

    Returns
    -------
    DataFrame
        A row a law: ``parameters``, ``in_sample``; ``left_out_cell``, ``left_out_H``, ``left_out_N``;
        ``beyond_d_32``, fitted to d up to 32 and asked about larger ones; ``holdout``, ``paper_conditions``;
        ``right_full``, the share of the full configurations of frame and holdout that it calls full; ``AICc`` of log
        capacity, in sample; ``coverage``: the share of the holdout's restarts inside their prediction interval. NaN
        where it cannot be told. The last row counts the configurations scored.
    """
    target = next(law.evidence.target for law in laws.values() if law.is_fitted)
    points = scored(frame, target)
    holdout = pd.DataFrame() if holdout is None else holdout
    unseen = scored(holdout, target) if len(holdout) else points[:0]
    under_rule = points[:0].assign(C_paper_rule=[])
    if papers is not None and len(papers):
        under_rule = scored(papers, "C_paper_rule")
    table = {
        name: _scores(law, frame, points, unseen, under_rule, target, folds)
        | {"coverage": coverage(law, holdout, target, level) if len(unseen) and law.is_fitted else math.nan}
        for name, law in laws.items()
    }
    n = {name: int(which["telling"].sum()) for name, which in (("holdout", unseen), ("paper_conditions", under_rule))}
    n |= dict.fromkeys(("in_sample", "left_out_cell", "left_out_H", "left_out_N"), int(points["telling"].sum()))
    n |= {"beyond_d_32": int((points["telling"] & (points["d"] > NARROW)).sum())}
    n |= {"right_full": int(points["full"].sum() + unseen["full"].sum())}
    return pd.DataFrame(table | {CELLS: n}).T[list(next(iter(table.values())))]


def like_for_like(
    frame: pd.DataFrame, target: str = "C_plateau", starts: int = 200, seed: int = 0, folds: int = 0
) -> pd.DataFrame:
    """Fit the ECM and the paper's polynomial of degree 5 by the same losses, in sample and leaving out each cell.

    Returns
    -------
    DataFrame
        A row a loss, law ("ECM", "polynomial") and configuration: its sizes, and the relative errors ``in_sample`` and
        ``left_out``, of predictions held between 1 and T; no rows where no more cells than coefficients are left.
    """
    points = scored(frame, target)
    groups = points.index % (folds or len(points))
    if min(n_known(points[groups != group]) for group in groups.unique()) <= math.comb(8, 3):
        return pd.DataFrame(columns=[*SIZES, "loss", "law", "in_sample", "left_out"])
    losses: tuple[FitLoss, ...] = ("squares", "mape", "log")
    rows = []
    for loss in losses:
        with warnings.catch_warnings(action="ignore", category=FitWarning):
            ecm = EmpiricalCapacityModel.fit(frame, target, loss, starts=starts, bootstraps=0, seed=seed)
        polynomial = PolynomialModel.fit(frame, target, 5, loss, bootstraps=0)
        for name, law in (("ECM", ecm), ("polynomial", polynomial)):
            predictions = {"in_sample": bounded(law, points), "left_out": predicted_unseen(law, frame, points, groups)}
            errors = {when: np.abs(predicted / points[target] - 1) for when, predicted in predictions.items()}
            rows.append(points[SIZES].assign(loss=loss, law=name, **errors))
    return pd.concat(rows, ignore_index=True)


def better_than(table: pd.DataFrame, ours: str, theirs: str) -> str:
    """Say on which held-out columns of a comparison one law beats another, and which law is best."""
    table = table.drop(index=CELLS, errors="ignore")
    known = [column for column in HELD_OUT if table.loc[[ours, theirs], column].notna().all()]
    errors = table[known].to_numpy(float)
    rows = table.index.get_indexer(pd.Index([ours, theirs]))
    better = [column for column, (mine, other) in zip(known, errors[rows].T, strict=True) if mine < other]
    leads = errors[rows[0]] <= np.nanmin(errors, axis=0) + 1e-9  # all are equal where everything is saturated
    ahead = [f"{table.index[int(np.nanargmin(errors[:, i]))]} leads on {known[i]}" for i in np.flatnonzero(~leads)]
    return (
        f"{ours} beats {theirs} on {len(better)} of {len(known)} held-out columns ({', '.join(better)}); no law is "
        f"better on {leads.sum()} of them" + (f": {', '.join(ahead)}." if ahead else ".")
    )


def save_all(
    laws: Mapping[str, Law],
    table: pd.DataFrame,
    by_grid: pd.DataFrame,
    alike: pd.DataFrame,
    unseen: pd.DataFrame,
    folder: str | Path,
) -> None:
    """Write what `compare`, `errors_by_grid`, `like_for_like` and `left_out_runs` return, and the laws in use."""
    write_atomically(Path(folder) / "comparison.csv", table.to_csv())
    write_atomically(Path(folder) / "grids.csv", by_grid.rename_axis("grid").to_csv())
    write_atomically(Path(folder) / "like_for_like.csv", alike.to_csv(index=False))
    write_atomically(Path(folder) / "left_out.csv", unseen.to_csv(index=False))
    for name, file in _FILES.items():
        if name in laws:
            laws[name].save(Path(folder) / file)


def _scores(
    law: Law,
    frame: pd.DataFrame,
    points: pd.DataFrame,
    unseen: pd.DataFrame,
    papers: pd.DataFrame,
    target: str,
    folds: int,
) -> dict[str, float]:
    known = law.n_parameters > 0
    measured, predicted = points[target].to_numpy(float), bounded(law, points)
    knows_T = "T" in law.variables or not law.is_fitted
    full = pd.concat([points, unseen]).query("full")
    return {
        "parameters": law.n_parameters if known else math.nan,
        "in_sample": mean_error(points, predicted, target),
        "left_out_cell": left_out(law, frame, points, points.index % (folds or len(points))),
        "left_out_H": left_out(law, frame, points, points["H"]),
        "left_out_N": left_out(law, frame, points, points["N"]),
        "beyond_d_32": left_out(law, frame, points, points["d"] > NARROW, only=True),
        "holdout": mean_error(unseen, bounded(law, unseen), target),
        "paper_conditions": mean_error(papers, bounded(law, papers), "C_paper_rule") if knows_T else math.nan,
        "right_full": float(np.mean(bounded(law, full) >= FULL * full["T"])) if len(full) else math.nan,
        "AICc": aicc(measured, predicted, law.n_parameters if law.is_fitted else 0) if known else math.nan,
    }
