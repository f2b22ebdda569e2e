"""Which law predicts best what it has not seen."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import Field
from sklearn.metrics import mean_absolute_percentage_error as mape

from ecmlib.chance import at_least_one
from ecmlib.laws.base import Law
from ecmlib.laws.baselines import BoostingModel, PolynomialModel
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.fitting import FitWarning
from ecmlib.laws.points import configurations, surviving
from ecmlib.laws.registry import CANDIDATES
from ecmlib.laws.rivals import UnsaturatedModel
from ecmlib.laws.signal import SignalLaw
from ecmlib.record import write_atomically
from ecmlib.validation import LARGEST, Parameters

OURS = "signal law (ours)"
_FILES = {
    "ECM": "ecm.json",
    "ECM, fitted to MAPE": "ecm_mape.json",
    "polynomial 5": "polynomial.json",
    "ECM, L=2": "ecm_L2.json",
    "ECM, L=2, fitted to MAPE": "ecm_mape_L2.json",
    OURS: "signal.json",
}
HELD_OUT = ["leave_one_configuration", "leave_one_H", "leave_one_N", "leave_largest_d", "holdout"]


class Choices(Parameters):
    """What a comparison of laws may be asked for, checked before hours of fits.

    Parameters
    ----------
    target : {"C", "C_plateau", "C_paper_rule"}
        Column of capacities that is fitted.
    starts, bootstraps, seed
        See `ecmlib.laws.parametric.FitOptions`.
    folds : int
        Groups of configurations that are left out in turn; 0 leaves out each alone.
    level : float
        Of all intervals, between 0 and 1.
    """

    target: Literal["C", "C_plateau", "C_paper_rule"] = "C_plateau"
    starts: Annotated[int, Field(ge=1, le=LARGEST)] = 200
    bootstraps: Annotated[int, Field(ge=0, le=LARGEST)] = 1000
    folds: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    level: Annotated[float, Field(gt=0, lt=1)] = 0.9


def fit_all(
    frame: pd.DataFrame, target: str = "C_plateau", starts: int = 200, bootstraps: int = 1000, seed: int = 0
) -> dict[str, Law]:
    """Fit every law to one frame, silently: what there is to doubt is in ``evidence.doubts``.

    The ECM and our law get all bootstraps, the others a tenth; the ECM gets all starts, the others, whose optimum is
    easily found, at most 20. A polynomial with more coefficients than there are configurations is left out.

    Parameters
    ----------
    frame : DataFrame
        Of one L, K, T and protocol, as `ecmlib.load_results` returns it.
    target, starts, bootstraps, seed
        See `ecmlib.laws.parametric.FitOptions`.

    Returns
    -------
    dict
        Laws by the names of their rows in the table; the published one is first, ours last.
    """
    n = len(configurations(frame, target, EmpiricalCapacityModel.same))
    few, tenth = min(starts, 20), bootstraps // 10
    laws: dict[str, Law] = {"ECM, published": EmpiricalCapacityModel.published(L=1)}
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        laws["ECM"] = EmpiricalCapacityModel.fit(frame, target, starts=starts, bootstraps=bootstraps, seed=seed)
        laws["ECM, fitted to MAPE"] = EmpiricalCapacityModel.fit(
            frame, target, "mape", starts=starts, bootstraps=tenth, seed=seed
        )
        laws["ECM without min"] = UnsaturatedModel.fit(frame, target, starts=few, bootstraps=tenth, seed=seed)
        for degree in range(1, 6):
            if math.comb(degree + 3, 3) <= n:
                laws[f"polynomial {degree}"] = PolynomialModel.fit(frame, target, degree, bootstraps=tenth, seed=seed)
                laws[f"polynomial {degree} of log C"] = PolynomialModel.fit(
                    frame, target, degree, "log", bootstraps=tenth, seed=seed
                )
        laws["gradient boosting"] = BoostingModel.fit(frame, target)
        for candidate in CANDIDATES:
            laws[candidate.name] = candidate.fit(frame, target, starts=few, bootstraps=tenth, seed=seed)
        laws[OURS] = SignalLaw.fit(frame, target, starts=few, bootstraps=bootstraps, seed=seed)
    return laws


def compare(
    laws: Mapping[str, Law],
    frame: pd.DataFrame,
    holdout: pd.DataFrame | None = None,
    level: float = 0.9,
    folds: int = 0,
) -> pd.DataFrame:
    """Table of errors on what was fitted, on what was left out, and on data that no fit has seen.

    A law is refitted without the left-out configurations from where its full fit ended. Errors are MAPE as fractions,
    of the best restart of a configuration.

    Parameters
    ----------
    laws : mapping
        As `fit_all` returns it.
    frame : DataFrame
        What they were fitted to.
    holdout : DataFrame, optional
        Other configurations.
    level : float
        Of the prediction intervals whose coverage is counted.
    folds : int
        Groups of configurations that are left out in turn; 0 leaves out each alone.

    Returns
    -------
    DataFrame
        A row a law: ``parameters``, ``in_sample``; ``leave_one_configuration``, ``leave_one_H``, ``leave_one_N``,
        ``leave_largest_d``; ``holdout``; ``AICc`` of log capacity, in sample; ``coverage``: the share of the holdout's
        restarts inside their prediction interval. NaN where it cannot be told.
    """
    target = next(law.evidence.target for law in laws.values() if law.is_fitted)
    return pd.DataFrame({name: _judge(law, frame, holdout, target, level, folds) for name, law in laws.items()}).T


def _judge(
    law: Law, frame: pd.DataFrame, holdout: pd.DataFrame | None, target: str, level: float, folds: int
) -> dict[str, float]:
    points = configurations(frame, target)
    measured = points[target].to_numpy(float)
    fitted, known = law.is_fitted, law.n_parameters > 0
    row = {
        "parameters": law.n_parameters if known else math.nan,
        "in_sample": mape(measured, law.predict_frame(points)),
        "leave_one_configuration": left_out(law, points, target, points.index % (folds or len(points))),
        "leave_one_H": left_out(law, points, target, points["H"]),
        "leave_one_N": left_out(law, points, target, points["N"]),
        "leave_largest_d": left_out(law, points, target, points["d"], only=points["d"].max()),
        "holdout": math.nan,
        "AICc": aicc(measured, law.predict_frame(points), law.n_parameters if fitted else 0) if known else math.nan,
        "coverage": math.nan,
    }
    if holdout is not None and len(holdout):
        unseen = configurations(holdout, target)
        row["holdout"] = mape(unseen[target], law.predict_frame(unseen))
        if fitted:
            row["coverage"] = coverage(law, holdout, target, level)
    return row


def aicc(measured: ArrayLike, predicted: ArrayLike, n_parameters: int) -> float:
    """Akaike's information criterion for small samples, of normal errors of the logarithm; NaN for too few points.

    The errors' variance counts as a parameter; capacities of less than one sequence count as one.
    """
    residuals = np.log(at_least_one(np.asarray(predicted)) / at_least_one(np.asarray(measured)))
    n, k = residuals.size, n_parameters + 1
    if n <= k + 1:
        return float("nan")
    return float(n * np.log(np.mean(residuals**2)) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def left_out(law: Law, points: pd.DataFrame, target: str, groups: Iterable[Any], only: Any = None) -> float:
    """MAPE on configurations that a refit has not seen, one group left out at a time; NaN if a fit lacks data.

    Parameters
    ----------
    law : Law
        A fitted one.
    points : DataFrame
        As `ecmlib.laws.points.configurations` returns it.
    target : str
    groups : iterable
        Of the length of ``points``.
    only : optional
        The one group to leave out.
    """
    if not law.is_fitted:
        return math.nan
    membership = np.asarray(list(groups))
    errors: list[float] = []
    for group in [only] if only is not None else np.unique(membership):
        out = membership == group
        if np.count_nonzero(~out) <= law.n_parameters:
            return math.nan
        predicted = law.refit(points[~out]).predict_frame(points[out])
        measured = points.loc[out, target].to_numpy(float)
        errors += np.abs(predicted / measured - 1).tolist()
    return float(np.mean(errors))


def coverage(law: Law, frame: pd.DataFrame, target: str, level: float) -> float:
    """Share of restarts whose capacity lies in the law's prediction interval, ends included."""
    alive = surviving(frame)
    _, low, high = law.predict_frame(alive, level)
    measured = alive[target].to_numpy(float)
    return float(np.mean((low <= measured) & (measured <= high)))


def fit_wider(
    main: pd.DataFrame, wider: Mapping[str, pd.DataFrame], target: str, bootstraps: int = 1000, seed: int = 0
) -> SignalLaw:
    """Fit our law to grids of every L, K and T at once, silently."""
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        frame = pd.concat([main, *wider.values()])
        return SignalLaw.fit(frame, target, starts=20, bootstraps=bootstraps, seed=seed)


def fit_two_layers(
    frame: pd.DataFrame | None, target: str, starts: int = 200, bootstraps: int = 1000, seed: int = 0
) -> dict[str, Law]:
    """Fit the ECM, which has one set of parameters for each L, to the grid of two layers; nothing without records."""
    if frame is None or len(configurations(frame, target)) <= len(EmpiricalCapacityModel.bounds):
        return {}
    options = {"starts": starts, "bootstraps": bootstraps, "seed": seed}
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        return {
            "ECM, L=2": EmpiricalCapacityModel.fit(frame, target, "log", **options),
            "ECM, L=2, fitted to MAPE": EmpiricalCapacityModel.fit(frame, target, "mape", **options),
        }


def errors_by_grid(frames: Mapping[str, pd.DataFrame], laws: Mapping[str, Law]) -> pd.DataFrame:
    """MAPE of laws on grids.

    Returns
    -------
    DataFrame
        A row a grid that has records: ``configurations``, and a column a law.
    """
    rows = {}
    for name, frame in frames.items():
        if len(frame):
            target = next(iter(laws.values())).evidence.target
            points = configurations(frame, target)
            errors = {law: mape(points[target], laws[law].predict_frame(points)) for law in laws}
            rows[name] = {"configurations": float(len(points))} | errors
    return pd.DataFrame(rows).T


def better_than(table: pd.DataFrame, ours: str, theirs: str) -> str:
    """Say on which held-out columns of a comparison one law beats another, and which law is best."""
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


def save_all(laws: Mapping[str, Law], table: pd.DataFrame, by_grid: pd.DataFrame, folder: str | Path) -> None:
    """Write what `compare` and `errors_by_grid` return and the laws that others build on, each to a file of its own."""
    write_atomically(Path(folder) / "comparison.csv", table.to_csv())
    write_atomically(Path(folder) / "grids.csv", by_grid.rename_axis("grid").to_csv())
    for name, file in _FILES.items():
        if name in laws:
            laws[name].save(Path(folder) / file)
