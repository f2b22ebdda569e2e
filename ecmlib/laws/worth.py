"""What the parameters of an architecture are worth: what a law says that it holds, beside their number."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ecmlib.architecture import Architecture
from ecmlib.laws.base import Law
from ecmlib.library import distinct_beginnings

_LEVEL = 0.9  # of the intervals


def predicted(frame: pd.DataFrame, law: Law) -> pd.DataFrame:
    """Add to a frame of d, H, N, L, K, T what a law says: C, its interval, P, MPP and outside_region.

    Parameters
    ----------
    frame : DataFrame
        A row an architecture; of its components (`ecmlib.laws.points.COMPONENTS`), ``max_steps`` and ``token_bits``
        what there are columns of.
    law : Law
        Predicts capacities.

    Returns
    -------
    DataFrame
        A copy with the columns C, C_low, C_high (sequences; nine of ten training runs end within), P (trainable
        parameters), MPP (tokens a parameter) and outside_region (whether the law was not fitted on such sizes and
        steps).
    """
    C, C_low, C_high = law.predict_interval(frame, _LEVEL)
    P = _parameters(frame)
    beyond = law.evidence.outside(frame) != ""
    return frame.assign(C=C, C_low=C_low, C_high=C_high, P=P, MPP=frame["N"] * C / P, outside_region=beyond)


def capacity_over_parameters(
    law: Law,
    d: Iterable[int],
    H: Iterable[int],
    N: Iterable[int],
    T: int | None = None,
) -> pd.DataFrame:
    """Predict what capacity P parameters buy: every combination, of one layer and K = 128 (paper, Fig. 11).

    Returns
    -------
    DataFrame
        As `predicted`, a row a combination, sorted by N, H and P. T is by default the largest that was fitted on and
        that exists, for each N.
    """
    K = Architecture.model_fields["K"].default
    frame = pd.MultiIndex.from_product([d, H, N], names=["d", "H", "N"]).to_frame(index=False).assign(L=1, K=K)
    frame["T"] = [largest_library(law, length, K) for length in frame["N"]] if T is None else T
    return predicted(frame, law).sort_values(["N", "H", "P"], ignore_index=True)


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
