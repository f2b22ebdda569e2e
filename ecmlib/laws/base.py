"""What every capacity law offers: predict, say how sure it is, save."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.api.types import is_numeric_dtype
from pydantic import Field

from ecmlib.architecture import Architecture
from ecmlib.chance import at_least_one, count_deviation, tails
from ecmlib.files import read_json, write_atomically
from ecmlib.laws.evidence import Evidence
from ecmlib.laws.fitting import Array, FitLoss
from ecmlib.laws.inputs import OPTIONAL, checked_components, checked_sizes
from ecmlib.laws.points import COMPONENTS, CONDITIONS, SIZES, configurations, surviving
from ecmlib.protocol import Protocol
from ecmlib.validation import Parameters, shown

Kind = TypeVar("Kind", bound="Law")
Sizes = Mapping[str, NDArray[Any]]  # real columns of sizes, and of the components that a law knows, of equal lengths
Interval = tuple[Array, Array, Array]  # predictions, and the lower and upper ends of their intervals


class ExtrapolationWarning(UserWarning):
    """A law is asked of what lies outside the data that it was fitted to."""


class Law(Parameters):
    """Predicts how many sequences an architecture memorises.

    A frame has the columns d, H, N, L, K and T, a row an architecture and library size. Capacities are in sequences.
    """

    name: ClassVar[str]
    variables: ClassVar[Sequence[str]] = SIZES  # what a frame must have
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
    def refit(self, frame: pd.DataFrame, bootstraps: int = 0) -> Self:
        """Fit the same law to other data, by default without bootstrap."""

    @abstractmethod
    def _draws(self, sizes: Sizes) -> Array:
        """Predict with every bootstrapped set of parameters: shape (draws, rows)."""

    @overload
    def predict(
        self,
        d: ArrayLike,
        H: ArrayLike,
        N: ArrayLike,
        L: ArrayLike | None = None,
        K: ArrayLike | None = None,
        T: ArrayLike | None = None,
        *,
        level: None = None,
        **components: ArrayLike,
    ) -> Array: ...
    @overload
    def predict(
        self,
        d: ArrayLike,
        H: ArrayLike,
        N: ArrayLike,
        L: ArrayLike | None = None,
        K: ArrayLike | None = None,
        T: ArrayLike | None = None,
        *,
        level: float,
        **components: ArrayLike,
    ) -> Interval: ...
    def predict(
        self,
        d: ArrayLike,
        H: ArrayLike,
        N: ArrayLike,
        L: ArrayLike | None = None,
        K: ArrayLike | None = None,
        T: ArrayLike | None = None,
        *,
        level: float | None = None,
        **components: ArrayLike,
    ) -> Array | Interval:
        """Predict capacities, in sequences beyond guessing; numbers and arrays broadcast.

        Parameters
        ----------
        d, H, N : array_like
            Token vector size and heads, at least 1; tokens a sequence, at least 2.
        L, K, T : array_like, optional
            Layers, vocabulary and library size. Left out, a size is the one the law was fitted on, if there was only
            one; else L = 1, K = 128 and the largest T that it was fitted on (16000 for a law that was not).
        level : float, optional
            Between 0 and 1: also give the interval in which a training run ends with this probability, as far as
            the scatter of the fitted data tells. It needs a fitted law.
        components
            What else `predict_frame` has columns for, by name: head_dim, ff, ff_mult, embeddings, max_steps and
            token_bits.

        Returns
        -------
        array, or (prediction, low, high)
            Of the shape to which the sizes broadcast.

        Raises
        ------
        ValueError
            If a value is unknown, no number or out of range, or if the law does not know it; the message names it.

        Warns
        -----
        ExtrapolationWarning
            If a value lies outside what the law was fitted to; `predict_frame` is silent, and
            ``evidence.outside(frame)`` names such values row by row.

        Examples
        --------
        >>> from ecmlib import load_law
        >>> law = load_law()
        >>> float(law.predict(d=16, H=1, N=8, T=2048).round(-2))
        100.0
        >>> C, low, high = law.predict(d=[16, 32], H=1, N=8, T=2048, level=0.9)
        >>> bool((low < C).all() and (C < high).all())
        True
        >>> bool(law.predict(d=32, H=2, N=8, T=2048, head_dim=16) < law.predict(d=32, H=2, N=8, T=2048))
        True
        """
        for name in components:
            if name not in OPTIONAL:
                raise ValueError(f"{name}: unknown; besides sizes, a law may know {', '.join(OPTIONAL)}")
            if name not in (*COMPONENTS, *self.components):
                raise ValueError(f"{name}: this law does not know it")
        sizes = {"d": d, "H": H, "N": N, "L": L, "K": K, "T": T}
        asked = {name: self._usual(name) if value is None else value for name, value in sizes.items()} | components
        columns = np.broadcast_arrays(*asked.values())
        frame = pd.DataFrame(dict(zip(asked, (column.ravel() for column in columns), strict=True)))
        shape = columns[0].shape
        predicted = self.predict_frame(frame) if level is None else self.predict_frame(frame, level)
        if beyond := self.evidence.warning(frame):
            warnings.warn(beyond, ExtrapolationWarning, stacklevel=2)
        if isinstance(predicted, tuple):
            value, low, high = predicted
            return value.reshape(shape), low.reshape(shape), high.reshape(shape)
        return predicted.reshape(shape)

    @overload
    def predict_frame(self, frame: pd.DataFrame) -> Array: ...
    @overload
    def predict_frame(self, frame: pd.DataFrame, level: float) -> Interval: ...
    def predict_frame(self, frame: pd.DataFrame, level: float | None = None) -> Array | Interval:
        """Predict capacities, one a row.

        Parameters
        ----------
        frame : DataFrame
            The columns d, H and N, and L, K and T unless the law has no variable for them. Of ``head_dim``, ``ff``,
            ``ff_mult`` and ``embeddings``, what the law has no variable for must be as in the paper; ``max_steps`` and
            ``token_bits`` are for laws that know them. Other columns are passed over.
        level : float, optional
            As in `predict`; the frame then needs all six columns.

        Returns
        -------
        array, or (prediction, low, high)

        Raises
        ------
        ValueError
            If a column is missing, or if a size or the level is out of range; the message names it.
        """
        if level is None:
            return self._values(self._sizes(frame, self.variables))
        ends = tails(level)
        low, high = np.quantile(self.predictive_draws(frame), ends, axis=0)
        return self.predict_frame(frame), low, high

    def score(self, frame: pd.DataFrame) -> float:
        """Share of the variance of log capacity over configurations that the law explains (R^2), at most 1.

        Parameters
        ----------
        frame : DataFrame
            A row a restart, as `ecmlib.load_results` returns it, with the column of capacities that was fitted.
        """
        points = configurations(frame, self.evidence.target, self.same)
        measured = np.log(at_least_one(points[self.evidence.target].to_numpy(float)))
        off = np.log(at_least_one(self.predict_frame(points))) - measured
        return float(1 - np.sum(off**2) / np.sum((measured - measured.mean()) ** 2))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a law that `save` wrote.

        Raises
        ------
        ValueError
            If the file cannot be read or holds another law, or none; the message names it.
        """
        return read_law(path, {cls.name: cls})

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

    def predictive_draws(self, frame: pd.DataFrame, seed: int = 0) -> Array:
        """Draw capacities that one training run may have; their percentiles are the prediction interval.

        A draw is the prediction with one bootstrapped set of parameters, off by as many deviations as one of the
        restarts whose libraries were about as full. The deviation is that of counting and of the law (``nearness``):
        wide where capacities are a handful of sequences, narrow at the library's size. No draw is larger than T, as
        no capacity is; a draw of T is a library memorised whole.

        Parameters
        ----------
        frame : DataFrame
        seed : int
            Shifts which residual goes with which set of parameters; nothing else is random.

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
        pick = (np.arange(len(predicted)) + seed) % scatter.shape[1]
        return np.asarray(np.minimum(predicted * np.exp(scatter[:, pick].T), sizes["T"]))

    def save(self, path: str | Path) -> None:
        """Write the law with all that it rests on, every number in full."""
        write_atomically(Path(path), f'{{"law":"{self.name}",{self.model_dump_json()[1:]}\n')

    def _fullness(self, predicted: Array, sizes: Sizes) -> Array:
        """How full each library is predicted to be: 0 where it is not known at all."""
        return np.asarray(predicted / sizes["T"])

    def _deviation(self, predicted: Array, sizes: Sizes) -> Array:
        """Relative error to be expected of predictions: that of the law, and that of a count."""
        return np.hypot(self.nearness, count_deviation(predicted, sizes["T"], sizes["K"]) / predicted)

    @classmethod
    def _sizes(cls, frame: pd.DataFrame, names: Sequence[str]) -> Sizes:
        return checked_sizes(frame, names) | checked_components(frame, cls.components)

    def _usual(self, size: str) -> float:
        low, high = self.evidence.region.get(size, (math.nan, math.nan))
        if low == high or (size == "T" and self.is_fitted):
            return high
        return Protocol().T if size == "T" else float(Architecture.model_fields[size].default)

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
        sizes = self._sizes(alive, SIZES)
        predicted = at_least_one(self._values(sizes))
        off = np.log(at_least_one(alive[target].to_numpy(float)) / predicted) / self._deviation(predicted, sizes)
        fullness = np.round(self._fullness(predicted, sizes), 6)
        evidence = Evidence(
            target=target,
            loss=loss,
            region={name: [float(points[name].min()), float(points[name].max())] for name in ranges},
            shared={name: alive[name].tolist()[0] for name in alike if alive[name].nunique() == 1},
            configurations=len(points),
            complete=int(points["complete"].sum()),
            **more,
        )
        law = self.model_copy(update={"evidence": evidence})
        widened = off * np.sqrt(len(points) / max(len(points) - law.n_parameters, 1))
        calibration = sorted(np.column_stack([fullness, widened]).tolist())
        return self.model_copy(update={"evidence": evidence.model_copy(update={"calibration": calibration})})


def read_law(path: str | Path, kinds: Mapping[str, type[Kind]]) -> Kind:
    """Read a law of one of these kinds, which are given by name.

    Raises
    ------
    ValueError
        If the file cannot be read or holds another law, or none; the message names it.
    """
    fields = read_json(path)
    if not isinstance(fields, dict) or "law" not in fields:
        raise ValueError(f"{path}: holds no law")
    name = fields.pop("law")
    if not isinstance(name, str) or name not in kinds:
        raise ValueError(f"{path}: holds the law {shown(name)}; it should be {' or '.join(map(repr, kinds))}")
    try:
        return kinds[name](**fields)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
