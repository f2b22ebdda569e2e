"""What a training run leaves: its curve, the rules that end it, and the capacity that follows from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from ecmlib.architecture import Architecture
from ecmlib.chance import guess_corrected, guess_deviation, is_guessing
from ecmlib.protocol import Protocol
from ecmlib.validation import Parameters

Count = Annotated[int, Field(ge=0, lt=2**63)]
Bits = Annotated[float, Field(ge=0, allow_inf_nan=False)]
CAPACITIES = (  # what `capacities` says
    "C_raw",
    "C",
    "C_guess_sd",
    "lost",
    "full",
    "bits",
    "bits_per_parameter",
    "C_plateau_raw",
    "C_plateau",
    "C_paper_rule_raw",
    "C_paper_rule",
    "paper_rule_step",
    "full_count",
)
FULL = 0.9  # share of the library from which its size, not the model, sets the count


class CurvePoint(NamedTuple):
    """What a model has memorised after some steps, counted over the whole library."""

    step: int  #: training steps so far
    last_count: int  #: sequences whose last token is predicted from their true N-1 predecessors
    full_count: int  #: sequences of which all N-1 predictions are right
    bits: float  #: mean negative log2-likelihood of a prediction, over all N-1 positions


class Curve(Parameters):
    """The points of a run, column by column (`CurvePoint`)."""

    step: list[Count]
    last_count: list[Count]
    full_count: list[Count]
    bits: list[Bits]

    @model_validator(mode="after")
    def _columns_are_whole(self) -> Self:
        if len({len(self.step), len(self.last_count), len(self.full_count), len(self.bits)}) != 1:
            raise ValueError("step, last_count, full_count and bits must be equally long")
        if any(later <= earlier for earlier, later in zip(self.step, self.step[1:], strict=False)):
            raise ValueError("step must increase")
        return self

    @property
    def points(self) -> list[CurvePoint]:
        """The points, row by row."""
        rows = zip(self.step, self.last_count, self.full_count, self.bits, strict=True)
        return [CurvePoint(*row) for row in rows]

    def until(self, step: int) -> Curve:
        """Return the part of the curve up to a step."""
        return columns([point for point in self.points if point.step <= step])


def columns(points: Sequence[CurvePoint]) -> Curve:
    """Make a curve of its points."""
    step, last_count, full_count, bits = zip(*points, strict=True) if points else ((), (), (), ())
    return Curve(step=list(step), last_count=list(last_count), full_count=list(full_count), bits=list(bits))


def patience_stop(steps: Sequence[int], counts: Sequence[int], patience_steps: int) -> int | None:
    """Replay the paper's rule: stop when the count has not improved for ``patience_steps`` steps.

    Returns
    -------
    int or None
        Index of the point at which training stops; None if the rule never strikes.
    """
    best, best_step = -1, 0
    for index, (step, count) in enumerate(zip(steps, counts, strict=True)):
        if count > best:
            best, best_step = count, step
        elif step - best_step >= patience_steps:
            return index
    return None


def on_plateau(steps: Sequence[int], counts: Sequence[int], share: float = 0.25, tolerance: float = 0.005) -> bool:
    """Whether the best count rose by at most the fraction ``tolerance`` over the last ``share`` of all steps."""
    before = max(count for step, count in zip(steps, counts, strict=True) if step <= (1 - share) * steps[-1])
    return max(counts) - before <= tolerance * before


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


def last_tenth(steps: Sequence[float], values: Sequence[float]) -> float:
    """Average the values over the last tenth of all steps."""
    last = [value for step, value in zip(steps, values, strict=True) if step >= 0.9 * steps[-1]]
    return sum(last) / len(last)


def capacities(curve: Curve, architecture: Architecture, protocol: Protocol) -> dict[str, float]:
    """Say what a curve means.

    Returns
    -------
    dict
        Sequences memorised at the end (`end_value`): ``C_raw`` as counted, ``C`` less its guesses, and ``C_guess_sd``,
        the standard deviation due to guessing; ``lost``, whether the count cannot be told from guessing at 95 %
        (one-sided), and ``full``, whether it is at least 0.9 T. ``bits`` memorised at the end, of all predictions less
        what the model still lacks, and ``bits_per_parameter``.

        As the first edition had them: ``C_plateau``, the best count of the whole curve, and ``C_paper_rule``, the best
        one until the paper's rule stops, at ``paper_rule_step``, each also ``_raw``; ``full_count``, most sequences of
        which every token was predicted.
    """
    T, K, N = protocol.T, architecture.K, architecture.N
    ended = T if curve.last_count[-1] == T else end_value(protocol, curve.step, curve.last_count)
    lacking = end_value(protocol, curve.step, curve.bits)
    bits = max(0.0, (N - 1) * T * (math.log2(K) - lacking))
    stop = patience_stop(curve.step, curve.last_count, protocol.patience_steps)
    by_paper_rule = max(curve.last_count[: None if stop is None else stop + 1])
    best = max(curve.last_count)
    values = (
        ended,
        guess_corrected(ended, T, K),
        guess_deviation(ended, T, K),
        is_guessing(ended, T, K),
        ended >= FULL * T,
        bits,
        bits / architecture.n_params,
        best,
        guess_corrected(best, T, K),
        by_paper_rule,
        guess_corrected(by_paper_rule, T, K),
        curve.step[-1 if stop is None else stop],
        max(curve.full_count),
    )
    return dict(zip(CAPACITIES, values, strict=True))
