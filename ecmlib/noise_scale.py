"""How noisy gradients are: the simple noise scale, from which a batch size may be chosen (paper, section 5.2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
import torch
from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from ecmlib.architecture import Architecture
from ecmlib.chance import tails
from ecmlib.curve import Count
from ecmlib.forward import Trainer, make_forward
from ecmlib.library import random_library
from ecmlib.protocol import Positive, Protocol, applied, chosen_protocol
from ecmlib.record import Record, record_name
from ecmlib.restart import Provenance, seed_of_restart
from ecmlib.training import Clock, follow
from ecmlib.validation import Parameters
from ecmlib.workplace import workplace

_UNAPPLIED = (  # it runs to the last step
    "patience_steps",
    "min_steps",
    "plateau_share",
    "plateau_tolerance",
    "stop",
    "forecast_within",
    "vary",
)
Gradient = Callable[[torch.Tensor], torch.Tensor]  # from row numbers to the gradient of their mean loss, flattened


class SquaredNorms(NamedTuple):
    """Squared gradient norms of two batch sizes, a value a repetition."""

    small: list[float]  #: mean over the small batches that make up a big one
    big: list[float]  #: of each big batch

    def interval(self, sampling: Sampling, level: float, draws: int = 500) -> tuple[float, float]:
        """Bootstrap `simple_noise_scale` over repetitions: the percentile interval, maybe with an infinite end."""
        random = np.random.default_rng(0)
        scales = []
        for _ in range(draws):
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
    small: list[float]
    big: list[float]


class NoiseScaleRecord(Record):
    """The simple noise scale of one architecture along the training of its first restart."""

    parts: ClassVar[str] = "points"
    experiment: Literal["noise-scale"] = "noise-scale"
    architecture: Architecture
    protocol: Annotated[
        Protocol,
        BeforeValidator(lambda protocol: applied(protocol, _UNAPPLIED)),  # earlier versions kept the whole protocol
        PlainSerializer(lambda protocol: applied(protocol, _UNAPPLIED)),
    ]
    sampling: Sampling
    points: list[NoisePoint]
    provenance: Provenance

    @property
    def file_name(self) -> str:
        """Name of the record's file."""
        return record_name(self.architecture, self.protocol)

    def frame(self, level: float = 0.9) -> pd.DataFrame:
        """Return one row a point: N, d, ``step``, ``last_count``, ``noise_scale`` in sequences, ``low`` and ``high``.

        The interval is the percentile bootstrap over repetitions; infinite where noise hides the gradient.
        """
        rows = []
        for point in self.points:
            norms = SquaredNorms(point.small, point.big)
            low, high = norms.interval(self.sampling, level)
            scale = simple_noise_scale(norms, self.sampling)
            row = {"step": point.step, "last_count": point.last_count, "noise_scale": scale, "low": low, "high": high}
            rows.append({"N": self.architecture.N, "d": self.architecture.d} | row)
        return pd.DataFrame(rows)


def measure_noise_scale(
    architecture: Architecture,
    protocol: Protocol | None = None,
    *,
    small: int = 64,
    big: int = 2048,
    repetitions: int = 8,
    device: str = "auto",
    compiled: bool | Literal["auto"] = "auto",
    results: str | Path | None = None,
    **values: Any,
) -> NoiseScaleRecord:
    """Train as `measure_mac` trains its first restart, and estimate the noise scale at every point of the curve.

    Parameters
    ----------
    architecture : Architecture
        What is trained.
    protocol : Protocol, optional
        How; by default the paper's, with a point every ten of its epochs.
    small, big, repetitions
        See `Sampling`.
    device, compiled
        See `measure_mac`.
    results : path, optional
        Folder of the record; one that is there is returned as it is.
    values
        Of `Protocol`, by name, in place of ``protocol``.

    Raises
    ------
    ValueError
        Before any training, if a parameter is out of range or ``results`` holds another measurement under this name.
    DivergedError
        If the loss does.
    """
    sampling = Sampling(small=small, big=big, repetitions=repetitions)
    protocol = chosen_protocol(protocol, values if protocol else {"eval_every": 310} | values, _UNAPPLIED)
    here = workplace(architecture, protocol.T, protocol.batch_size, device=device, compiled=compiled)
    clock = Clock()
    record, path = NoiseScaleRecord(
        architecture=architecture,
        protocol=protocol,
        sampling=sampling,
        points=[],
        provenance=clock.provenance(*here),
    ).begun_in(results)
    if record.points:
        return record

    library = random_library(protocol.T, architecture.N, architecture.K, protocol.seed).to(here.device)
    seed = seed_of_restart(protocol.seed, 0)
    model = architecture.build(seed).to(here.device)
    forward = make_forward(model, protocol.precision, here.compiled)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    generator = torch.Generator().manual_seed(seed)

    def gradient(rows: torch.Tensor) -> torch.Tensor:
        loss = forward.losses(library[rows.to(here.device)]).mean()
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss, trained)])

    points = []
    trainer = Trainer(model, forward, library, protocol, seed)
    for point in follow(trainer, protocol, protocol.max_steps):
        norms = squared_norms(gradient, protocol.T, sampling, generator)
        points.append(NoisePoint(step=point.step, last_count=point.last_count, small=norms.small, big=norms.big))
    record = record.model_copy(update={"points": points, "provenance": clock.provenance(*here)})
    if path is not None:
        record = record.save(path)
    return record


def squared_norms(gradient: Gradient, T: int, sampling: Sampling, generator: torch.Generator) -> SquaredNorms:
    """Draw big batches with replacement, and compare their gradients with those of the small batches they consist of.

    Parameters
    ----------
    gradient : callable
        From row numbers (small,) to the gradient of the mean loss of these rows.
    T : int
        Rows to draw from.
    sampling : Sampling
        Batch sizes and number of big batches.
    generator : Generator
        Of the row numbers.
    """
    small, big = [], []
    for _ in range(sampling.repetitions):
        parts = torch.randint(T, (sampling.big // sampling.small, sampling.small), generator=generator)
        gradients = torch.stack([gradient(rows) for rows in parts]).double()
        small.append(float(gradients.square().sum(dim=1).mean()))
        big.append(float(gradients.mean(dim=0).square().sum()))
    return SquaredNorms(small, big)


def simple_noise_scale(norms: SquaredNorms, sampling: Sampling) -> float:
    """Estimate ``tr(Sigma) / |G|^2`` in sequences (McCandlish et al. 2018, arXiv 1812.06162, eq. 2.9, appendix A.1).

    A gradient averaged over B sequences has the expected squared norm ``|G|^2 + tr(Sigma) / B``: two batch sizes give
    unbiased estimates of both unknowns. Infinite where that of ``|G|^2`` is not positive.
    """
    small, big = float(np.mean(norms.small)), float(np.mean(norms.big))
    squared_gradient = (sampling.big * big - sampling.small * small) / (sampling.big - sampling.small)
    trace = (small - big) / (1 / sampling.small - 1 / sampling.big)
    return trace / squared_gradient if squared_gradient > 0 else math.inf
