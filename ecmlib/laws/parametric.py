"""Laws that are a formula with a handful of parameters: fitted by least squares, doubted by bootstrap."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecmlib.chance import tails
from ecmlib.laws.base import Law
from ecmlib.laws.fitted import Sizes
from ecmlib.laws.fitting import Array, FitLoss, FitOptions, FitWarning, bootstrap, doubts, minimise
from ecmlib.laws.points import SIZES, fittable, n_known, scored, weights

Numbers = NDArray[Any]  # real, or complex while derivatives are taken


class ParametricLaw(Law):
    """A formula whose parameters are the fields of its class."""

    bounds: ClassVar[dict[str, tuple[float, float]]]  # of every parameter, in the order of the fields

    @staticmethod
    @abstractmethod
    def formula(parameters: Numbers, sizes: Sizes) -> Numbers:
        """Predict capacities (..., rows) from parameters (..., p) and sizes, columns of length rows."""

    @classmethod
    @abstractmethod
    def starts(cls, points: pd.DataFrame, measured: Array, n: int, seed: int) -> Array:
        """Propose parameters (n, p) to start from."""

    @classmethod
    def held(cls, points: pd.DataFrame) -> dict[str, float]:
        """Name the parameters that these configurations cannot tell, with the values at which they stay."""
        return {}

    @classmethod
    def n_free(cls, points: pd.DataFrame) -> int:
        """Count the parameters that these configurations can tell: a fit needs more configurations than that."""
        return len(cls.bounds) - len(cls.held(points))

    @property
    def n_parameters(self) -> int:
        """Fitted numbers: those that the data did not leave where they were."""
        return len(self.bounds) - len(self.evidence.held)

    @property
    def parameters(self) -> Array:
        """The parameters, in the order of ``bounds``."""
        return np.array([getattr(self, name) for name in self.bounds])

    @classmethod
    def from_parameters(cls, values: Iterable[float]) -> Self:
        """Make the law of the given parameters, in the order of ``bounds``."""
        named: dict[str, Any] = dict(zip(cls.bounds, values, strict=True))
        return cls(**named)

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        target: str = "C_plateau",
        loss: FitLoss = "log",
        *,
        starts: int = 200,
        bootstraps: int = 1000,
        seed: int = 0,
    ) -> Self:
        """Fit to measured capacities, a row a restart, reduced to configurations (`ecmlib.laws.points.configurations`).

        Parameters
        ----------
        frame : DataFrame
            As `ecmlib.load_results` returns it: d, H, N, L, K, T and ``target`` at least.
        target, loss, starts, bootstraps, seed
            See `FitOptions`.

        Returns
        -------
        law
            With ``evidence``: share of starts at the optimum, bootstrapped parameters, residuals, doubts.

        Raises
        ------
        ValueError
            If an option is out of range, or if the frame is empty, too short, lacks a column, mixes conditions or
            holds a capacity that is no number (or, unless ``loss`` is "squares", not greater than 0).

        Warns
        -----
        FitWarning
            If a parameter sits on a bound or is not determined by the data; ``evidence.doubts`` has the same words.
        """
        options = FitOptions(target=target, loss=loss, starts=starts, bootstraps=bootstraps, seed=seed)
        points = scored(frame, target, cls.same)
        if (known := n_known(points)) <= (needed := cls.n_free(points)):
            raise ValueError(f"{known} configurations beyond guessing: {needed} parameters need more than that")
        measured = fittable(points, options.target, options.loss)
        proposals = cls.starts(points, measured, options.starts, options.seed)
        return cls._fit_from(frame, points, measured, proposals, options)

    def refit(self, frame: pd.DataFrame, bootstraps: int = 0) -> Self:
        """Fit again to other data, from where this fit ended: fast, and not sure to find a far better optimum."""
        self._refuse_unfitted()
        evidence = self.evidence
        options = FitOptions(target=evidence.target, loss=evidence.loss, bootstraps=bootstraps)
        points = scored(frame, options.target, self.same)
        measured = fittable(points, options.target, options.loss)
        with warnings.catch_warnings(action="ignore", category=FitWarning):
            return self._fit_from(frame, points, measured, self.parameters[None, :], options)

    def intervals(self, level: float = 0.9) -> pd.DataFrame:
        """Give each parameter with the percentile interval of its bootstrapped values.

        Returns
        -------
        DataFrame
            Indexed by parameter: ``value``, ``low``, ``high``.
        """
        ends = tails(level)
        self._refuse_unfitted()
        draws = np.array(self.evidence.draws)
        if not len(draws):
            raise ValueError("bootstraps = 0: this law was fitted without them and has no intervals")
        low, high = np.quantile(draws, ends, axis=0)
        return pd.DataFrame({"value": self.parameters, "low": low, "high": high}, index=pd.Index(self.bounds))

    def _values(self, sizes: Sizes) -> Array:
        return np.asarray(self.formula(self.parameters, sizes), dtype=float)

    def _draws(self, sizes: Sizes) -> Array:
        draws = np.array(self.evidence.draws).reshape(-1, len(self.bounds))
        return np.asarray(self.formula(draws, sizes), dtype=float)

    @classmethod
    def _fit_from(
        cls, frame: pd.DataFrame, points: pd.DataFrame, measured: Array, proposals: Array, options: FitOptions
    ) -> Self:
        sizes = cls._sizes(points, SIZES)
        held = cls.held(points)
        free = np.array([name not in held for name in cls.bounds])
        at_rest = np.array([held.get(name, 0.0) for name in cls.bounds])
        low, high = np.array(list(cls.bounds.values()))[free].T

        def whole(found: Numbers) -> Numbers:
            values = np.tile(at_rest.astype(found.dtype), (*found.shape[:-1], 1))
            values[..., free] = found
            return values

        def predict(found: Numbers) -> Numbers:
            return cls.formula(whole(found), sizes)

        weight = weights(points, options.target, cls.nearness)
        # A law without T learns from full cells where counts end, as the paper's does; one with T knows.
        full = points["full"].to_numpy() if "T" in cls.variables else None
        optimum = minimise(predict, measured, proposals[:, free], (low, high), options.loss, weight, full)
        found = optimum.parameters
        names = tuple(name for name in cls.bounds if name not in held)
        doubted = [f"{name} = {value:g} is held: these data do not tell it" for name, value in held.items()]
        doubted += doubts(names, predict, measured, found, (low, high))
        for doubt in doubted:
            warnings.warn(doubt, FitWarning, stacklevel=3)
        draws = bootstrap(
            predict, measured, optimum, (low, high), options.loss, options.bootstraps, options.seed, weight, full
        )
        return cls.from_parameters(whole(found).tolist())._with_evidence(
            frame,
            points,
            options.target,
            options.loss,
            share_of_starts=optimum.share_of_starts,
            doubts=doubted,
            held=list(held),
            draws=whole(draws).tolist(),
        )
