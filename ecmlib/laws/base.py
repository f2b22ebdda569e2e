"""What every capacity law offers: predict, say how sure it is, save."""

from __future__ import annotations

import json
from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import Field

from ecmlib.chance import at_least_one
from ecmlib.laws.fitting import Array, FitLoss
from ecmlib.laws.points import SIZES, surviving
from ecmlib.record import write_atomically
from ecmlib.validation import Parameters

_NEIGHBOURS = 30  # residuals that stand for the scatter around one prediction


class Evidence(Parameters):
    """What a fitted law rests on.

    Parameters
    ----------
    target : str
        Column that was fitted.
    loss : str
        What was minimised.
    region : dict
        Smallest and largest d, H, N, L, K and T among the data.
    configurations : int
        Number of points; the capacity of a configuration is its best restart.
    complete : int
        Configurations that memorised the whole library: their capacity is at least T.
    share_of_starts : float
        Share of starts that reached the optimum; 1 for a linear fit.
    doubts : list of str
        In words: parameters on a bound or not determined by the data.
    draws : list of lists
        Parameters refitted to configurations drawn with replacement, a list a draw.
    calibration : list of pairs
        For every restart, sorted: predicted capacity, and logarithm of measured over predicted.
    """

    target: str
    loss: FitLoss
    region: dict[str, list[float]]
    configurations: int
    complete: int
    share_of_starts: float = 1.0
    doubts: list[str] = Field(default_factory=list)
    draws: list[list[float]] = Field(default_factory=list)
    calibration: list[list[float]] = Field(default_factory=list)


class Law(Parameters):
    """Predicts how many sequences an architecture memorises.

    A frame has the columns d, H, N, L, K and T, a row an architecture and library size. Capacities are in sequences.
    """

    name: ClassVar[str]
    evidence: Annotated[Evidence | None, Field(repr=False)] = None

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Fitted numbers."""

    @abstractmethod
    def predict_frame(self, frame: pd.DataFrame) -> Array:
        """Predict capacities, one a row."""

    @abstractmethod
    def refit(self, frame: pd.DataFrame, bootstraps: int = 0) -> Self:
        """Fit the same law to other data, by default without bootstrap."""

    @abstractmethod
    def _predict_draws(self, frame: pd.DataFrame) -> Array:
        """Predict with every bootstrapped set of parameters: shape (draws, rows)."""

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a law that `save` wrote.

        Raises
        ------
        ValueError
            If the file holds another law.
        """
        fields = json.loads(Path(path).read_text(encoding="utf-8"))
        name = fields.pop("law", None)
        if name != cls.name:
            raise ValueError(f"{path}: holds the law {name!r}, not {cls.name!r}")
        return cls(**fields)

    @property
    def fitted(self) -> Evidence:
        """What the law was fitted on.

        Raises
        ------
        ValueError
            If it was not fitted, as a published one.
        """
        if self.evidence is None:
            raise ValueError(f"{type(self).__name__} was not fitted here: it has neither region nor intervals")
        return self.evidence

    @property
    def region(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest value of each size among the fitted data."""
        return {size: (low, high) for size, (low, high) in self.fitted.region.items()}

    def predictive_draws(self, frame: pd.DataFrame, seed: int = 0) -> Array:
        """Draw capacities that one training run may have; their percentiles are the prediction interval.

        A draw is the prediction with one bootstrapped set of parameters, times the ratio of measured to predicted
        capacity of one restart among those whose predictions lie nearest: scatter is wide where capacities are a
        handful of sequences and narrow at the library's size. No draw is larger than T, as no capacity is.

        Parameters
        ----------
        frame : DataFrame
        seed : int
            Shifts which residual goes with which set of parameters; nothing else is random.

        Returns
        -------
        array of shape (draws, rows)
        """
        predicted = at_least_one(self._predict_draws(frame))
        if not len(predicted):
            raise ValueError("bootstraps = 0: this law was fitted without them and has no intervals")
        scatter = self._scatter_around(self.predict_frame(frame))
        pick = (np.arange(len(predicted)) + seed) % scatter.shape[1]
        return np.asarray(np.minimum(predicted * np.exp(scatter[:, pick].T), frame["T"].to_numpy(float)))

    def _scatter_around(self, predicted: Array) -> Array:
        """Residuals near each prediction, shape (rows, 31).

        Of n sorted residuals the mean of each neighbouring pair and both ends: a fresh residual falls below each of
        these n + 1 values as often as its rank says, while quantiles of the n themselves are too narrow.
        """
        centre, residual = np.array(self.fitted.calibration).T
        window = min(_NEIGHBOURS, len(centre))
        # Rounding makes ties of what differs in the last digits only, such as predictions at saturation.
        position = np.searchsorted(centre, np.round(predicted, 6))
        first = np.clip(position - window // 2, 0, len(centre) - window)
        nearest = np.sort(residual[first[:, None] + np.arange(window)], axis=1)
        return np.asarray((nearest[:, [0, *range(window)]] + nearest[:, [*range(window), -1]]) / 2)

    def save(self, path: str | Path) -> None:
        """Write the law with all that it rests on, every number in full."""
        write_atomically(Path(path), f'{{"law":"{self.name}",{self.model_dump_json()[1:]}\n')

    def _with_evidence(
        self, frame: pd.DataFrame, points: pd.DataFrame, target: str, loss: FitLoss, **more: Any
    ) -> Self:
        """Add what the law rests on; residuals are widened for the degrees of freedom that the fit has used."""
        alive = surviving(frame)
        predicted = at_least_one(self.predict_frame(alive))
        free = max(len(points) - self.n_parameters, 1)
        residual = np.log(at_least_one(alive[target].to_numpy(float)) / predicted) * np.sqrt(len(points) / free)
        evidence = Evidence(
            target=target,
            loss=loss,
            region={size: [float(points[size].min()), float(points[size].max())] for size in SIZES},
            configurations=len(points),
            complete=int(points["complete"].sum()),
            calibration=sorted(np.column_stack([np.round(predicted, 6), residual]).tolist()),
            **more,
        )
        return self.model_copy(update={"evidence": evidence})
