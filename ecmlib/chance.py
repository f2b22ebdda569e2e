"""What chance does: guesses among the counted sequences, capacities that say little of a model, ends of intervals."""

from __future__ import annotations

import math
from typing import Any, TypeVar, cast

import numpy as np
from scipy import stats

from ecmlib.validation import Level, checked

FULL = 0.9  # share of the library from which its size, not the model, sets the count
Capacities = TypeVar("Capacities")  # a number, an array or a Series


def guess_distribution(T: Any, K: Any) -> Any:
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


def at_least_one(capacities: Capacities) -> Capacities:
    """Count a capacity of less than one sequence as one, so that ratios and logarithms of capacities exist."""
    return cast(Capacities, np.maximum(capacities, 1.0))  # type: ignore[call-overload]


def tails(level: float) -> tuple[float, float]:
    """Return the probabilities below both ends of a central interval.

    Raises
    ------
    ValueError
        If the level is not between 0 and 1.
    """
    checked(Level, level=level)
    return (1 - level) / 2, (1 + level) / 2


def guess_deviation(count: float, T: int, K: int) -> float:
    """Standard deviation of `guess_corrected` that is due to guessing: each of T - C sequences is right with 1/K."""
    guessing = min(max(T - guess_corrected(count, T, K), 0.0), T)
    return math.sqrt(guessing * (1 / K) * (1 - 1 / K)) / (1 - 1 / K)


def with_guesses(capacities: Capacities, T: Any, K: Any) -> Capacities:
    """Return the raw counts of capacities: undo `guess_corrected`."""
    return cast(Capacities, capacities * (1 - 1 / K) + T / K)


def count_deviation(capacities: Capacities, T: Any, K: Any) -> Capacities:
    """Standard deviation of a capacity as a count of T sequences, each of which is right or wrong by itself."""
    raw = with_guesses(capacities, T, K)
    return cast(Capacities, np.sqrt(np.clip(raw * (1 - raw / T), 0, None)) / (1 - 1 / K))


def is_guessing(counts: Any, T: Any, K: Any) -> Any:
    """Whether raw counts cannot be told from an untrained network's: one-sided, at 95 %."""
    return counts <= guess_distribution(T, K).ppf(0.95)
