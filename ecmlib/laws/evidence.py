"""What a fitted law rests on: its data, its doubts, and the scatter from which its intervals are drawn."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from pydantic import Field

from ecmlib.laws.fitting import Array, FitLoss
from ecmlib.validation import Parameters

RANDOM_TOKENS = "log2 K"  # bits that a token takes where all are alike, as in every library that our law is fitted to
_EXPONENT = 0.8  # of n residuals n^0.8 are neighbours: so many balance noise against smoothing
_NARROWEST = 7  # runs, to either side of a prediction, that stand for its scatter at least


class Evidence(Parameters):
    """What a fitted law rests on; one that was not fitted rests on no configurations.

    Parameters
    ----------
    target : str
        Column that was fitted.
    loss : str
        What was minimised.
    region : dict
        Smallest and largest value among the data of d, H, N, L, K, T and whatever other number the law knows.
    shared : dict
        The one value that all data have of what is no number or the law has no variable for, such as ``loss``.
    configurations : int
        Number of points (`ecmlib.laws.points.configurations`).
    complete : int
        Configurations that memorised the whole library: their capacity is at least T.
    share_of_starts : float
        Share of starts that reached the optimum; 1 for a linear fit.
    doubts : list of str
        In words: parameters on a bound or not determined by the data.
    held : list of str
        Parameters that stayed where they were, since the data say nothing of them.
    draws : list of lists
        Parameters refitted to configurations drawn with replacement, a list a draw.
    calibration : list of pairs
        For every restart, sorted: how full the law says that the library is, and the logarithm of measured over
        predicted capacity, in the deviations to be expected there.
    """

    target: str = "C_plateau"
    loss: FitLoss = "log"
    region: dict[str, list[float]] = Field(default_factory=dict)
    shared: dict[str, str | int | float] = Field(default_factory=dict)
    configurations: int = 0
    complete: int = 0
    share_of_starts: float = 1.0
    doubts: list[str] = Field(default_factory=list)
    held: list[str] = Field(default_factory=list)
    draws: list[list[float]] = Field(default_factory=list)
    calibration: list[list[float]] = Field(default_factory=list)

    def outside(self, frame: pd.DataFrame) -> pd.Series[str]:
        """Name what of each row lies outside the data, such as "d, loss"; "" where nothing does."""
        beyond = self._beyond(frame)
        names = [", ".join(beyond.columns[row]) for row in beyond.to_numpy()]
        return pd.Series(names, frame.index, dtype=str)

    def warning(self, frame: pd.DataFrame) -> str:
        """Say in words what of a frame lies outside the data, and where these lie; "" if nothing does."""
        beyond = self._beyond(frame)
        within = {name: f"{name} = {low:g} to {high:g}" for name, (low, high) in self.region.items()}
        within |= {name: f"{name} = {value}" for name, value in self.shared.items()}
        said = "; ".join(within[name] for name in beyond.columns[beyond.any()])
        return said and f"an extrapolation: this law was fitted to {said}"

    def _beyond(self, frame: pd.DataFrame) -> pd.DataFrame:
        beyond = {name: ~frame[name].between(low, high) for name, (low, high) in self.region.items() if name in frame}
        beyond |= {name: frame[name] != value for name, value in self.shared.items() if name in frame}
        if "token_bits" in beyond:  # what is shared is `RANDOM_TOKENS`, of each row's own K
            beyond["token_bits"] = frame["token_bits"] < np.log2(frame["K"]) - 1e-9
        return pd.DataFrame(beyond, frame.index, dtype=bool)

    @property
    def neighbours(self) -> int:
        """Number of residuals, of restarts in libraries about as full, that stand for the scatter of a prediction."""
        return round(math.pow(len(self.calibration), _EXPONENT))

    @property
    def surest(self) -> float:
        """Largest probability that these residuals can promise: a fresh one is below all n of them once in n + 1."""
        return self.neighbours / (self.neighbours + 1)

    def scatter_around(self, fullness: Array) -> Array:
        """Residuals of the restarts in libraries about as full, shape (rows, `neighbours` + 1).

        Of n sorted residuals the mean of each neighbouring pair and both ends: a fresh residual falls below each of
        these n + 1 values as often as its rank says, while quantiles of the n themselves are too narrow.

        Of a library that asks for far less than the model holds, those that ask for nearly as much say nothing: towards
        the full end the window reaches no further down than there are fuller libraries, but seven runs, and is
        reflected, not shifted, at the end.
        """
        centre, residual = np.array(self.calibration).T
        window, widest = self.neighbours, max(self.neighbours // 2, 1)
        # Rounding makes ties of what differs in the last digits only, such as predictions at saturation.
        position = np.searchsorted(centre, np.round(fullness, 6))
        reach = np.clip(len(centre) - position, min(_NARROWEST, widest), widest)
        place = np.maximum(position - reach, 0)[:, None] + np.arange(window) * reach[:, None] // widest
        nearest = np.sort(residual[np.where(place < len(centre), place, 2 * len(centre) - 1 - place)], axis=1)
        return np.asarray((nearest[:, [0, *range(window)]] + nearest[:, [*range(window), -1]]) / 2)
