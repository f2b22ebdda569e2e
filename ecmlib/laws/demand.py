"""What a library asks of a memory: the bits of it that can be known at all, from the tokens before."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

Array = NDArray[np.float64]

_ALONE = 1e-9  # expected others that begin alike, below which every beginning counts as unique
_WIDTHS = 12.0  # standard deviations of a Poisson variable beyond which nothing is summed


def knowable_bits(N: Array, K: Array, T: Array) -> Array:
    """Bits by which the best predictor of a random library beats guessing, summed over positions and sequences.

    Sequences that begin alike go on differently: the first token alone, shared by about T / K of them, says little of
    the second. Who knows the library by heart still needs ``log2(m / g)`` bits for a token when m sequences share what
    stands before it, g of them this token, too; how many others do is Poisson. So after n tokens the next can be known
    to ``log2 K - f(T / K^n) + f(T / K^(n+1))`` bits, ``f(x) = E log2(1 + Poisson(x))``. Where T is far below K that is
    log2 K, and the sum ``T (N - 1) log2 K``.

    Parameters
    ----------
    N, K, T : arrays of one shape
        Sequence lengths, at least 2; vocabulary sizes, above 1; library sizes, at least 1.

    Returns
    -------
    array
        Of their shape.

    Examples
    --------
    >>> import numpy as np
    >>> asked = knowable_bits(np.array([8.0]), np.array([128.0]), np.array([2048.0])) / (2048 * 7 * 7)
    >>> asked.round(3)
    array([0.917])
    """
    sizes = np.broadcast_arrays(np.asarray(N, float), np.asarray(K, float), np.asarray(T, float))
    flat = [_of_one(*size) for size in zip(*(column.ravel().tolist() for column in sizes), strict=True)]
    return np.array(flat).reshape(sizes[0].shape)


@lru_cache(maxsize=100_000)
def _of_one(N: float, K: float, T: float) -> float:
    positions, others, known = N - 1, (T - 1) / K, 0.0
    while positions >= 1 and others > _ALONE:
        known += float(np.log2(K)) - _log_count(others) + _log_count(others / K)
        positions, others = positions - 1, others / K
    return float(T * (known + positions * np.log2(K)))


@lru_cache(maxsize=100_000)
def _log_count(mean: float) -> float:
    """``E log2(1 + Poisson(mean))``."""
    reach = _WIDTHS * np.sqrt(mean) + _WIDTHS
    counts = np.arange(max(0, int(mean - reach)), int(mean + reach) + 1)
    return float(poisson.pmf(counts, mean) @ np.log2(1.0 + counts))
