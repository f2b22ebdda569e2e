"""One restart: new weights trained to the end, its curve, and what that means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from ecmlib.architecture import Architecture
from ecmlib.chance import FULL, guess_corrected, guess_deviation, is_guessing
from ecmlib.curve import (
    Bits,
    Count,
    Curve,
    check_complete,
    check_counts,
    check_curve,
    check_not_diverged,
    last_tenth,
    patience_stop,
)
from ecmlib.protocol import Protocol
from ecmlib.provenance import Provenance
from ecmlib.validation import Parameters, checked, said_of

Status = Literal["plateau", "patience", "forecast", "complete", "max_steps", "diverged"]  # how a run ended
SETTINGS = (*Architecture.model_fields, *Protocol.model_fields, "P")  # what `settings_of` says
OF_RUN = ("restart", "restart_seed", "status", "steps", "core_seconds", "device")  # what a row says besides
WeightBits = Annotated[int, Field(ge=1, le=16)]  # to which a trained weight is rounded
_PARTS = ("library", "weights", "order")


def _distinct(values: list[int]) -> list[int]:
    if len(set(values)) < len(values):
        raise ValueError("input should have no number twice")
    return values


Widths = Annotated[list[WeightBits], AfterValidator(_distinct)]


class Rounded(Parameters):
    """What a trained model holds when its matrices have so many bits a weight (`ecmlib.rounding.count_rounded`)."""

    weight_bits: WeightBits
    last_count: Count
    full_count: Count
    bits: Bits


class Positions(Parameters):
    """What a trained model tells of each token from the second on, over the whole library."""

    count: list[Count]  # sequences in which it is the most likely one, given its true predecessors
    bits: list[Bits]  # mean negative log2-likelihood


class Restart(Curve):
    """One training run: its seed, how it ended, its whole curve, where it was measured, and what its end is made of."""

    seed: Count
    status: Status
    provenance: Provenance
    rounded: list[Rounded] = Field(default_factory=list)
    positions: Positions | None = None  # None after divergence, and before version 3 of records

    @model_validator(mode="after")
    def _has_points(self) -> Self:
        if not self.step and self.status != "diverged":
            raise ValueError("step, last_count, full_count and bits must be equally long and not empty")
        return self


def end_value(protocol: Protocol, steps: Sequence[int], values: Sequence[float]) -> float:
    """Say where a curve has ended, without the luck of a noisy curve's best point.

    Parameters
    ----------
    protocol : Protocol
        Under a learning rate that has fallen to 0, the last value is the answer; under a constant one, whose curve is
        noisy, the mean of the last tenth of all steps is.
    steps, values : sequences
        Of the curve's points, at least one.
    """
    if protocol.schedule == "wsd":
        return float(values[-1])
    return last_tenth(steps, values)


def ended_count(protocol: Protocol, curve: Curve) -> float:
    """Say with how many sequences a curve has ended (`end_value`): with T, if it stopped because all were memorised."""
    return protocol.T if curve.last_count[-1] == protocol.T else end_value(protocol, curve.step, curve.last_count)


def settings_of(architecture: Architecture, protocol: Protocol) -> dict[str, Any]:
    """Return what every row of a table says of what was measured: architecture, protocol and P."""
    return {**architecture.model_dump(), **protocol.model_dump(), "P": architecture.n_params}


def row_of_run(
    number: int, seed: int, status: Status, curve: Curve, core_seconds: float, device: str
) -> dict[str, Any]:
    """Return what a row says of a run besides its settings and capacities: `OF_RUN`; ``number`` counts from 0."""
    steps = curve.step[-1] if curve.step else 0
    return dict(zip(OF_RUN, (number, seed, status, steps, core_seconds, device), strict=True))


class Capacities(NamedTuple):
    """What a curve means; missing of a run that diverged.

    The first edition had the best count of a curve, with its luck.
    """

    C_raw: float  #: sequences memorised at the end, as counted (`ended_count`)
    C: float  #: the same less its guesses
    C_guess_sd: float  #: standard deviation of C that is due to guessing
    lost: float  #: whether the count cannot be told from guessing, at 95 %, one-sided
    full: float  #: whether it is at least 0.9 T
    bits: float  #: memorised at the end: those of all predictions, less what the model still lacks
    bits_per_parameter: float
    C_plateau_raw: float  #: best count of the whole curve
    C_plateau: float
    C_paper_rule_raw: float  #: best count until the paper's rule stops
    C_paper_rule: float
    paper_rule_step: float  #: at which it stops
    full_count: float  #: most sequences of which every token was predicted


UNKNOWN = Capacities(*[math.nan] * len(Capacities._fields))


def capacities(curve: Curve, architecture: Architecture, protocol: Protocol) -> Capacities:
    """Say what a curve means."""
    T, K, N = protocol.T, architecture.K, architecture.N
    ended = ended_count(protocol, curve)
    lacking = end_value(protocol, curve.step, curve.bits)
    bits = max(0.0, (N - 1) * T * (math.log2(K) - lacking))
    stop = patience_stop(curve.step, curve.last_count, protocol.patience_steps)
    by_paper_rule = max(curve.last_count[: None if stop is None else stop + 1])
    best = max(curve.last_count)
    return Capacities(
        C_raw=ended,
        C=guess_corrected(ended, T, K),
        C_guess_sd=guess_deviation(ended, T, K),
        lost=bool(is_guessing(ended, T, K)),
        full=ended >= FULL * T,
        bits=bits,
        bits_per_parameter=bits / architecture.n_params,
        C_plateau_raw=best,
        C_plateau=guess_corrected(best, T, K),
        C_paper_rule_raw=by_paper_rule,
        C_paper_rule=guess_corrected(by_paper_rule, T, K),
        paper_rule_step=curve.step[-1 if stop is None else stop],
        full_count=max(curve.full_count),
    )


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
    """Draw a seed of 32 bits from that of a protocol and the number of a restart (from 0)."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def check_seed(seed: int, protocol: Protocol, number: int) -> None:
    """Refuse a seed that is not that of restart ``number`` (from 0): no restart is there twice, or of another record.

    Raises
    ------
    ValueError
        Naming both seeds.
    """
    if seed != (expected := seeds_of_restart(protocol, number).weights):
        raise ValueError(f"seed = {seed}: the seed of restart {number} is {expected}")


def check_restarts(restarts: Sequence[Restart], protocol: Protocol, K: int) -> None:
    """Refuse what no restart of a protocol can leave.

    Raises
    ------
    ValueError
        Naming the restart, and what of it cannot be.
    """
    for number, restart in enumerate(restarts):
        with said_of(f"restarts.{number}"):
            check_seed(restart.seed, protocol, number)
            check_curve(restart, protocol.T, protocol.max_steps)
            if restart.step:
                check_complete(restart.status, restart.last_count[-1], protocol.T)
            if restart.step and protocol.loss == "all":  # else positions that are not trained become worse than guesses
                check_not_diverged(restart.status, restart.points, K)
            if restart.positions is not None:
                with said_of("positions"):
                    if not restart.step:
                        raise ValueError("a run without a curve has none")
                    _check_positions(restart.positions, restart)
            with said_of("rounded"):
                _check_rounded(restart.rounded, protocol.T)


def _check_rounded(rounded: Sequence[Rounded], T: int) -> None:
    checked(Widths, weight_bits=[counted.weight_bits for counted in rounded])
    for counted in rounded:
        check_counts(counted.last_count, counted.full_count, T)


def _check_positions(positions: Positions, curve: Curve) -> None:
    if len(positions.count) != len(positions.bits) or not positions.count:
        raise ValueError("count and bits must be equally long and not empty")
    if positions.count[-1] != curve.last_count[-1]:
        raise ValueError(f"count ends at {positions.count[-1]}: the curve's last_count at {curve.last_count[-1]}")
    if min(positions.count) < curve.full_count[-1]:
        raise ValueError(
            f"count = {min(positions.count)}: {curve.full_count[-1]} sequences are right at every position"
        )
    if not math.isclose(mean := math.fsum(positions.bits) / len(positions.bits), curve.bits[-1], rel_tol=1e-6):
        raise ValueError(f"bits are {mean:g} on average: the curve ends at {curve.bits[-1]:g}")
