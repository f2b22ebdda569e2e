"""Does a Hopfield network hold what the paper's section 2 says? (background)"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecmlib.finding import NOT_MEASURED, Finding, verdict_of
from ecmlib.hopfield import ThoughtExperiment, storage_capacity
from ecmlib.regression import least_squares

ALMOST_ALL = 0.9  # of the patterns: McEliece et al. leave the share open, which goes to 1 as n grows
PAPER = ThoughtExperiment(sequences=3.4e9, trained_share=0.07, gigabytes=44, nodes_of_weights=np.nan)


def held(storage: pd.DataFrame, share: float = ALMOST_ALL) -> pd.DataFrame:
    """Find how many patterns each network holds so that a share of them are fixed points.

    Parameters
    ----------
    storage : DataFrame
        What `ecmlib.hopfield.measure_storage` returns, for one n or several together.
    share : float
        Of the stored patterns.

    Returns
    -------
    DataFrame
        ``n``, ``trial`` and ``held``, interpolated between the numbers stored; networks that never fall to the share
        are left out.
    """
    rows = []
    for (n, trial), network in storage.groupby(["n", "trial"]):
        line = network.sort_values("stored")
        stored, fixed = line["stored"].to_numpy(float), line["fixed"].to_numpy(float)
        below = np.flatnonzero(fixed < share)
        if len(below) and below[0] > 0:
            last, first = below[0] - 1, below[0]
            part = (fixed[last] - share) / (fixed[last] - fixed[first])
            rows.append((n, trial, stored[last] + part * (stored[first] - stored[last])))
    return pd.DataFrame(rows, columns=["n", "trial", "held"])


def judge(storage: pd.DataFrame) -> Finding:
    """Judge "n nodes store n / (2 ln n) patterns": measured numbers grow in proportion to it, with a factor of 1."""
    networks = held(storage)
    if networks["n"].nunique() < 2 or len(networks) < 4:
        return NOT_MEASURED
    formula = np.log(networks["n"].map(storage_capacity))
    logarithm, ones = np.log(networks["held"]), np.ones(len(networks))
    power = least_squares(logarithm, {"power": formula, "factor": ones})["power"]
    factor = least_squares(logarithm - formula, {"factor": ones})["factor"].exp()
    return Finding(
        verdict_of(power.contains(1), factor.contains(1)),
        f"with {ALMOST_ALL:.0%} of the patterns as fixed points, networks of {networks['n'].min()} to "
        f"{networks['n'].max()} nodes hold {factor.value:.2f} times n / (2 ln n), which grows as its power "
        f"{power.value:.2f}",
        f"95 % t intervals over {len(networks)} networks: factor {factor}, power {power}",
    )


def judge_arithmetic(ours: ThoughtExperiment) -> Finding:
    """Judge the paper's three numbers: ours, rounded as it rounds, are the same."""
    return Finding(
        verdict_of(
            round(ours.sequences / 1e9, 1) == PAPER.sequences / 1e9,
            round(ours.trained_share, 2) == PAPER.trained_share,
            round(ours.gigabytes) == PAPER.gigabytes,
        ),
        f"{ours.sequences:.3g} sequences (the paper: {PAPER.sequences:.2g}), of which the training tokens are "
        f"{ours.trained_share:.1%} ({PAPER.trained_share:.0%}), and {ours.gigabytes:.1f} GB ({PAPER.gigabytes:.0f} GB)",
        "exact",
    )
