"""One restart: new weights trained to the end, its curve, and with what it was measured."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from ecmlib.curve import Count, Curve
from ecmlib.protocol import Positive, Protocol
from ecmlib.validation import Parameters

Status = Literal["plateau", "patience", "forecast", "complete", "max_steps", "diverged"]  # how a run ended
_PARTS = ("library", "weights", "order")


class Provenance(Parameters):
    """With what a restart was measured.

    ``compiled`` is no part of a configuration, nor of a record's name: it changes the order of sums, and so the tenth
    digit of bits and, along a run, single counts; no capacity by more than seeds do (``results/precision``).
    """

    commit: str | None
    versions: dict[str, str]
    device: str
    threads: Positive
    compiled: bool
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]  # on the clock
    core_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]  # of all cores together, whatever else ran


class Restart(Curve):
    """One training run: its seed, how it ended, its whole curve, and where it was measured."""

    seed: Count
    status: Status
    provenance: Provenance

    @model_validator(mode="after")
    def _has_points(self) -> Self:
        if not self.step and self.status != "diverged":
            raise ValueError("step, last_count, full_count and bits must be equally long and not empty")
        return self


class Seeds(NamedTuple):
    """What makes a restart: seeds of its library, its weights and the order in which sequences are drawn."""

    library: int
    weights: int
    order: int


def seeds_of_restart(protocol: Protocol, number: int) -> Seeds:
    """Return the seeds of restart ``number`` (from 0): of what does not vary, those of the first one.

    The first library is that of the protocol's own seed; everything else is drawn from seed and number.
    """
    varying = _PARTS if protocol.vary == "all" else protocol.vary.split("+")
    numbers = {part: number if part in varying else 0 for part in _PARTS}
    library = protocol.seed if numbers["library"] == 0 else seed_of_restart(protocol.seed, number)
    weights, order = (seed_of_restart(protocol.seed, numbers[part]) for part in ("weights", "order"))
    return Seeds(library, weights, order)


def seed_of_restart(seed: int, number: int) -> int:
    """Draw a seed from that of a protocol and the number of a restart (from 0); it differs for every pair."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def provenance(device: str, threads: int, compiled: bool, seconds: float, core_seconds: float) -> Provenance:
    """Say with what this process has just measured."""
    return Provenance(
        commit=_commit(),
        versions={"python": sys.version.split()[0]}
        | {name: version(name) for name in ("ecmlib", "tokenizers", "torch", "x-transformers")},
        device=device,
        threads=threads,
        compiled=compiled,
        seconds=round(seconds, 3),
        core_seconds=round(core_seconds, 3),
    )


def _commit() -> str | None:
    """Commit of the code that runs, with "-dirty" after it if files differ; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
