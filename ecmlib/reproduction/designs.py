"""Did the designs that a law drew hold what they promised? Targets drawn once, and what was trained of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from scipy.stats import poisson_binom

from ecmlib.laws.points import SIZES
from ecmlib.reproduction.measure import measured
from ecmlib.results import CapacityRecord
from ecmlib.text_record import TextRecord

# Grids, and their folders of results: designs under the paper's protocol; of any size under the reference, drawn twice,
# each time with the next smaller ones of three of them; and of text, first by the law of random tokens, then by that of
# text.
OF_TOKENS, OF_ANY, OF_ANY_AGAIN = "designs", "designs-any", "designs-again"
SMALLER_OF = {"designs-any-smaller": OF_ANY, "designs-again-smaller": OF_ANY_AGAIN}
OF_TEXT_AS_RANDOM, OF_TEXT = "designs-text", "designs-text-law"
GRIDS_OF_DESIGNS = (OF_TOKENS, OF_ANY, OF_ANY_AGAIN, *SMALLER_OF, OF_TEXT_AS_RANDOM, OF_TEXT)
PROBABILITY = 0.8  # with which designs of any size are to reach their targets
SPARE = 1.15  # times the least P that reaches a target a design should have at most


def drawn_designs(results: str | Path, grid: str) -> pd.DataFrame:
    """Return the designs that were drawn for a grid, with what each one that has been trained memorised.

    Parameters
    ----------
    results : path
        The folder of all grids.
    grid : str
        One of `GRIDS_OF_DESIGNS`.

    Returns
    -------
    DataFrame
        As `design_hits`; no rows while none is drawn.
    """
    targets = Path(results) / grid / "targets.csv"
    if not targets.exists():
        return pd.DataFrame()
    rows = measured(results, grid, TextRecord if grid in (OF_TEXT, OF_TEXT_AS_RANDOM) else CapacityRecord)
    return design_hits(pd.read_csv(targets), rows, "C_plateau" if grid == OF_TOKENS else "C")


def design_hits(designs: pd.DataFrame, results: pd.DataFrame, target: str = "C") -> pd.DataFrame:
    """Tell which designs reached their target when they were trained once.

    Parameters
    ----------
    designs : DataFrame
        A row a design: capacity (the target), d, H, N, L, K, T and what was predicted.
    results : DataFrame
        Restarts, as `ecmlib.load_results` returns them; the first one of a configuration counts.
    target : str
        Column of the capacity that the law predicts.

    Returns
    -------
    DataFrame
        ``designs`` with ``held``, the measured capacity, and ``reached``; both are missing where a design has not been
        trained. A run that diverged has reached nothing.
    """
    if results.empty:
        results = pd.DataFrame(columns=[*SIZES, "restart", target], dtype=float)
    once = results.loc[results["restart"] == 0, [*SIZES, target]].fillna({target: 0.0})
    hits = designs.merge(once.rename(columns={target: "held"}), on=SIZES, how="left", validate="one_to_one")
    reached = (hits["held"] >= hits["capacity"]).astype("boolean")
    return hits.assign(reached=reached.mask(hits["held"].isna()))


def promises_kept(draws: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Compare what designs were promised to hold with what those that have been trained do hold.

    Parameters
    ----------
    draws : mapping
        By name, as `drawn_designs` returns them, with the ``probability`` that a design reaches its target.

    Returns
    -------
    DataFrame
        A row a draw with trained designs: ``draw``; how many are ``trained``, how many of them were ``promised`` to
        reach their targets, the sum of their probabilities, how many ``reached`` them, and ``chance``, with which so
        many or more do where all probabilities are right; and the medians of what was predicted over the target,
        ``aimed``, of ``held`` over the target and, ``above``, over what was predicted.
    """
    rows = []
    for draw, designs in draws.items():
        trained = designs[designs["held"].notna()]
        if trained.empty:
            continue
        probability, reached = trained["probability"].to_numpy(), int(trained["reached"].sum())
        rows.append(
            {"draw": draw, "trained": len(trained), "promised": probability.sum(), "reached": reached}
            | {"chance": float(poisson_binom(probability).sf(reached - 1))}
            | {"aimed": (trained["C"] / trained["capacity"]).median()}
            | {"held": (trained["held"] / trained["capacity"]).median()}
            | {"above": (trained["held"] / trained["C"]).median()}
        )
    return pd.DataFrame(rows)
