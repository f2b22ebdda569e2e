"""What squared norms of gradients say: the simple noise scale along a training, and its record (paper, section 5.2)."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from ecmlib.architecture import Architecture
from ecmlib.chance import tails
from ecmlib.curve import Count, check_counts
from ecmlib.library import LibrarySize
from ecmlib.protocol import Protocol, applied
from ecmlib.provenance import Provenance
from ecmlib.record import Record
from ecmlib.validation import Parameters, Positive, said_of

SquaredNorm = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_LEVEL, _DRAWS = 0.95, 500  # of the bootstrap over repetitions
UNAPPLIED = (  # it runs to the last step
    "patience_steps",
    "min_steps",
    "plateau_share",
    "plateau_tolerance",
    "stop",
    "forecast_within",
    "vary",
)


class SquaredNorms(NamedTuple):
    """Squared gradient norms of two batch sizes, a value a repetition."""

    small: list[float]  #: mean over the small batches that make up a big one
    big: list[float]  #: of each big batch

    def interval(self, sampling: Sampling, level: float) -> tuple[float, float]:
        """Bootstrap `simple_noise_scale` over repetitions: the percentile interval, maybe with an infinite end."""
        random = np.random.default_rng(0)
        scales = []
        for _ in range(_DRAWS):
            pick = random.integers(len(self.small), size=len(self.small))
            drawn = SquaredNorms(np.array(self.small)[pick].tolist(), np.array(self.big)[pick].tolist())
            scales.append(simple_noise_scale(drawn, sampling))
        # "lower" and "higher" never average with an infinite value
        low, high = tails(level)
        return float(np.quantile(scales, low, method="lower")), float(np.quantile(scales, high, method="higher"))


class Sampling(Parameters):
    """From which batches the noise scale is estimated.

    Parameters
    ----------
    small, big : int
        The two batch sizes, in sequences; a big batch is made up of at least two small ones.
    repetitions : int
        Big batches drawn, at least 2.
    """

    small: Positive = 64
    big: Positive = 2048
    repetitions: Annotated[int, Field(ge=2)] = 8

    @model_validator(mode="after")
    def _small_divides_big(self) -> Self:
        if self.big % self.small or self.big == self.small:
            raise ValueError(f"big = {self.big}: input should be 2 or more times small = {self.small}")
        return self


class NoisePoint(Parameters):
    """What was found after some steps of training."""

    step: Count
    last_count: Count
    small: list[SquaredNorm]
    big: list[SquaredNorm]


class NoiseScaleRecord(Record):
    """The simple noise scale of one architecture along the training of its first restart."""

    parts: ClassVar[str] = "points"
    experiment: Literal["noise-scale"] = "noise-scale"
    architecture: Architecture
    protocol: Annotated[
        Protocol,
        BeforeValidator(lambda protocol: applied(protocol, UNAPPLIED)),  # earlier versions kept the whole protocol
        PlainSerializer(lambda protocol: applied(protocol, UNAPPLIED)),
    ]
    sampling: Sampling
    points: list[NoisePoint]
    provenance: Provenance

    @model_validator(mode="after")
    def _points_are_possible(self) -> Self:
        LibrarySize(T=self.protocol.T, N=self.architecture.N, K=self.architecture.K)
        steps = [-1, *(point.step for point in self.points)]
        for number, point in enumerate(self.points):
            with said_of(f"points.{number}"):
                if not steps[number] < point.step <= self.protocol.max_steps:
                    raise ValueError(f"step = {point.step}: steps rise to max_steps = {self.protocol.max_steps}")
                check_counts(point.last_count, 0, self.protocol.T)
                if {len(point.small), len(point.big)} != {self.sampling.repetitions}:
                    raise ValueError(f"small and big: input should be {self.sampling.repetitions} numbers each")
        return self

    def frame(self) -> pd.DataFrame:
        """Return one row a point: N, d, ``step``, ``last_count``, ``noise_scale`` in sequences, ``low`` and ``high``.

        The interval is a 95 % percentile bootstrap over repetitions; infinite where noise hides the gradient.
        """
        rows = []
        for point in self.points:
            norms = SquaredNorms(point.small, point.big)
            low, high = norms.interval(self.sampling, _LEVEL)
            scale = simple_noise_scale(norms, self.sampling)
            row = {"step": point.step, "last_count": point.last_count, "noise_scale": scale, "low": low, "high": high}
            rows.append({"N": self.architecture.N, "d": self.architecture.d} | row)
        return pd.DataFrame(rows)


def simple_noise_scale(norms: SquaredNorms, sampling: Sampling) -> float:
    """Estimate ``tr(Sigma) / |G|^2`` in sequences (McCandlish et al. 2018, arXiv 1812.06162, eq. 2.9, appendix A.1).

    A gradient averaged over B sequences has the expected squared norm ``|G|^2 + tr(Sigma) / B``: two batch sizes give
    unbiased estimates of both unknowns. Infinite where that of ``|G|^2`` is not positive.
    """
    small, big = float(np.mean(norms.small)), float(np.mean(norms.big))
    squared_gradient = (sampling.big * big - sampling.small * small) / (sampling.big - sampling.small)
    trace = (small - big) / (1 / sampling.small - 1 / sampling.big)
    return trace / squared_gradient if squared_gradient > 0 else math.inf
