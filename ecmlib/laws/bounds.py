"""What no memory of given bits and no readout of it can exceed, and how much of that models use."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import entr

from ecmlib.laws.demand import knowable_bits
from ecmlib.laws.fitting import Array

WEIGHT_BITS = 16  # of a bfloat16 number, which is all that matrix products see of a weight
_HALVINGS = 60  # of an interval of length 1: to the last digit


def most_told(share: Array, K: Array) -> Array:
    """Share of tokens that can be told beyond guessing, at most, by whoever knows a share of their bits.

    Fano's inequality (Fano, Transmission of Information, 1961; Cover and Thomas, Elements of Information Theory,
    theorem 2.10.1): whoever is wrong of a share e of uniform tokens still lacks at most ``h(e) + e log2(K - 1)`` bits
    of each, with the entropy ``h(e) = -e log2 e - (1 - e) log2(1 - e)``. The bound is convex in what is known, so that
    it holds on average over tokens of which some are known better than others.

    Parameters
    ----------
    share : array
        Known bits over log2 K, from 0 (nothing is told beyond guessing) to 1 (all is).
    K : array
        Vocabulary sizes, at least 2; broadcasts.

    Returns
    -------
    array
        Between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> most_told(np.array([0.0, 0.3, 1.0]), np.array([128.0])).round(2) + 0.0
    array([0.  , 0.44, 1.  ])
    """
    share, K = np.broadcast_arrays(np.clip(share, 0, 1), np.asarray(K, float))
    lacking = (1 - share) * np.log(K)
    few, many = np.zeros(share.shape), 1 - 1 / K  # errors, up to those of guessing: what is lacked rises all the way
    for _ in range(_HALVINGS):
        middle = (few + many) / 2
        enough = entr(middle) + entr(1 - middle) + middle * np.log(K - 1) >= lacking
        few, many = np.where(enough, few, middle), np.where(enough, middle, many)
    return np.asarray((1 - many - 1 / K) / (1 - 1 / K))


def used(points: pd.DataFrame) -> pd.DataFrame:
    """Say how much of what is possible models use.

    Parameters
    ----------
    points : DataFrame
        Of `ecmlib.laws.points.configurations`, with P, ``C`` (sequences) and ``bits`` (measured).

    Returns
    -------
    DataFrame
        ``points`` with three shares. ``of_format``: measured bits over the ``16 P`` that P weights in bfloat16 can
        take. ``counted``: bits of the counted sequences, ``C (N - 1) log2 K``, were each known whole, over measured
        bits; above 1 where more last tokens are told than whole sequences could be known. ``of_readout``: C / T over
        what the measured bits let a readout tell at most (`most_told`), were all positions known alike.
    """
    N, K, T = (points[size].to_numpy(float) for size in "NKT")
    told = most_told(points["bits"].to_numpy(float) / knowable_bits(N, K, T), K)
    return points.assign(
        of_format=points["bits"] / (WEIGHT_BITS * points["P"]),
        counted=points["C"] * (N - 1) * np.log2(K) / points["bits"],
        of_readout=points["C"] / T / told,
    )
