"""What chance does: guesses among the counted sequences."""

from __future__ import annotations

from typing import Any

from scipy import stats


def guess_distribution(T: int, K: int) -> Any:
    """Distribution of the last tokens that an untrained network guesses, of T: Binomial(T, 1/K) (paper, eq. 7)."""
    return stats.binom(T, 1 / K)


def expected_guesses(T: int, K: int) -> float:
    """Last tokens that an untrained network is expected to guess: T / K (paper, eq. 8)."""
    return T / K


def guess_corrected(count: float, T: int, K: int) -> float:
    """Remove the guesses from a raw count: of the sequences that were not memorised, one in K is right by chance.

    A count c of T contains ``C + (T - C) / K`` sequences when C are memorised; this returns that C, which is T for
    a full count and scatters around 0 for an untrained network.
    """
    return (count - expected_guesses(T, K)) / (1 - 1 / K)
