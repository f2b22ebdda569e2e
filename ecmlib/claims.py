"""What the paper claims and what the committed records say of it: the rows of the book's reproduction table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from ecmlib import law_claims
from ecmlib.architecture import Architecture
from ecmlib.experiments import batch_size, combinations, critical_batch, feedforward, mls, parameters, shatter
from ecmlib.finding import NOT_MEASURED, Finding, verdict_of
from ecmlib.growth import exponents_over_d, ratios_at_equal_parameters, ratios_on_doubling
from ecmlib.report import compared, mac_and_mls, measured, noise_scales, shatter_records


@dataclass(frozen=True)
class Claim:
    """One claim of the paper, and how it is judged."""

    name: str
    claim: str
    where: str  # in the paper
    page: str  # of the book, with the place on it
    judge: Callable[[Path], Finding]


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
        Columns ``name``, ``claim``, ``where``, ``number``, ``interval``, ``verdict`` and ``page``, a row a claim; where
        a claim's records are missing, the verdict is "not measured yet".
    """
    rows = []
    for claim in CLAIMS:
        if names is not None and claim.name not in names:
            continue
        finding = claim.judge(Path(results))
        rows.append(
            {"name": claim.name, "claim": claim.claim, "where": claim.where}
            | {"number": finding.number, "interval": finding.interval, "verdict": finding.verdict, "page": claim.page}
        )
    return pd.DataFrame(rows)


def _of_the_law(judge: Callable[[Path, Path], Finding]) -> Callable[[Path], Finding]:
    return lambda results: judge(results, results / "law")


def _parameter_counts(_: Path) -> Finding:
    sizes = combinations(d=[8, 32, 128], H=[1, 2, 4, 8], L=[1, 2])
    return parameters.judge(parameters.count([Architecture(**size) for size in sizes]))


def _mac_and_mls(results: Path) -> Finding:
    return mls.judge(mac_and_mls(results))


def _shatter(results: Path) -> Finding:
    return shatter.judge(shatter.compare(shatter_records(results)))


def _feedforward(results: Path) -> Finding:
    pairs = compared(feedforward.compare, results, "feedforward")
    return NOT_MEASURED if pairs.empty else feedforward.judge(pairs)


def _batch_size(results: Path) -> Finding:
    readings = compared(batch_size.compare, results, "batch-size")
    return NOT_MEASURED if readings.empty else batch_size.judge(readings)


def _noise_scale(results: Path) -> Finding:
    critical, noise = compared(critical_batch.critical_batch_sizes, results, "batch-size"), noise_scales(results)
    return NOT_MEASURED if critical.empty or noise.empty else critical_batch.judge_noise_scale(critical, noise)


def _linear_rise(results: Path) -> Finding:
    """R6: each of three statements about the main grid."""
    grid = measured(results, "mac-cpu")
    if grid.empty:
        return NOT_MEASURED
    exponents = exponents_over_d(grid)["exponent"]
    low, high = _interval_of_median(exponents)
    by_H, by_N = ratios_on_doubling(grid, "H"), ratios_on_doubling(grid, "N")
    return Finding(
        verdict_of(low <= 1 <= high, _mostly(by_H > 1), _mostly(by_N < 1)),
        f"C grows as d to the power {exponents.median():.2f}; doubling H gives {by_H.median():.2f} C, doubling N "
        f"{by_N.median():.2f} C (medians)",
        f"power {low:.2f} to {high:.2f}; H raises C in {(by_H > 1).sum()} of {len(by_H)} pairs, N lowers it in "
        f"{(by_N < 1).sum()} of {len(by_N)}",
    )


def _twice_with_four_heads(results: Path) -> Finding:
    """R12: the ratio of capacities with four and two heads at equal P."""
    grid = measured(results, "mac-cpu")
    if grid.empty:
        return NOT_MEASURED
    compared = ratios_at_equal_parameters(grid, few=2, many=4)
    low, high = _interval_of_median(compared["ratio"])
    return Finding(
        "supported" if low <= 2 <= high else "not supported",
        f"at equal P, four heads hold {compared['ratio'].median():.2f} times what two hold (median of {len(compared)} "
        f"comparisons, P from {compared['P'].min():,} to {compared['P'].max():,}; the paper's 2M are outside)",
        f"{low:.2f} to {high:.2f}",
    )


def _small_ones_are_efficient(results: Path) -> Finding:
    """R13: memory per parameter falls with d, and less with H."""
    grid = measured(results, "mac-cpu")
    if grid.empty:
        return NOT_MEASURED
    by_d, by_H = (ratios_on_doubling(grid, size, "MPP") for size in ("d", "H"))
    (low_d, high_d), (low_H, high_H) = _interval_of_median(by_d), _interval_of_median(by_H)
    return Finding(
        verdict_of(high_d < 1, low_H > high_d),
        f"below saturation, doubling d gives {by_d.median():.2f} MPP, doubling H {by_H.median():.2f} MPP (medians)",
        f"{low_d:.2f} to {high_d:.2f}; {low_H:.2f} to {high_H:.2f}",
    )


def _interval_of_median(values: pd.Series, level: float = 0.95) -> tuple[float, float]:
    drawn = stats.bootstrap((values.to_numpy(),), np.median, confidence_level=level, method="percentile", rng=0)
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


def _mostly(holds: pd.Series) -> bool:
    """Whether more of the pairs hold than a fair coin would give in 95 of 100 trials."""
    return bool(stats.binomtest(int(holds.sum()), len(holds), alternative="greater").pvalue < 0.05)


CLAIMS = (
    Claim(
        "R1",
        "Feed-forward blocks add no capacity at small d, and less than none at larger d",
        "Fig. 2",
        "experiments.html#feed-forward-blocks",
        _feedforward,
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
        _mac_and_mls,
    ),
    Claim(
        "R4",
        "The epochs until a library of 16 sequences is memorised follow a negative binomial distribution",
        "Fig. 5",
        "experiments.html#shattering",
        _shatter,
    ),
    Claim(
        "R5",
        "Capacity grows with the batch size and saturates after 512",
        "Fig. 6",
        "experiments.html#batch-size",
        _batch_size,
    ),
    Claim(
        "R6",
        "Capacity rises linearly in d to a saturation just under T; it falls with N and rises with H",
        "Fig. 7",
        "experiments.html#the-main-grid",
        _linear_rise,
    ),
    Claim(
        "R7",
        "Measured and predicted capacities agree, for one layer and for two",
        "Fig. 8",
        "law.html#the-law-and-the-data",
        _of_the_law(law_claims.heat_maps),
    ),
    Claim(
        "R8",
        "The slope of capacity over d follows eq. 10 over N and H",
        "Fig. 9",
        "law.html#the-law-and-the-data",
        _of_the_law(law_claims.slopes),
    ),
    Claim(
        "R9",
        "The law's seven parameters err less than the 56 of a polynomial: MAPE 0.497 against 1.0785",
        "section 6.2",
        "law.html#which-law-predicts-best",
        _of_the_law(law_claims.against_polynomial),
    ),
    Claim(
        "R10",
        "The parameters of the law",
        "Table 1",
        "law.html#table-1",
        _of_the_law(law_claims.table_1),
    ),
    Claim(
        "R11",
        "Outside the fitted range the law over- or underestimates",
        "Fig. 10",
        "law.html#extrapolation",
        _of_the_law(law_claims.extrapolation),
    ),
    Claim(
        "R12",
        "With 2M parameters, four heads hold twice what two heads hold",
        "Fig. 11",
        "analysis.html#heads-or-width",
        _twice_with_four_heads,
    ),
    Claim(
        "R13",
        "Small networks use their parameters more efficiently; heads cost less efficiency than d",
        "eq. 12",
        "analysis.html#memory-per-parameter",
        _small_ones_are_efficient,
    ),
    Claim(
        "R14",
        "The batch size can be chosen from the gradient noise scale",
        "section 5.2",
        "experiments.html#batch-size",
        _noise_scale,
    ),
)
