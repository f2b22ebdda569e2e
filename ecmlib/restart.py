"""One restart: new weights trained to the end, its curve, and with what it was measured."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from tqdm.auto import tqdm

from ecmlib.training import CurvePoint, DivergedError, Forward, Positive, Protocol, on_plateau, train
from ecmlib.validation import Parameters

Count = Annotated[int, Field(ge=0)]
Status = Literal["plateau", "complete", "max_steps", "diverged"]  # how a restart ended


class Provenance(Parameters):
    """With what a restart was measured."""

    commit: str | None
    versions: dict[str, str]
    device: str
    threads: Positive
    compiled: bool
    seconds: Annotated[float, Field(ge=0)]  # on the clock
    core_seconds: Annotated[float, Field(ge=0)]  # of all cores together, whatever else ran


class Restart(Parameters):
    """One training run: its seed, how it ended, its whole curve, and where it was measured."""

    seed: Count
    status: Status
    step: list[Count]
    last_count: list[Count]
    full_count: list[Count]
    bits: list[float]
    provenance: Provenance

    @model_validator(mode="after")
    def _curve_is_whole(self) -> Self:
        lengths = {len(self.step), len(self.last_count), len(self.full_count), len(self.bits)}
        if len(lengths) != 1 or (0 in lengths and self.status != "diverged"):
            raise ValueError("step, last_count, full_count and bits must be equally long and not empty")
        if any(later <= earlier for earlier, later in zip(self.step, self.step[1:], strict=False)):
            raise ValueError("step must increase")
        return self


def run_restart(
    model: torch.nn.Module,
    forward: Forward,
    library: torch.Tensor,
    protocol: Protocol,
    seed: int,
    compiled: bool,
    bar: tqdm[Any],
) -> Restart:
    """Train until every sequence is memorised, until the count is on a plateau, or for ``max_steps``.

    Parameters
    ----------
    model : Module
        Fresh weights; trained in place.
    forward, library, protocol, seed
        See `ecmlib.training.train`.
    compiled : bool
        Whether ``forward`` is compiled, for the provenance.
    bar : tqdm
        Shows steps, count and best count; closed at the end.
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    with bar:
        status, curve = _run_to_the_end(model, forward, library, protocol, seed, bar)
    return Restart(
        seed=seed,
        status=status,
        step=[point.step for point in curve],
        last_count=[point.last_count for point in curve],
        full_count=[point.full_count for point in curve],
        bits=[point.bits for point in curve],
        provenance=provenance(
            library.device, compiled, time.perf_counter() - started, time.process_time() - cpu_started
        ),
    )


def seed_of_restart(seed: int, number: int) -> int:
    """Seed of the weights and the order of restart ``number`` (from 0); differs for every pair."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def provenance(device: torch.device, compiled: bool, seconds: float, core_seconds: float) -> Provenance:
    """Say with what this process has just measured."""
    return Provenance(
        commit=_commit(),
        versions={"python": sys.version.split()[0]}
        | {name: version(name) for name in ("ecmlib", "torch", "x-transformers")},
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        threads=torch.get_num_threads(),
        compiled=compiled,
        seconds=round(seconds, 3),
        core_seconds=round(core_seconds, 3),
    )


def _run_to_the_end(
    model: torch.nn.Module, forward: Forward, library: torch.Tensor, protocol: Protocol, seed: int, bar: tqdm[Any]
) -> tuple[Status, list[CurvePoint]]:
    curve: list[CurvePoint] = []
    try:
        for point in train(model, forward, library, protocol, seed):
            curve.append(point)
            counts = [earlier.last_count for earlier in curve]
            bar.set_postfix(count=point.last_count, best=max(counts), refresh=False)
            bar.update(point.step - bar.n)
            if point.last_count == protocol.T:
                return "complete", curve
            if point.step >= protocol.min_steps and on_plateau([earlier.step for earlier in curve], counts):
                return "plateau", curve
    except DivergedError:
        return "diverged", curve
    return "max_steps", curve


def _commit() -> str | None:
    """Commit of the code that runs, with "-dirty" after it if files differ; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
