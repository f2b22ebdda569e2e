"""What a training run leaves: its curve, and the rules that end it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from ecmlib.validation import Parameters

Count = Annotated[int, Field(ge=0, lt=2**63)]
Bits = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class DivergedError(Exception):
    """The loss became infinite or not a number."""


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


def check_counts(last_count: int, full_count: int, T: int) -> None:
    """Refuse counts that no library of T sequences has."""
    if last_count > T:
        raise ValueError(f"last_count = {last_count}: input should be at most T = {T}")
    if full_count > last_count:
        raise ValueError(f"full_count = {full_count}: a sequence memorised in full is one whose last token is")


def check_curve(curve: Curve, T: int, max_steps: int) -> None:
    """Refuse a curve that no run of so many steps on T sequences leaves."""
    if curve.step and curve.step[-1] > max_steps:
        raise ValueError(f"step = {curve.step[-1]}: input should be at most max_steps = {max_steps}")
    for last_count, full_count in zip(curve.last_count, curve.full_count, strict=True):
        check_counts(last_count, full_count, T)


def check_complete(status: str, count: int, T: int) -> None:
    """Refuse ``complete`` of a run that did not memorise all T sequences."""
    if status == "complete" and count != T:
        raise ValueError(f"status = 'complete': the last count is {count}, not T = {T}")


def check_not_diverged(status: str, curve: Sequence[CurvePoint], K: int) -> None:
    """Refuse any status but ``diverged`` of a run that has."""
    if status != "diverged" and has_diverged(curve, K):
        raise ValueError(f"status = {status!r}: a run that ends at {curve[-1].bits} bits diverged (K = {K})")


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


def plateau_stop(
    steps: Sequence[int], counts: Sequence[int], min_steps: int, share: float, tolerance: float
) -> int | None:
    """Replay the plateau rule on the curve of a longer run: the first point from ``min_steps`` on that is `on_plateau`.

    Returns
    -------
    int or None
        Index of the point at which training stops; None if the rule never strikes.
    """
    for index, step in enumerate(steps):
        if step >= min_steps and on_plateau(steps[: index + 1], counts[: index + 1], share, tolerance):
            return index
    return None


def on_plateau(steps: Sequence[int], counts: Sequence[int], share: float, tolerance: float) -> bool:
    """Whether the best count rose by at most the fraction ``tolerance`` over the last ``share`` of all steps."""
    before = max(count for step, count in zip(steps, counts, strict=True) if step <= (1 - share) * steps[-1])
    return max(counts) - before <= tolerance * before


def has_diverged(curve: Sequence[CurvePoint], K: int) -> bool:
    """Whether a run has ended worse than it began, and worse than guessing: fresh weights alone do the latter."""
    return curve[-1].bits > max(curve[0].bits, math.log2(K))


def last_tenth(steps: Sequence[float], values: Sequence[float]) -> float:
    """Average the values over the last tenth of all steps."""
    last = [value for step, value in zip(steps, values, strict=True) if step >= 0.9 * steps[-1]]
    return sum(last) / len(last)
