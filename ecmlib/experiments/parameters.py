"""How many parameters do the configurations have? The formula against built models (paper, Fig. 3; claim R2)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ecmlib.architecture import Architecture
from ecmlib.finding import Finding, verdict_of


def count(architectures: Sequence[Architecture]) -> pd.DataFrame:
    """Count the trainable parameters of every architecture by the formula and in a model that is built.

    Returns
    -------
    DataFrame
        ``d``, ``H``, ``L``, ``P``, and ``built``, the number of weights of the built model that are trained.
    """
    return pd.DataFrame(
        {"d": size.d, "H": size.H, "L": size.L, "P": size.n_params, "built": _trained(size)} for size in architectures
    )


def judge(table: pd.DataFrame) -> Finding:
    """R2: the formula's P is that of the built models."""
    off = int((table["P"] != table["built"]).sum())
    return Finding(
        verdict_of(off == 0),
        f"P from {table['P'].min():,} to {table['P'].max():,}; formula and built model differ in {off} of {len(table)} "
        "configurations",
        "exact",
    )


def _trained(size: Architecture) -> int:
    return sum(weights.numel() for weights in size.build(seed=0).parameters() if weights.requires_grad)
