"""What the book says in numbers: headlines computed from the committed records."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ecmlib.results import load_results


def measured(results: str | Path, grid: str) -> pd.DataFrame:
    """Return the rows of a grid's records, none if nothing is measured yet.

    Parameters
    ----------
    results : path
        The folder of all grids.
    grid : str
        Name of one.
    """
    folder = Path(results) / grid
    return load_results(folder) if folder.is_dir() else pd.DataFrame()


def headlines(rows: pd.DataFrame) -> dict[str, float]:
    """Sum up a grid.

    Returns
    -------
    dict
        ``configurations``, ``restarts``, ``core_hours``; ``complete`` and ``unfinished``, the shares of configurations
        that memorised their whole library and of restarts that ended at ``max_steps``; ``paper_rule``, the median share
        of `C_plateau` that the paper's stopping rule finds; ``bits_per_parameter``, the largest of all.
    """
    best = rows.groupby(["d", "H", "N", "L", "K", "T", "ff", "batch_size"])[["C_plateau_raw", "C_plateau"]].max()
    grown = rows[rows["C_plateau"] > 1]
    return {
        "configurations": len(best),
        "restarts": len(rows),
        "core_hours": rows["core_seconds"].sum() / 3600,
        "complete": float((best["C_plateau_raw"] == best.index.get_level_values("T")).mean()),
        "unfinished": float((rows["status"] == "max_steps").mean()),
        "paper_rule": float((grown["C_paper_rule"] / grown["C_plateau"]).median()),
        "bits_per_parameter": rows["bits_per_parameter"].max(),
    }
