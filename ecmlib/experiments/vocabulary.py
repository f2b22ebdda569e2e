"""How does capacity depend on the vocabulary: is it constant in sequences or in bits? (beyond the paper)"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ecmlib.finding import NOT_MEASURED, Finding, verdict_of
from ecmlib.regression import Estimate, least_squares
from ecmlib.results import CapacityRecord


def compare(records: Sequence[CapacityRecord]) -> pd.DataFrame:
    """Return a row a configuration.

    Returns
    -------
    DataFrame
        ``d``, ``K``, ``P``, ``C`` in sequences, ``bits`` memorised in all predictions, and ``bits_per_parameter``.
    """
    rows = [
        {"d": record.architecture.d, "K": record.architecture.K, "P": record.P, "C": max(record.C_plateau, 1.0)}
        | {"bits": record.bits, "bits_per_parameter": record.bits_per_parameter}
        for record in records
    ]
    return pd.DataFrame(rows).sort_values(["d", "K"], ignore_index=True)


def exponents(table: pd.DataFrame) -> dict[str, Estimate]:
    """Fit ``quantity ~ (log2 K)**exponent`` with a factor for each d: 0 says that the quantity does not depend on K.

    Returns
    -------
    dict
        Of "C" and "bits". A capacity of C sequences is worth ``C (N - 1) log2 K`` bits: constant bits would make the
        exponent of C -1.
    """
    log_bits = np.log(np.log2(table["K"]))
    levels = {f"d={d}": table["d"] == d for d in table["d"].unique()}
    return {
        quantity: least_squares(np.log(np.maximum(table[quantity], 1.0)), {"exponent": log_bits, **levels})["exponent"]
        for quantity in ("C", "bits")
    }


def judge(table: pd.DataFrame) -> Finding:
    """Judge "capacity is constant in bits and not in sequences" over K.

    A quantity is constant if the interval of its exponent contains 0 and not what it would be if the other one were
    constant: 1 for bits, -1 for sequences. Where the interval of bits contains both, too little is measured.
    """
    if table["K"].nunique() < 2 or len(table) < table["d"].nunique() + 2:
        return NOT_MEASURED
    of = exponents(table)
    if of["bits"].contains(0) and of["bits"].contains(1):
        return NOT_MEASURED
    of_one_d = table.groupby("d")[["C", "bits"]]
    within = (of_one_d.max() / of_one_d.min()).max()
    bits_constant = of["bits"].contains(0) and not of["bits"].contains(1)
    sequences_constant = of["C"].contains(0) and not of["C"].contains(-1)
    constant = [name for name, holds in (("sequences", sequences_constant), ("bits", bits_constant)) if holds]
    return Finding(
        verdict_of(bits_constant, not of["C"].contains(0)),
        f"constant over K: {' and '.join(constant) or 'neither'}; sequences grow as (log2 K)^{of['C'].value:.2f}, "
        f"bits as (log2 K)^{of['bits'].value:.2f}; over all K the largest differs from the smallest by factors of "
        f"{within['C']:.1f} and {within['bits']:.1f} at one d",
        f"95 % t intervals over {len(table)} configurations: {of['C']} and {of['bits']}",
    )
