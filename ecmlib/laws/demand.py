"""What a library asks of a memory: the bits of it that can be known at all, from the tokens before."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.stats import binom, poisson

from ecmlib.laws.fitting import Array

_MANY = 1e6  # ways to go on, from which on the numbers that share a first token are Poisson
_WIDTHS = 12.0  # standard deviations of a number beyond which nothing is summed


def knowable_bits(N: Array, K: Array, T: Array) -> Array:
    """Bits by which the best predictor of a random library beats guessing, summed over positions and sequences.

    A first token, which is given, does not say which of the sequences that begin with it is meant: who knows the
    library by heart still needs ``log2(1 + X)`` bits for all that follows, X others having the same first token. So of
    the ``(N - 1) log2 K`` bits of what follows, ``(N - 1) log2 K - E log2(1 + X)`` can be known. X is the number of the
    other ``K^(N-2) - 1`` ways to go on up to the last token but one that are in the library, each with the same chance;
    all beginnings of N - 1 tokens differ. Where T is far below K, X is 0 and everything can be known.

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


def knowable_by_position(N: int, K: int, T: int) -> Array:
    """Bits of one token that can be known, at each position from the second on.

    Who knows the library by heart still learns from a token which sequence is meant: of the ``log2 K`` bits of the one
    at position p, ``E log2(1 + X)`` for the X others that share the p - 1 tokens before it, less the same for those
    that share the first p. What is left can be known; over positions it sums up to `knowable_bits` of a sequence.

    Returns
    -------
    array of shape (N - 1,)

    Examples
    --------
    >>> knowable_by_position(N=4, K=8, T=64).round(2)
    array([0.68, 2.25, 3.  ])
    """
    shared = np.array([_log_sharing(1 + (N - 1) / p, float(K) ** p, T) for p in range(1, N - 1)] + [0.0])
    return np.asarray(np.log2(K) - shared + np.append(shared[1:], 0.0))


@lru_cache(maxsize=100_000)
def _of_one(N: float, K: float, T: float) -> float:
    return float(T * ((N - 1) * np.log2(K) - _log_sharing(N, K, T)))


def _log_sharing(N: float, K: float, T: float) -> float:
    """``E log2(1 + X)``, X other sequences that share their first token with one."""
    ways = round(float(np.exp(min((N - 2) * np.log(K), np.log(_MANY)))))
    few = ways < _MANY
    chance = min((T - 1) / max(K * ways - 1, 1), 1)
    mean = (ways - 1) * chance if few else (T - 1) / K
    reach = _WIDTHS * np.sqrt(mean) + _WIDTHS
    counts = np.arange(max(0, int(mean - reach)), int(mean + reach) + 1)
    weights = binom.pmf(counts, ways - 1, chance) if few else poisson.pmf(counts, mean)
    return float(weights @ np.log2(1.0 + counts))
