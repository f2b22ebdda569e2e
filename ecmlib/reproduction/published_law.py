"""What the saved laws and the main grid say of the paper's claims on its law (R7 to R11)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ecmlib.chance import at_least_one
from ecmlib.laws.base import Law
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.fitting import Array
from ecmlib.laws.points import configurations, growing
from ecmlib.laws.registry import load_law
from ecmlib.reproduction.growth import exponents_over_d
from ecmlib.reproduction.measure import measured
from ecmlib.reproduction.stats import NOT_MEASURED, Estimate, Finding, bootstrapped, verdict_of

PUBLISHED_MAPE = 0.497  # of the ECM on the paper's own data (section 6.2)
_LEVEL = 0.9
_SLIGHT = 0.1  # ratios and exponents this near to 1 count as 1


def heat_maps(results: Path, laws: Path) -> Finding:
    """R7: measured and predicted capacities agree, for L = 1 and 2, as well as the paper's do."""
    said, holds = [], []
    for L, grid in ((1, "mac-cpu"), (2, "mac-cpu-L2")):
        frame, path = measured(results, grid), laws / ("ecm_mape.json" if L == 1 else "ecm_mape_L2.json")
        if frame.empty or not path.exists():
            said.append(f"L={L} is not measured yet")
            continue
        error = _mean(_errors(load_law(path), frame))
        holds.append(error.low <= PUBLISHED_MAPE)
        said.append(f"L={L}: {error.value:.2f}, {error.low:.2f} to {error.high:.2f}")
    return Finding(
        verdict_of(*holds) if len(holds) == 2 else "not measured yet",
        f"MAPE of the paper's form, fitted to ours: {'; '.join(said)}; the paper's, on its own, {PUBLISHED_MAPE}",
        f"{_LEVEL:.0%} intervals, configurations resampled",
    )


def slopes(results: Path, laws: Path) -> Finding:
    """R8: C/d is a slope, the same for all d, and follows (10) over N and H."""
    frame, path = measured(results, "mac-cpu"), laws / "ecm.json"
    if frame.empty or not path.exists():
        return NOT_MEASURED
    points = growing(frame)
    means = points.assign(f=np.log(points["C"] / points["d"])).groupby(["N", "H"])["f"].mean().reset_index()
    slope = np.maximum(EmpiricalCapacityModel.load(path).slope(means["H"], means["N"]), 1e-3)
    off = _mean(np.abs(np.log(slope) - means["f"].to_numpy())).exp()
    power = _mean(exponents_over_d(frame)["exponent"])
    return Finding(
        verdict_of(off.high < 2, power.low <= 1 + _SLIGHT and power.high >= 1 - _SLIGHT),
        f"mean C/d of the {len(means)} pairs of N and H is met within a factor {off.value:.2f}; C grows as d "
        f"to the power {power.value:.2f}, which had to be 1 for C/d to be a slope",
        f"factor {off.low:.2f} to {off.high:.2f}, power {power.low:.2f} to {power.high:.2f}",
    )


def against_polynomial(results: Path, laws: Path) -> Finding:
    """R9: the ECM's MAPE is below that of the polynomial of degree 5."""
    frame, paths = measured(results, "mac-cpu"), [laws / "ecm_mape.json", laws / "polynomial.json"]
    table = laws / "comparison.csv"
    if frame.empty or not all(path.exists() for path in [*paths, table]):
        return NOT_MEASURED
    ecm, polynomial = (_errors(load_law(path), frame) for path in paths)
    ahead = _mean(polynomial - ecm)
    unseen = pd.read_csv(table, index_col=0)["leave_one_configuration"]
    return Finding(
        "supported" if ahead.low > 0 else "not supported" if ahead.high < 0 else "mixed",
        f"MAPE {ecm.mean():.2f} against {polynomial.mean():.2f}; on configurations left out "
        f"{unseen['ECM, fitted to MAPE']:.2f} against {unseen['polynomial 5']:.2f}. Fitted to log capacity, the same "
        f"polynomial has {unseen['polynomial 5 of log C']:.2f} on configurations left out",
        f"difference {ahead.low:.2f} to {ahead.high:.2f}",
    )


def table_1(results: Path, laws: Path) -> Finding:
    """R10: the published parameters lie in the intervals of ours."""
    if not (laws / "ecm.json").exists():
        return NOT_MEASURED
    ecm = EmpiricalCapacityModel.load(laws / "ecm.json")
    table = ecm.intervals(_LEVEL).assign(published=EmpiricalCapacityModel.published(L=1).parameters)
    inside = table["published"].between(table["low"], table["high"])
    T = int(ecm.region["T"][1])
    spot_checks = measured(results, "paper-scale")
    return Finding(
        verdict_of(*inside),
        f"{inside.sum()} of {len(inside)} published parameters lie in our {_LEVEL:.0%} intervals: "
        f"{', '.join(table.index[inside]) or 'none'}; the library sets alpha and beta: T={T} here, 16000 there. "
        f"Of ours, {'; '.join(ecm.evidence.doubts) or 'all are identifiable'}."
        f"{'' if spot_checks.empty else _off_at_its_own_size(beside_published(spot_checks))}",
        "; ".join(f"{name} {row.low:,.2f} to {row.high:,.2f}" for name, row in table.round(6).iterrows()),
    )


def extrapolation(results: Path, laws: Path) -> Finding:
    """R11: outside the fitted range, the ECM over- or underestimates."""
    frame, path = measured(results, "mac-cpu"), laws / "ecm.json"
    if frame.empty or not path.exists():
        return NOT_MEASURED
    largest = half_of_d(frame)
    ecm = load_law(path).refit(frame[frame["d"] <= largest])
    points = configurations(frame, ecm.evidence.target)
    off = np.log(at_least_one(ecm.predict_frame(points)) / points[ecm.evidence.target].to_numpy(float))
    beyond = (points["d"] > largest).to_numpy()
    outside = off[beyond & ~points["complete"].to_numpy()]
    if len(outside) < 2:
        return NOT_MEASURED
    bias = _mean(outside).exp()
    return Finding(
        verdict_of(bias.low > 1 + _SLIGHT or bias.high < 1 - _SLIGHT),
        f"fitted to d <= {largest:g}, it predicts {bias.value:.2f} of the capacity at larger d (geometric "
        f"mean of the {len(outside)} below T); it is off by a factor {np.exp(np.abs(outside).mean()):.2f} there and "
        f"{np.exp(np.abs(off[~beyond]).mean()):.2f} where it was fitted",
        f"{bias.low:.2f} to {bias.high:.2f}",
    )


def beside_published(frame: pd.DataFrame) -> pd.DataFrame:
    """Put what the paper's own law says beside capacities at the paper's library size.

    Parameters
    ----------
    frame : DataFrame
        A row a restart, of one layer and T = 16000, as `ecmlib.load_results` returns it; may have no rows.

    Returns
    -------
    DataFrame
        A row a configuration: d, H, N and three capacities in sequences, ``published`` (Table 1), ``C_paper_rule``
        and ``C_plateau``, each of the best restart.
    """
    columns = ["d", "H", "N", "published", "C_paper_rule", "C_plateau"]
    if frame.empty:
        return pd.DataFrame(columns=columns)
    points, by_rule = (configurations(frame, target) for target in ("C_plateau", "C_paper_rule"))
    published = EmpiricalCapacityModel.published(L=1).predict_frame(points)
    return points.assign(published=published, C_paper_rule=by_rule["C_paper_rule"])[columns]


def half_of_d(frame: pd.DataFrame) -> float:
    """The largest d of the lower half of those measured."""
    d = sorted(frame["d"].unique())
    return float(d[(len(d) - 1) // 2])


def _off_at_its_own_size(beside: pd.DataFrame) -> str:
    off = np.log(beside["published"] / at_least_one(beside["C_paper_rule"]))
    factor = np.exp(np.abs(off).mean())
    return (
        f" The published law is off by a factor {factor:.2f} at {len(beside)} configurations of its T, under its rule."
    )


def _errors(law: Law, frame: pd.DataFrame) -> Array:
    points = configurations(frame, law.evidence.target)
    truth = points[law.evidence.target].to_numpy(float)
    return np.asarray(np.abs(law.predict_frame(points) / truth - 1))


def _mean(values: ArrayLike) -> Estimate:
    return bootstrapped(np.mean, values, level=_LEVEL)
