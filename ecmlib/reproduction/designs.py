"""Did the designs that a law drew hold what they promised? Targets drawn once, and what was trained of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ecmlib.laws.design import design_hits
from ecmlib.reproduction.measure import measured, measured_texts

OF_TOKENS, OF_TEXT = "designs", "designs-text"  # grids, and their folders of results


def drawn_designs(results: str | Path, grid: str) -> pd.DataFrame:
    """Return the designs that were drawn for a grid, with what each one that has been trained memorised.

    Parameters
    ----------
    results : path
        The folder of all grids.
    grid : str
        `OF_TOKENS` or `OF_TEXT`.

    Returns
    -------
    DataFrame
        As `ecmlib.laws.design.design_hits`; no rows while none is drawn.
    """
    targets = Path(results) / grid / "targets.csv"
    if not targets.exists():
        return pd.DataFrame()
    of_text = grid == OF_TEXT
    rows = measured_texts(results, grid).rename(columns={"C": "C_plateau"}) if of_text else measured(results, grid)
    return design_hits(pd.read_csv(targets), rows)
