"""How sure a fitted law is: what it rests on, and where single runs may end beside its predictions."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype
from pydantic import Field

from ecmlib.chance import at_least_one, count_deviation, tails
from ecmlib.laws.evidence import RANDOM_TOKENS, Evidence
from ecmlib.laws.fitting import Array, FitLoss
from ecmlib.laws.inputs import checked_components, checked_sizes
from ecmlib.laws.points import CONDITIONS, SIZES, n_known, surviving
from ecmlib.validation import Parameters

Sizes = Mapping[str, NDArray[Any]]  # real columns of sizes, and of the components that a law knows, of equal lengths
Interval = tuple[Array, Array, Array]  # predictions, and the lower and upper ends of their intervals


class Fitted(Parameters):
    """What predicts capacities from columns, with the evidence of its fit."""

    components: ClassVar[Collection[str]] = ()  # what it has a variable for besides (`checked_components`)
    same: ClassVar[Sequence[str]] = CONDITIONS  # columns that must not be mixed in a frame
    nearness: ClassVar[float] = 0.5  # relative error to be expected of it: about what the paper publishes of its law
    evidence: Annotated[Evidence, Field(repr=False)] = Evidence()

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Fitted numbers."""

    @abstractmethod
    def _values(self, sizes: Sizes) -> Array:
        """Predict capacities from columns."""

    @abstractmethod
    def _draws(self, sizes: Sizes) -> Array:
        """Predict with every bootstrapped set of parameters: shape (draws, rows)."""

    @property
    def is_fitted(self) -> bool:
        """Whether the law was fitted here, and not published with its parameters alone."""
        return self.evidence.configurations > 0

    @property
    def region(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest value of each size, and of other numbers that the law knows, among the fitted data.

        Raises
        ------
        ValueError
            If the law was not fitted, as a published one.
        """
        self._refuse_unfitted()
        return {size: (low, high) for size, (low, high) in self.evidence.region.items()}

    def predictive_draws(self, frame: pd.DataFrame) -> Array:
        """Draw capacities that one training run may have; their percentiles are the prediction interval.

        A draw is the prediction with one bootstrapped set of parameters, off by as many deviations as one of the
        restarts whose libraries were about as full. The deviation is that of counting and of the law (``nearness``):
        wide where capacities are a handful of sequences, narrow at the library's size. No draw is larger than T, as
        no capacity is; a draw of T is a library memorised whole. Nothing is random.

        Parameters
        ----------
        frame : DataFrame
            As for `predict_frame`, but with all six sizes.

        Returns
        -------
        array of shape (draws, rows)
        """
        self._refuse_unfitted()
        sizes = self._sizes(frame, SIZES)
        predicted = at_least_one(self._draws(sizes))
        if not len(predicted):
            raise ValueError("bootstraps = 0: this law was fitted without them and has no intervals")
        centre = at_least_one(self._values(sizes))
        scatter = self._deviation(centre, sizes)[:, None] * self.evidence.scatter_around(self._fullness(centre, sizes))
        residuals = scatter.shape[1]
        draw = np.arange(math.ceil(len(predicted) / residuals) * residuals)  # each residual as often as any other
        off = scatter[:, draw % residuals].T
        return np.asarray(np.minimum(predicted[draw % len(predicted)] * np.exp(off), sizes["T"]))

    def predict_interval(self, frame: pd.DataFrame, level: float) -> Interval:
        """Predict capacities with the intervals in which single training runs end (`predictive_draws`).

        Parameters
        ----------
        frame : DataFrame
            As for `predict_frame`, but with all six sizes.
        level : float
            Between 0 and 1.

        Raises
        ------
        ValueError
            As `predict_frame`, or if the level is out of range or the law was not fitted with bootstraps.
        """
        low, high = np.quantile(self.predictive_draws(frame), tails(level), axis=0)
        return self._values(self._sizes(frame, SIZES)), low, high

    def _fullness(self, predicted: Array, sizes: Sizes) -> Array:
        """How full each library is predicted to be: 0 where it is not known at all."""
        return np.asarray(predicted / sizes["T"])

    def _deviation(self, predicted: Array, sizes: Sizes) -> Array:
        """Relative error to be expected of predictions: that of the law, and that of a count."""
        return np.hypot(self.nearness, count_deviation(predicted, sizes["T"], sizes["K"]) / predicted)

    @classmethod
    def _sizes(cls, frame: pd.DataFrame, names: Sequence[str]) -> Sizes:
        return checked_sizes(frame, names) | checked_components(frame, cls.components)

    def _refuse_unfitted(self) -> None:
        if not self.is_fitted:
            raise ValueError(f"{type(self).__name__} was not fitted here: it has neither region nor intervals")

    def _with_evidence(
        self, frame: pd.DataFrame, points: pd.DataFrame, target: str, loss: FitLoss, **more: Any
    ) -> Self:
        """Add what the law rests on; residuals are widened for the degrees of freedom that the fit has used."""
        alive = surviving(frame)
        ranges = [*SIZES, *(name for name in self.components if name in points and is_numeric_dtype(points[name]))]
        alike = [name for name in (*self.same, *self.components) if name in alive and name not in ranges]
        shared = {name: alive[name].tolist()[0] for name in alike if alive[name].nunique() == 1}
        if "token_bits" in self.components:
            shared["token_bits"] = RANDOM_TOKENS
        sizes = self._sizes(alive, SIZES)
        predicted = at_least_one(self._values(sizes))
        off = np.log(at_least_one(alive[target].to_numpy(float)) / predicted) / self._deviation(predicted, sizes)
        fullness = np.round(self._fullness(predicted, sizes), 6)
        evidence = Evidence(
            target=target,
            loss=loss,
            region={name: [float(points[name].min()), float(points[name].max())] for name in ranges},
            shared=shared,
            configurations=len(points),
            complete=int(points["complete"].sum()),
            **more,
        )
        law = self.model_copy(update={"evidence": evidence})
        widened = off * np.sqrt((known := n_known(points)) / max(known - law.n_parameters, 1))
        calibration = sorted(np.column_stack([fullness, widened]).tolist())
        return self.model_copy(update={"evidence": evidence.model_copy(update={"calibration": calibration})})
