"""What the paper claims and what the committed records say of it: the rows of the book's reproduction table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from ecmlib.growth import exponents_over_d, ratios_on_doubling
from ecmlib.report import measured

Verdict = Literal["supported", "mixed", "not supported", "not measured yet"]


class Finding(NamedTuple):
    """What our data say of one claim."""

    verdict: Verdict
    number: str = ""  # what was found, in words and numbers
    interval: str = ""  # and how sure that is


NOT_MEASURED = Finding("not measured yet")


@dataclass(frozen=True)
class Claim:
    """One claim of the paper, and how it is judged."""

    name: str
    claim: str
    where: str  # in the paper
    page: str  # of the book, with the place on it
    judge: Callable[[Path], Finding]


def reproduction_table(results: str | Path) -> pd.DataFrame:
    """Judge every claim by the records at hand.

    Parameters
    ----------
    results : path
        The folder of all grids.

    Returns
    -------
    DataFrame
        Columns ``name``, ``claim``, ``where``, ``number``, ``interval``, ``verdict`` and ``page``, a row a claim; where
        a claim's records are missing, the verdict is "not measured yet".
    """
    rows = []
    for claim in CLAIMS:
        finding = claim.judge(Path(results))
        rows.append(
            {"name": claim.name, "claim": claim.claim, "where": claim.where}
            | {"number": finding.number, "interval": finding.interval, "verdict": finding.verdict, "page": claim.page}
        )
    return pd.DataFrame(rows)


def linear_rise(results: Path) -> Finding:
    """R6: three statements about the main grid; each counts by a majority that chance would not give."""
    grid = measured(results, "mac-cpu")
    if grid.empty:
        return NOT_MEASURED
    exponents = exponents_over_d(grid)["exponent"].to_numpy()
    low, high = _interval_of_median(exponents)
    by_H, by_N = ratios_on_doubling(grid, "H"), ratios_on_doubling(grid, "N")
    holds = [low <= 1 <= high, _mostly(by_H > 1), _mostly(by_N < 1)]
    return Finding(
        "supported" if all(holds) else "mixed" if any(holds) else "not supported",
        f"C ~ d^{np.median(exponents):.2f}; doubling H: {by_H.median():.2f} C, doubling N: {by_N.median():.2f} C",
        f"exponent {low:.2f} to {high:.2f}; rises in {(by_H > 1).sum()} of {len(by_H)} pairs over H, "
        f"falls in {(by_N < 1).sum()} of {len(by_N)} over N",
    )


def _interval_of_median(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    drawn = stats.bootstrap((values,), np.median, confidence_level=level, method="percentile", rng=0)
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


def _mostly(holds: pd.Series) -> bool:
    """Whether more of the pairs hold than a fair coin would give in 95 of 100 trials."""
    return bool(stats.binomtest(int(holds.sum()), len(holds), alternative="greater").pvalue < 0.05)


CLAIMS = (
    Claim(
        "R6",
        "Capacity rises linearly in d to a saturation just under T, falls with N and rises with H",
        "Fig. 7",
        "experiments.html#the-main-grid",
        linear_rise,
    ),
)
