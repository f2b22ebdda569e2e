"""How many bits a sequence needs under an n-gram model that never saw it: the cheap reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecmlib.library import Tokens

Array = NDArray[np.float64]


def ngram_bits(seen: Tokens, coded: Tokens, K: int, order: int = 5) -> Array:
    """Code sequences with an interpolated n-gram model (Witten and Bell 1991) counted from others.

    Token w follows the context h ``c(h w)`` times, ``c(h)`` tokens do in all, and ``t(h)`` different ones. Then
    ``p(w | h) = (c(h w) + t(h) p(w | h')) / (c(h) + t(h))``, where h' is h without its first token, and ``p = 1 / K``
    where h has none to lose. As for a transformer, no context reaches beyond the beginning of a sequence.

    Parameters
    ----------
    seen : array of shape (n, N)
        Sequences to count, tokens in 0..K-1.
    coded : array of shape (m, N)
        Sequences to code.
    K : int
        Vocabulary size.
    order : int
        Tokens in the longest n-gram, at least 1; less where ``K**order`` does not fit into 63 bits.

    Returns
    -------
    array of shape (m, N - 1)
        Bits of the tokens 2..N.

    Raises
    ------
    ValueError
        If ``order`` is less than 1.
    """
    if order < 1:
        raise ValueError(f"order = {order}: input should be greater than or equal to 1")
    probability = np.full((len(coded), coded.shape[1] - 1), 1 / K)
    for length in range(min(order, coded.shape[1], int(63 / np.log2(K)))):
        first = max(length, 1)  # position of the first token that is predicted and has so long a context
        grams, of_gram = np.unique(_grams(seen, length, K)[:, first:], return_counts=True)
        contexts, begin, different = np.unique(grams // K, return_index=True, return_counts=True)
        of_context = np.add.reduceat(of_gram, begin)
        wanted = _grams(coded, length, K)[:, first:]
        c, t = (_looked_up(wanted // K, contexts, counts) for counts in (of_context, different))
        shorter = probability[:, first - 1 :]
        interpolated = (_looked_up(wanted, grams, of_gram) + t * shorter) / np.maximum(c + t, 1)
        probability[:, first - 1 :] = np.where(c > 0, interpolated, shorter)
    return np.asarray(-np.log2(probability))


def _grams(sequences: Tokens, length: int, K: int) -> Tokens:
    """Number each token together with the ``length`` tokens before it; the first columns have fewer."""
    grams = sequences.copy()
    for back in range(1, length + 1):
        grams[:, back:] += sequences[:, :-back] * K**back
    return grams


def _looked_up(wanted: Tokens, known: Tokens, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the counts of what is wanted, 0 where it is not among the sorted known."""
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, counts[at], 0)
