"""How many bits a sequence needs under an n-gram model that never saw it: the cheap reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecmlib.library import Tokens
from ecmlib.validation import Positive, checked

Array = NDArray[np.float64]
_ASKED = 10  # one of so many of the sequences seen is not counted, but asked how much counts are to be trusted
_STRENGTHS = (1.0, 0.25, 0.5, 2.0, 4.0, 8.0, 16.0, 1e6)  # the first is Witten and Bell's, the last ignores the counts


class Counted(NamedTuple):
    """How often tokens and their contexts have been counted; arrays of one shape."""

    gram: Array  #: the context with the token after it
    context: Array  #: the context with any token after it
    different: Array  #: different tokens after the context


def ngram_bits(seen: Tokens, coded: Tokens, K: int, order: int = 5) -> Array:
    """Code sequences with an interpolated n-gram model (Witten and Bell 1991) counted from others.

    Token w follows the context h ``c(h w)`` times, ``c(h)`` tokens do in all, and ``t(h)`` different ones. Then
    ``p(w | h) = (c(h w) + s t(h) p(w | h')) / (c(h) + s t(h))``, where h' is h without its first token, and
    ``p = 1 / K`` where h has none to lose. Witten and Bell have s = 1; here, each length of context has the s that
    codes a tenth of the seen sequences best, which is not counted. As for a transformer, no context reaches beyond the
    beginning of a sequence.

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
    checked(Positive, order=order)
    counted, asked = np.split(seen, [len(seen) - len(seen) // _ASKED])
    of_asked, of_coded = (np.full((len(rows), rows.shape[1] - 1), 1 / K) for rows in (asked, coded))
    for length in range(min(order, coded.shape[1], int(63 / np.log2(K)))):
        first = max(length, 1)  # position of the first token that is predicted and has so long a context
        look_up = _counts(_grams(counted, length, K)[:, first:], K)
        in_asked, in_coded = (look_up(_grams(rows, length, K)[:, first:]) for rows in (asked, coded))
        shorter = of_asked[:, first - 1 :]
        bits = [-np.log2(interpolated(in_asked, shorter, strength)).sum() for strength in _STRENGTHS]
        strength = _STRENGTHS[int(np.argmin(np.round(bits, 6)))]  # what rounding alone decides is the first
        for known, counts in ((of_asked, in_asked), (of_coded, in_coded)):
            known[:, first - 1 :] = interpolated(counts, known[:, first - 1 :], strength)
    return np.asarray(-np.log2(of_coded))


def interpolated(counts: Counted, shorter: Array, strength: float) -> Array:
    """Return p(w | h) from the counts of h and p(w | h'); see `ngram_bits`."""
    trust = strength * counts.different
    mixed = (counts.gram + trust * shorter) / np.maximum(counts.context + trust, 1e-300)
    return np.where(counts.context > 0, mixed, shorter)


def _grams(sequences: Tokens, length: int, K: int) -> Tokens:
    """Number each token together with the ``length`` tokens before it; the first columns have fewer."""
    grams = sequences.copy()
    for back in range(1, length + 1):
        grams[:, back:] += sequences[:, :-back] * K**back
    return grams


def _counts(grams: Tokens, K: int) -> Callable[[Tokens], Counted]:
    known, of_gram = np.unique(grams, return_counts=True)
    contexts, begin, different = np.unique(known // K, return_index=True, return_counts=True)
    of_context = np.add.reduceat(of_gram, begin)

    def look_up(wanted: Tokens) -> Counted:
        return Counted(
            _where(known, of_gram, wanted),
            _where(contexts, of_context, wanted // K),
            _where(contexts, different, wanted // K),
        )

    return look_up


def _where(known: Tokens, counts: Tokens, wanted: Tokens) -> Array:
    """Return the counts of what is wanted, 0 where it is not among the sorted known."""
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, counts[at], 0.0)
