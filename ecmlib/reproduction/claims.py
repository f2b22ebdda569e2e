"""What the paper claims and what the committed records say of it: the rows of the book's reproduction table."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ecmlib.architecture import Architecture
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.fitting import FitWarning
from ecmlib.laws.points import n_known, scored
from ecmlib.reproduction import (
    batch_size,
    critical_batch,
    feedforward,
    four_heads,
    growth,
    mac_and_mls,
    parameters,
    published_law,
    shattering,
)
from ecmlib.reproduction.measure import combinations, compared, measured
from ecmlib.reproduction.stats import NOT_MEASURED, Finding

PAPERS, OURS = "paper-conditions", "mac-cpu"  # the grids that judge a claim, in this order
NAMES = {OURS: "the main grid"}


@dataclass(frozen=True)
class Claim:
    """One claim of the paper, and how it is judged."""

    name: str
    claim: str
    where: str  # in the paper
    page: str  # of the book, with the place on it
    judge: Callable[[Path], Finding]  # from the folder of all grids


def reproduction_table(results: str | Path, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Judge claims by the records at hand.

    Parameters
    ----------
    results : path
        The folder of all grids.
    names : sequence of str, optional
        Which claims; all by default.

    Returns
    -------
    DataFrame
        Columns ``name``, ``claim``, ``where``, ``finding``, ``verdict`` and ``page``, a row a claim; where a claim's
        records are missing, the verdict is "not measured yet".
    """
    rows: list[dict[str, Any]] = []
    for claim in CLAIMS:
        if names is None or claim.name in names:
            finding = claim.judge(Path(results))
            row = {"name": claim.name, "claim": claim.claim, "where": claim.where}
            rows.append(row | {"finding": finding, "verdict": finding.verdict, "page": claim.page})
    return pd.DataFrame(rows)


def fitted_law(results: Path, grid: str, L: int = 1) -> EmpiricalCapacityModel | None:
    """Return the paper's form for a grid: the saved one of the main grids, or one fitted now; None if too few cells."""
    frame, saved = measured(results, grid), results / "law" / ("ecm.json" if L == 1 else "ecm_L2.json")
    if grid.startswith(OURS):
        return EmpiricalCapacityModel.load(saved) if saved.exists() else None
    if frame.empty or n_known(scored(frame, "C_plateau")) <= len(EmpiricalCapacityModel.bounds):
        return None
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        return EmpiricalCapacityModel.fit(frame, starts=20, bootstraps=0)


def _on_both(judge: Callable[[pd.DataFrame], Finding]) -> Callable[[Path], Finding]:
    """Judge by the paper's own conditions first; our grid is the second witness."""
    return lambda results: judge(measured(results, PAPERS)).beside(judge(measured(results, OURS)), NAMES[OURS])


def _of_the_law(judge: Callable[[pd.DataFrame, EmpiricalCapacityModel], Finding]) -> Callable[[Path], Finding]:
    def judged(results: Path, grid: str) -> Finding:
        law, frame = fitted_law(results, grid), measured(results, grid)
        return NOT_MEASURED if law is None or frame.empty else judge(frame, law)

    return lambda results: judged(results, PAPERS).beside(judged(results, OURS), NAMES[OURS])


def _heat_maps(results: Path) -> Finding:
    def judged(grid: str) -> Finding:
        by_L = {1: grid, 2: f"{grid}-L2"}
        laws = {L: (measured(results, name), fitted_law(results, name, L)) for L, name in by_L.items()}
        return published_law.heat_maps(
            {L: (frame, law) for L, (frame, law) in laws.items() if law is not None and len(frame)}
        )

    return judged(PAPERS).beside(judged(OURS), NAMES[OURS])


def _against_polynomial(results: Path) -> Finding:
    errors = results / "law" / "like_for_like.csv"
    return published_law.against_polynomial(pd.read_csv(errors)) if errors.exists() else NOT_MEASURED


def _table_1(results: Path) -> Finding:
    spots = published_law.table_1(measured(results, "paper-scale"))
    return published_law.table_1(measured(results, PAPERS)).beside(spots, "eight longer runs at the paper's T")


def _parameter_counts(_: Path) -> Finding:
    sizes = combinations(d=[8, 32, 128], H=[1, 2, 4, 8], L=[1, 2])
    return parameters.judge(parameters.count([Architecture(**size) for size in sizes]))


def _noise_scale(results: Path) -> Finding:
    critical = compared(critical_batch.critical_batch_sizes, results, "batch-size")
    noise = critical_batch.noise_scales_in(results)
    return NOT_MEASURED if critical.empty or noise.empty else critical_batch.judge_noise_scale(critical, noise)


CLAIMS = (
    Claim(
        "R1",
        "Feed-forward blocks add no capacity at small d, and less than none at larger d",
        "Fig. 2",
        "experiments.html#feed-forward-blocks",
        lambda results: feedforward.judge(compared(feedforward.compare, results, "feedforward")),
    ),
    Claim(
        "R2",
        "The number of trainable parameters follows from d, H and L",
        "Fig. 3",
        "model.html#parameters",
        _parameter_counts,
    ),
    Claim(
        "R3",
        "MAC and MLS have the same shape and differ by T/K; less that, MAC lags behind MLS at large d",
        "Fig. 4",
        "experiments.html#counting-or-filling",
        lambda results: mac_and_mls.judge(mac_and_mls.compare_in(results)),
    ),
    Claim(
        "R4",
        "The epochs until a library of 16 sequences is memorised follow a negative binomial distribution",
        "Fig. 5",
        "experiments.html#shattering",
        lambda results: shattering.judge(shattering.compare(shattering.shatter_records(results))),
    ),
    Claim(
        "R5",
        "Capacity grows with the batch size and saturates after 512",
        "Fig. 6",
        "experiments.html#batch-size",
        lambda results: batch_size.judge(compared(batch_size.compare, results, "batch-size")),
    ),
    Claim(
        "R6",
        "Capacity rises linearly in d to a saturation just under T; it falls with N and rises with H",
        "Fig. 7",
        "experiments.html#the-main-grid",
        _on_both(growth.judge_linear_rise),
    ),
    Claim(
        "R7",
        "Measured and predicted capacities agree, for one layer and for two",
        "Fig. 8",
        "law.html#the-law-and-the-data",
        _heat_maps,
    ),
    Claim(
        "R8",
        "The slope of capacity over d follows the paper's eq. 10 over N and H",
        "Fig. 9",
        "law.html#the-law-and-the-data",
        _of_the_law(published_law.slopes),
    ),
    Claim(
        "R9",
        "The law's seven parameters err less than the 56 of a polynomial: MAPE 0.497 against 1.0785",
        "section 6.2",
        "law.html#which-law-predicts-best",
        _against_polynomial,
    ),
    Claim(
        "R10",
        "The law's parameters, which predict what is measured at T = 16,000",
        "Table 1",
        "law.html#table-1",
        _table_1,
    ),
    Claim(
        "R11",
        "Outside the fitted range the law over- or underestimates",
        "Fig. 10",
        "law.html#extrapolation",
        _of_the_law(published_law.extrapolation),
    ),
    Claim(
        "R12",
        "With 2M parameters, four heads hold twice what two heads hold",
        "Fig. 11",
        "analysis.html#heads-or-width",
        lambda results: four_heads.judge(measured(results, "two-million")),
    ),
    Claim(
        "R13",
        "Small networks use their parameters more efficiently; heads cost less efficiency than d",
        "eq. 12",
        "analysis.html#memory-per-parameter",
        _on_both(growth.judge_efficiency),
    ),
    Claim(
        "R14",
        "The batch size can be chosen from the gradient noise scale",
        "section 5.2",
        "experiments.html#batch-size",
        _noise_scale,
    ),
)
