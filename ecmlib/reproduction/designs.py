"""Did the designs that a law drew hold what they promised? Targets drawn once, and what was trained of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ecmlib.laws.design import design_hits
from ecmlib.reproduction.measure import measured
from ecmlib.results import CapacityRecord
from ecmlib.text_record import TextRecord

# Grids, and their folders of results: designs under the paper's protocol, of any size under the reference, and of text,
# first by the law of random tokens, then by that of text.
OF_TOKENS, OF_ANY, OF_TEXT_AS_RANDOM, OF_TEXT = "designs", "designs-any", "designs-text", "designs-text-law"
PROBABILITY = 0.8  # with which designs of any size are to reach their targets


def drawn_designs(results: str | Path, grid: str) -> pd.DataFrame:
    """Return the designs that were drawn for a grid, with what each one that has been trained memorised.

    Parameters
    ----------
    results : path
        The folder of all grids.
    grid : str
        `OF_TOKENS`, `OF_ANY`, `OF_TEXT_AS_RANDOM` or `OF_TEXT`.

    Returns
    -------
    DataFrame
        As `ecmlib.laws.design.design_hits`; no rows while none is drawn.
    """
    targets = Path(results) / grid / "targets.csv"
    if not targets.exists():
        return pd.DataFrame()
    rows = measured(results, grid, TextRecord if grid in (OF_TEXT, OF_TEXT_AS_RANDOM) else CapacityRecord)
    return design_hits(pd.read_csv(targets), rows, "C_plateau" if grid == OF_TOKENS else "C")
