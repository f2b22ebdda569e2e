"""Do the epochs until a library is memorised follow a negative binomial distribution? (paper, Fig. 5; claim R4)"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ecmlib.distributions import compare_distributions
from ecmlib.finding import NOT_MEASURED, Finding, verdict_of
from ecmlib.shatter import ShatterRecord

SIGNIFICANT = 0.05  # a fit with a smaller p-value is rejected


def compare(records: Sequence[ShatterRecord], bootstraps: int = 200) -> pd.DataFrame:
    """Fit every distribution to every record's epochs.

    Returns
    -------
    DataFrame
        The columns of `ecmlib.distributions.compare_distributions` after ``d`` and ``trials``, a row a record and
        distribution.
    """
    tables = []
    for record in records:
        table = compare_distributions(record.epochs, bootstraps)
        table.insert(0, "trials", len(record.epochs))
        table.insert(0, "d", record.architecture.d)
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def judge(table: pd.DataFrame) -> Finding:
    """R4: of all distributions, the negative binomial has the best AIC everywhere and is nowhere rejected."""
    if table.empty:
        return NOT_MEASURED
    best = table.loc[table.groupby("d")["AIC"].idxmin()].set_index("d")
    claimed = table[table["distribution"] == "negative binomial"].set_index("d")
    wins = best["distribution"] == "negative binomial"
    found = [
        f"d={d}: best by AIC is the {best.loc[d, 'distribution']} one, the negative binomial is "
        f"{claimed.loc[d, 'AIC'] - best.loc[d, 'AIC']:.1f} behind"
        for d in best.index
    ]
    fits = [
        f"d={d}: p = {claimed.loc[d, 'p_value']:.3f} ({best.loc[d, 'distribution']}: {best.loc[d, 'p_value']:.3f})"
        for d in best.index
    ]
    return Finding(
        verdict_of(bool(wins.all()), bool((claimed["p_value"] >= SIGNIFICANT).all())),
        "; ".join(found),
        f"bootstrapped Kolmogorov-Smirnov test of the negative binomial over {table['trials'].min()} trials, "
        + "; ".join(fits),
    )
