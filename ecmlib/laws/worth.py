"""What the parameters of an architecture are worth: what a law says that it holds, beside their number."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import pandas as pd

from ecmlib.architecture import Architecture
from ecmlib.laws.base import Law
from ecmlib.library import distinct_beginnings


def predicted(frame: pd.DataFrame, law: Law, level: float = 0.9) -> pd.DataFrame:
    """Add to a frame of d, H, N, L, K, T what a law says: C, its interval, P, MPP and outside_region.

    Parameters
    ----------
    frame : DataFrame
        A row an architecture; of its components (`ecmlib.laws.points.COMPONENTS`), ``max_steps`` and ``token_bits``
        what there are columns of.
    law : Law
        Predicts capacities.
    level : float
        Share of single training runs inside C_low to C_high, percentiles of the law's predictive draws.

    Returns
    -------
    DataFrame
        A copy with the columns C, C_low, C_high (sequences), P (trainable parameters), MPP (tokens a parameter) and
        outside_region (whether the law was not fitted on such sizes and steps).
    """
    C, C_low, C_high = law.predict_interval(frame, level)
    P = _parameters(frame)
    beyond = law.evidence.outside(frame) != ""
    return frame.assign(C=C, C_low=C_low, C_high=C_high, P=P, MPP=frame["N"] * C / P, outside_region=beyond)


def capacity_over_parameters(
    law: Law,
    d: Iterable[int],
    H: Iterable[int],
    N: Iterable[int],
    L: Iterable[int] = (1,),
    K: int = 128,
    T: int | None = None,
) -> pd.DataFrame:
    """Predict every combination of the sizes: what capacity P parameters buy (paper, Fig. 11).

    Returns
    -------
    DataFrame
        As `predicted`, a row a combination, sorted by L, N, H and P. T is by default the largest that was fitted on and
        that exists, for each N.
    """
    frame = combinations({"d": d, "H": H, "N": N, "L": L, "K": [K]})
    frame["T"] = [largest_library(law, length, K) for length in frame["N"]] if T is None else T
    frame = predicted(frame, law)
    return frame.sort_values(["L", "N", "H", "P"], ignore_index=True)


def combinations(values: Mapping[str, Iterable[int]]) -> pd.DataFrame:
    """Return a frame of every combination of some values, a column a name."""
    return pd.DataFrame(itertools.product(*values.values()), columns=list(values))


def largest_library(law: Law, N: int, K: int) -> int:
    """Return the largest library that the law was fitted on and that N and K give."""
    return int(min(int(law.region["T"][1]), distinct_beginnings(N, K)))


def _parameters(frame: pd.DataFrame) -> list[int]:
    """Count P, of all that the frame says of each architecture."""
    said = frame[[name for name in Architecture.model_fields if name in frame]]
    whole = said.astype({name: int for name in (*"dHNLK", "head_dim", "ff_mult") if name in said})
    return [
        Architecture(**{str(name): value for name, value in row.items()}).n_params for row in whole.to_dict("records")
    ]
