"""What every capacity law offers: predict, say how sure it is, save."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ecmlib.architecture import Architecture
from ecmlib.files import write_atomically
from ecmlib.laws.fitted import Fitted, Interval
from ecmlib.laws.fitting import Array
from ecmlib.laws.inputs import OPTIONAL
from ecmlib.laws.law_file import read_law
from ecmlib.laws.points import COMPONENTS, SIZES
from ecmlib.protocol import Protocol


class ExtrapolationWarning(UserWarning):
    """A law is asked of what lies outside the data that it was fitted to."""


class Law(Fitted):
    """Predicts how many sequences an architecture memorises.

    A frame has the columns d, H, N, L, K and T, a row an architecture and library size. Capacities are in sequences.
    """

    name: ClassVar[str]
    variables: ClassVar[Sequence[str]] = SIZES  # what a frame must have

    @abstractmethod
    def refit(self, frame: pd.DataFrame, bootstraps: int = 0) -> Self:
        """Fit the same law to other data, by default without bootstrap."""

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
        usual = {
            name: self._usual(name) if value is None else value for name, value in {"L": L, "K": K, "T": T}.items()
        }
        asked: dict[str, ArrayLike] = {"d": d, "H": H, "N": N} | usual | components
        try:
            columns = np.broadcast_arrays(*asked.values())
        except ValueError:
            shapes = ", ".join(f"{name} of shape {np.shape(value)}" for name, value in asked.items() if np.ndim(value))
            raise ValueError(f"{shapes}: input should be numbers, or arrays that broadcast") from None
        frame = pd.DataFrame(dict(zip(asked, (column.ravel() for column in columns), strict=True)))
        shape = columns[0].shape
        predicted = (self.predict_frame(frame),) if level is None else self.predict_interval(frame, level)
        if beyond := self.evidence.warning(frame):
            warnings.warn(beyond, ExtrapolationWarning, stacklevel=2)
        value, *ends = (each.reshape(shape) for each in predicted)
        return (value, ends[0], ends[1]) if ends else value

    def predict_frame(self, frame: pd.DataFrame) -> Array:
        """Predict capacities, one a row.

        Parameters
        ----------
        frame : DataFrame
            The columns d, H and N, and L, K and T unless the law has no variable for them. Of ``head_dim``, ``ff``,
            ``ff_mult`` and ``embeddings``, what the law has no variable for must be as in the paper; ``max_steps`` and
            ``token_bits`` are for laws that know them. Other columns are passed over.

        Raises
        ------
        ValueError
            If a column is missing, or if a size is out of range; the message names it.
        """
        return self._values(self._sizes(frame, self.variables))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a law that `save` wrote.

        Raises
        ------
        ValueError
            If the file cannot be read or holds another law, or none; the message names it.
        """
        return read_law(path, {cls.name: cls})

    def save(self, path: str | Path) -> None:
        """Write the law with all that it rests on, every number in full."""
        write_atomically(Path(path), f'{{"law":"{self.name}",{self.model_dump_json()[1:]}\n')

    def _usual(self, size: str) -> float:
        low, high = self.evidence.region.get(size, (math.nan, math.nan))
        if low == high or (size == "T" and self.is_fitted):
            return high
        return Protocol().T if size == "T" else float(Architecture.model_fields[size].default)
