"""How noisy gradients are: the simple noise scale, from which a batch size may be chosen (paper, section 5.2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ecmlib.architecture import Architecture
from ecmlib.noise_scale_record import (
    UNAPPLIED,
    NoisePoint,
    NoiseScaleRecord,
    Sampling,
    SquaredNorms,
)
from ecmlib.protocol import Protocol, chosen_protocol
from ecmlib.restart import seeds_of_restart
from ecmlib.training import Clock, Trainers, follow
from ecmlib.validation import sorted_out
from ecmlib.workplace import Compiled, workplace

Gradient = Callable[[torch.Tensor], torch.Tensor]  # from row numbers to the gradient of their mean loss, flattened


def measure_noise_scale(
    architecture: Architecture,
    protocol: Protocol | None = None,
    *,
    device: str = "auto",
    compiled: Compiled = "auto",
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
    device, compiled
        See `measure_mac`.
    results : path, optional
        Folder of the record; one that is there is returned as it is.
    values
        Of `Sampling`, by name: small, big and repetitions; and of `Protocol`, in place of ``protocol``.

    Raises
    ------
    ValueError
        Before any training, if a parameter is out of range or ``results`` holds another measurement under this name.
    DivergedError
        If the loss does.
    """
    of_sampling, others = sorted_out(Sampling.model_fields, values)
    sampling = Sampling(**of_sampling)
    protocol = chosen_protocol(protocol, others if protocol else {"eval_every": 310} | others, UNAPPLIED)
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

    trainers, seeds = Trainers(architecture, protocol, *here), seeds_of_restart(protocol, 0)
    trainer = trainers.trainer(seeds)
    trained = [parameter for parameter in trainers.model.parameters() if parameter.requires_grad]
    generator = torch.Generator().manual_seed(seeds.weights)

    def gradient(rows: torch.Tensor) -> torch.Tensor:
        losses = trainers.forward.losses(trainer.library[rows.to(here.device)])
        loss = losses if protocol.loss == "all" else losses[:, -1]
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss.mean(), trained)])

    points = []
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
