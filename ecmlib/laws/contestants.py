"""The laws that are compared, each fitted as hard as it needs."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import pandas as pd

from ecmlib.laws.base import Law
from ecmlib.laws.baselines import PolynomialModel
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.fitting import FitWarning
from ecmlib.laws.points import n_known, scored
from ecmlib.laws.registry import CANDIDATES
from ecmlib.laws.residual import ResidualModel
from ecmlib.laws.rivals import UnsaturatedModel
from ecmlib.laws.scope import out_of_scope
from ecmlib.laws.signal import SignalLaw

OURS = "signal law (ours)"


def fit_all(
    frame: pd.DataFrame, target: str = "C_plateau", starts: int = 200, bootstraps: int = 1000, seed: int = 0
) -> dict[str, Law]:
    """Fit every law to one frame, silently: what there is to doubt is in ``evidence.doubts``.

    The ECM and our law get all bootstraps, the others a tenth (the Gaussian process `ResidualModel.resamples`); the ECM
    gets all starts, the others, whose optimum is easily found, at most 20. A polynomial with more coefficients than
    there are configurations beyond guessing is left out.

    Parameters
    ----------
    frame : DataFrame
        Of one L, K, T and protocol, as `ecmlib.load_results` returns it.
    target, starts, bootstraps, seed
        See `ecmlib.laws.fitting.FitOptions`.

    Returns
    -------
    dict
        Laws by the names of their rows in the table; the published one is first, ours last.
    """
    n = n_known(scored(frame, target, EmpiricalCapacityModel.same))
    few, tenth = min(starts, 20), max(1, bootstraps // 10)
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
        for candidate in CANDIDATES:
            laws[candidate.name] = candidate.fit(frame, target, starts=few, bootstraps=tenth, seed=seed)
        laws["ours and a Gaussian process"] = ResidualModel.fit(frame, target, starts=few, seed=seed)
        laws[OURS] = SignalLaw.fit(frame, target, starts=few, bootstraps=bootstraps, seed=seed)
    return laws


def fit_wider(
    main: pd.DataFrame, wider: Mapping[str, pd.DataFrame], target: str, bootstraps: int = 1000, seed: int = 0
) -> SignalLaw:
    """Fit our law to grids of every L, K, T and component at once, silently, where it can hold (`out_of_scope`)."""
    frame = pd.concat([main, *wider.values()])
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        return SignalLaw.fit(frame[out_of_scope(frame) == ""], target, starts=20, bootstraps=bootstraps, seed=seed)


def fit_two_layers(
    frame: pd.DataFrame | None, target: str, starts: int = 200, bootstraps: int = 1000, seed: int = 0
) -> dict[str, Law]:
    """Fit the ECM, which has one set of parameters for each L, to the grid of two layers; nothing without records."""
    if frame is None or n_known(scored(frame, target)) <= len(EmpiricalCapacityModel.bounds):
        return {}
    options = {"starts": starts, "bootstraps": bootstraps, "seed": seed}
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        return {
            "ECM, L=2": EmpiricalCapacityModel.fit(frame, target, "log", **options),
            "ECM, L=2, fitted to MAPE": EmpiricalCapacityModel.fit(frame, target, "mape", **options),
        }
