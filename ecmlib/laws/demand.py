"""What a library asks of a memory: the bits of it that can be known at all, from the tokens before."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, poisson

Array = NDArray[np.float64]

_ALONE = 1e-9  # expected others that begin alike, below which every beginning is unique
_MANY = 1e6  # ways to go on, from which on their numbers are Poisson
_WIDTHS = 12.0  # standard deviations of a Poisson number beyond which nothing is summed


def knowable_bits(N: Array, K: Array, T: Array) -> Array:
    """Bits by which the best predictor of a random library beats guessing, summed over positions and sequences.

    Sequences that begin alike go on differently: the first token alone, shared by about T / K of them, says little of
    the second. Who knows the library by heart still needs ``log2(m / g)`` bits for a token when m sequences share what
    stands before it, g of them this token, too. So after n tokens the next can be known to ``log2 K - f(n) + f(n + 1)``
    bits, where ``f(n) = E log2(1 + X)`` and X others share a beginning of n tokens: each of the other ``K^(N-1-n) - 1``
    ways to go on up to the last token but one, all of which differ, is in the library with the same chance. The last
    token can be known whole. Where T is far below K that is log2 K for each, and the sum ``T (N - 1) log2 K``.

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
    known, n = float(np.log2(K)), 1  # the last token
    while n < N - 1 and T / K**n > _ALONE:
        known += float(np.log2(K)) - _log_sharing(n, N, K, T) + _log_sharing(n + 1, N, K, T)
        n += 1
    return float(T * (known + (N - 1 - n) * np.log2(K)))


@lru_cache(maxsize=100_000)
def _log_sharing(n: int, N: float, K: float, T: float) -> float:
    """``E log2(1 + X)``, X other sequences that share their first n tokens with one."""
    mean = (T - 1) / K**n
    reach = _WIDTHS * np.sqrt(mean) + _WIDTHS
    counts = np.arange(max(0, int(mean - reach)), int(mean + reach) + 1)
    ways = np.exp(min((N - 1 - n) * np.log(K), np.log(_MANY)))
    if ways < _MANY:
        chance = binom.pmf(counts, max(round(ways) - 1, 0), min(mean / max(ways - 1, mean, 1e-12), 1))
    else:
        chance = poisson.pmf(counts, mean)
    return float(chance @ np.log2(1.0 + counts))
