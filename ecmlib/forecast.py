"""What a run in flight will hold later: its curve so far, continued, with an interval that other curves have taught."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from ecmlib.chance import at_least_one
from ecmlib.curve import last_tenth
from ecmlib.files import read_json, shipped_file
from ecmlib.validation import Parameters

FEWEST = 15.0  # sequences: what is less tells guesses, not growth
_FEWEST_POINTS = 3  # of a curve's second half, for its slope
_STEEPEST = 3.0  # power of the steps with which a count can grow


class Forecast(NamedTuple):
    """Sequences memorised at a later step, less guesses."""

    value: float  #: as likely too much as too little
    low: float  #: lower end of the interval
    high: float  #: its upper end

    @property
    def within(self) -> float:
        """Half the interval's width, as a share of the value."""
        return (self.high - self.low) / 2 / self.value


class Forecaster(Parameters):
    """Three quantiles of the logarithm of later growth, each linear in what the curve so far says (`evidence`).

    Parameters
    ----------
    level : float
        Of the interval.
    low, middle, high : list of float
        Coefficients of the quantiles, one for each number of `evidence`.
    """

    level: float
    low: list[float]
    middle: list[float]
    high: list[float]

    def forecast(self, steps: Sequence[int], capacities: Sequence[float], T: int, at: float) -> Forecast | None:
        """Continue a curve of a constant learning rate: no other has taught or tested it.

        Parameters
        ----------
        steps, capacities : sequences
            The curve so far: steps, rising, and sequences memorised less guesses.
        T : int
            Library size: no forecast is more.
        at : float
            Step asked for, at least the last of ``steps``.

        Returns
        -------
        Forecast or None
            None while the curve is too short, or its count too small, to say anything.

        Examples
        --------
        >>> from ecmlib.forecast import shipped_forecaster
        >>> forecast = shipped_forecaster().forecast([100, 200, 300, 400], [60, 90, 115, 130], T=2048, at=800)
        >>> 130 < forecast.low < forecast.value < forecast.high < 260
        True
        """
        known = evidence(steps, capacities, T, at)
        if known is None:
            return None
        base, numbers = known
        growth = sorted(float(np.dot(numbers, quantile)) for quantile in (self.low, self.middle, self.high))
        low, value, high = (min(T, base * float(np.exp(of))) for of in growth)
        return Forecast(value, low, high)


def evidence(steps: Sequence[int], capacities: Sequence[float], T: int, at: float) -> tuple[float, list[float]] | None:
    """Say where a curve is and what in it tells how it goes on up to step ``at``; None if that is too little.

    With h the logarithm of how many times as far ``at`` is, g the power of the steps with which the count has grown
    since half of them, u the share of T: growth is h g, less as it goes on (h² g), as it is steep and as the library
    fills; counts are uncertain by the square root of what they are.
    """
    S, C = np.asarray(steps, float), np.asarray(capacities, float)
    if len(S) < _FEWEST_POINTS or at < S[-1]:
        return None
    base = last_tenth(steps, capacities)
    late = (S[-1] / 2 <= S) & (S > 0)
    if base < FEWEST or late.sum() < _FEWEST_POINTS:
        return None
    slope = np.polyfit(np.log(S[late]), np.log(at_least_one(C[late])), 1)[0]
    g, h, u = float(np.clip(slope, 0.0, _STEEPEST)), float(np.log(at / S[-1])), base / T
    return base, [h * g, h * h * g, h * g * g, h * h * g * g, h * g * u, h * u, h, base**-0.5]


@cache
def shipped_forecaster() -> Forecaster:
    """Return the forecaster that ships with the package, taught by our curves of constant rates."""
    return Forecaster(**read_json(shipped_file("forecast.json", "law")))
