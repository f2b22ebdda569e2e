"""How measured capacity grows with each size while the others stay (paper, Fig. 7 and section 6.1)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecmlib.statistics import guess_distribution

SATURATED = 0.9  # share of the library beyond which its size, not the model, sets the count
NO_CHANCE = 1e-6  # an untrained network reaches the counts that are looked at with less than this probability


def growing(results: pd.DataFrame) -> pd.DataFrame:
    """Return the configurations whose capacity is set by the model: above chance and below saturation.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`; the best restart of a configuration counts.

    Returns
    -------
    DataFrame
        Columns ``d``, ``H``, ``N``, ``L``, ``K``, ``T``, ``P``, ``C`` and ``MPP`` (tokens a parameter, paper, eq. 12).
    """
    sizes = ["d", "H", "N", "L", "K", "T", "P"]
    best = results.groupby(sizes)[["C_plateau", "C_plateau_raw"]].max().reset_index()
    chance = [guess_distribution(T, K).isf(NO_CHANCE) for T, K in zip(best["T"], best["K"], strict=True)]
    inside = (best["C_plateau_raw"] > chance) & (best["C_plateau_raw"] < SATURATED * best["T"])
    best = best.assign(C=best["C_plateau"], MPP=best["N"] * best["C_plateau"] / best["P"])
    grown: pd.DataFrame = best.loc[inside, [*sizes, "C", "MPP"]].reset_index(drop=True)
    return grown


def exponents_over_d(results: pd.DataFrame, fewest: int = 3) -> pd.DataFrame:
    """Fit ``C ~ d**exponent`` for every number of heads and sequence length.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, one L, K and T.
    fewest : int
        Sizes d without which no exponent is fitted.

    Returns
    -------
    DataFrame
        Columns ``N``, ``H``, ``sizes`` (how many d) and ``exponent``, which is 1 for a line through the origin.
    """
    rows = []
    for (N, H), line in growing(results).groupby(["N", "H"]):
        if len(line) >= fewest:
            exponent = np.polyfit(np.log(line["d"]), np.log(line["C"]), 1)[0]
            rows.append({"N": N, "H": H, "sizes": len(line), "exponent": exponent})
    return pd.DataFrame(rows, columns=["N", "H", "sizes", "exponent"])


def ratios_on_doubling(results: pd.DataFrame, size: str, quantity: str = "C") -> pd.Series:
    """Return the ratios of a quantity in all pairs of configurations that differ by a doubled ``size`` alone.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, one L, K and T.
    size : {"d", "H", "N"}
        What is doubled.
    quantity : {"C", "MPP", "P"}
        Whose ratio.
    """
    sizes = ["d", "H", "N"]
    measured = growing(results)[[*sizes, quantity]]
    halves = measured.assign(**{size: 2 * measured[size]})
    pairs = measured.merge(halves, on=sizes, suffixes=("", "_half"))
    return pairs[quantity] / pairs[f"{quantity}_half"]


def ratios_at_equal_parameters(results: pd.DataFrame, few: int, many: int) -> pd.DataFrame:
    """Compare numbers of heads at equal P: capacity with ``many`` heads over that with ``few``.

    The line of ``few`` heads is interpolated between its measured d, logarithm against logarithm; there is no
    extrapolation.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`, one L, K and T.
    few, many : int
        Numbers of heads.

    Returns
    -------
    DataFrame
        Columns ``N``, ``P`` and ``ratio``, a row a configuration of ``many`` heads.
    """
    rows = []
    for N, here in growing(results).sort_values("P").groupby("N"):
        line, others = here[here["H"] == few], here[here["H"] == many]
        for P, C in zip(others["P"], others["C"], strict=True):
            if len(line) > 1 and line["P"].min() <= P <= line["P"].max():
                at_equal_P = np.exp(np.interp(np.log(P), np.log(line["P"]), np.log(line["C"])))
                rows.append({"N": N, "P": P, "ratio": C / at_equal_P})
    return pd.DataFrame(rows, columns=["N", "P", "ratio"])
