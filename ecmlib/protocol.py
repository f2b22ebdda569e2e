"""How a capacity is measured: everything but the architecture and the number of restarts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ecmlib.validation import Parameters, Positive, Seed, Share, chosen

Loss = Literal["all", "last"]
Precision = Literal["float32", "bfloat16"]
Optimizer = Literal["adam", "muon"]
Schedule = Literal["constant", "wsd"]
Stop = Literal["plateau", "patience", "forecast"]
Vary = Literal["weights+order", "all", "library", "weights", "order"]
_ASKED_BY: dict[str, Stop] = {  # what only one way to end a run looks at
    "min_steps": "plateau",
    "plateau_share": "plateau",
    "plateau_tolerance": "plateau",
    "forecast_within": "forecast",
}


class Protocol(Parameters):
    """How a capacity is measured. The defaults are the paper's, where it speaks.

    Parameters
    ----------
    T : int
        Library size in sequences.
    batch_size : int
        Sequences a step; a smaller library is one batch.
    lr : float
        Learning rate, the largest of the schedule.
    loss : {"all", "last"}
        Cross-entropy averaged over all N - 1 predictions, or over the last one alone.
    patience_steps : int
        The paper's rule ends a run after so many steps without improvement: in truth under ``stop="patience"``, and
        in retrospect, on the curve of a longer run, otherwise.
    min_steps : int
        No run ends on a plateau before, since early plateaus are not the last. The default may be more than
        ``max_steps``: nothing but memorising all then ends a run before.
    max_steps : int
        No run is longer.
    eval_every : int
        Steps between two points of the curve, at least; 31 is the paper's epoch, 16000 / 512.
    seed : int
        Seeds the library and, with the number of the restart, weights and order.
    precision : {"float32", "bfloat16"}
        Number format of matrix products; weights, optimiser and loss are float32.
    optimizer : {"adam", "muon"}
        Adam with PyTorch's other defaults, or Muon for the matrices of attention and feed-forward (PyTorch's, updates
        scaled to the size of Adam's, no weight decay) and Adam for the rest.
    schedule : {"constant", "wsd"}
        Learning rate: constant, or warm-up, stable, and linear decay to 0. A run under "wsd" ends at ``max_steps``, on
        no plateau: where its rate falls, its count has one more rise to come.
    warmup_steps : int
        Steps over which "wsd" raises the rate linearly from 0.
    decay_share : float
        Share of ``max_steps`` over which "wsd" lets the rate fall.
    eval_growth : float
        Share of the steps so far that the next point of the curve is away, if that is more than ``eval_every``: points
        then stand at geometric distances.
    plateau_share, plateau_tolerance : float
        A constant rate's run is on a plateau when its best count rose over this last share of its steps by no more than
        this fraction.
    stop : {"plateau", "patience", "forecast"}
        What ends a constant rate's run: a plateau after at least ``min_steps``; the paper's rule; or a forecast
        (`ecmlib.forecast`) of the count at ``max_steps`` that is sure enough. The latter two know no least length.
    forecast_within : float
        A forecast is sure enough when half its interval is at most this share of it. Such a run's capacity is still
        what it has counted, not what it forecasts.
    vary : {"weights+order", "all", "library", "weights", "order"}
        What differs between restarts; the rest is that of the first one. "all" gives each a library of its own, too.

    Raises
    ------
    ValueError
        If a value is out of range, or does not belong to the schedule; the message names it.

    Examples
    --------
    >>> from ecmlib import Protocol
    >>> Protocol(T=2048, lr=3e-3).batch_size
    512
    """

    T: Positive = 16000
    batch_size: Positive = 512
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    loss: Loss = "all"
    patience_steps: Positive = 310
    min_steps: Positive = 5_000
    max_steps: Positive = 20_000
    eval_every: Positive = 31
    seed: Seed = 0
    precision: Precision = "float32"
    optimizer: Optimizer = "adam"
    schedule: Schedule = "constant"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    decay_share: Share = 0.3
    eval_growth: Annotated[float, Field(ge=0, le=1)] = 0.0
    plateau_share: Share = 0.25
    plateau_tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.005
    stop: Stop = "plateau"
    forecast_within: Share = 0.03
    vary: Vary = "weights+order"

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        if self.schedule == "constant":
            for name in ("min_steps", "eval_every"):
                steps = getattr(self, name)
                if steps > self.max_steps and not self.is_default(name):
                    raise ValueError(f"{name} = {steps}: input should be at most max_steps = {self.max_steps}")
            for name in ("warmup_steps", "decay_share"):
                if not self.is_default(name):
                    raise ValueError(f"{name} = {getattr(self, name)}: schedule = 'constant' has none; use 'wsd'")
        elif self.warmup_steps > self.stable_until:
            raise ValueError(
                f"warmup_steps = {self.warmup_steps}: input should be at most {self.stable_until}, the steps before "
                f"the decay (max_steps = {self.max_steps}, decay_share = {self.decay_share})"
            )
        return self

    @model_validator(mode="after")
    def _end_fits(self) -> Self:
        if self.schedule == "wsd":
            idle, why = ["stop", *_ASKED_BY], "schedule = 'wsd' ends at max_steps alone"
        else:
            idle = [name for name, stop in _ASKED_BY.items() if stop != self.stop]
            why = f"stop = {self.stop!r} does not ask for it"
        for name in idle:
            if not self.is_default(name):
                raise ValueError(f"{name} = {getattr(self, name)!r}: {why}")
        return self

    @classmethod
    def reference(cls, **values: Any) -> Protocol:
        """Return the protocol that grids are measured by where the paper's own conditions are not the question.

        The paper's Adam at 20 times its rate, which falls to 0: between two rates of which, in grid ``tuning``, the
        higher one holds most at many sizes and far less where many heads meet small d, and the lower one less at most
        sizes. Where a limit is known, it falls short of 90 % of it (the book's chapter "How long is long enough?").

        Parameters
        ----------
        values
            Of the protocol, by name, in place of the reference's.

        Examples
        --------
        >>> from ecmlib import Protocol
        >>> Protocol.reference(T=2048).lr
        0.02
        """
        return cls(**_REFERENCE | values)

    @property
    def stable_until(self) -> int:
        """Step after which the learning rate falls; ``max_steps`` if it never does."""
        if self.schedule == "constant":
            return self.max_steps
        return self.max_steps - max(1, round(self.decay_share * self.max_steps))

    def learning_rate(self, step: int) -> float:
        """Learning rate of a step, counted from 1; the last one of "wsd" is the smallest that is not 0."""
        if self.schedule == "constant":
            return self.lr
        warm = step / self.warmup_steps if self.warmup_steps else 1.0
        left = (self.max_steps - step + 1) / (self.max_steps - self.stable_until + 1)
        return self.lr * min(warm, left, 1.0)

    def until(self, budget: int) -> Protocol:
        """Return the protocol of a run of other length; what does not fit it is refused."""
        return Protocol(**self.model_dump() | {"max_steps": budget})

    def points(self, start: int, end: int) -> list[int]:
        """Steps after ``start`` at which the library is counted; ``end`` is the last."""
        steps = []
        while start < end:
            start = min(start + max(self.eval_every, int(self.eval_growth * start)), end)
            steps.append(start)
        return steps


_REFERENCE: dict[str, Any] = {
    "lr": 0.02,
    "schedule": "wsd",
    "warmup_steps": 100,
    "max_steps": 10_000,
    "eval_growth": 0.1,
    "precision": "bfloat16",
    "vary": "all",
}


def chosen_protocol(protocol: Protocol | None, values: dict[str, Any], unapplied: Sequence[str] = ()) -> Protocol:
    """Return the protocol given, or that of the values given by name.

    Raises
    ------
    ValueError
        If both are given, if a value is unknown or out of range, or if one that the experiment does not apply has
        another value than its default.
    """
    the_one = chosen(Protocol, protocol, values)
    for name in unapplied:
        if not the_one.is_default(name):
            raise ValueError(f"{name} = {getattr(the_one, name)}: this measurement does not apply it")
    return the_one


def applied(protocol: Any, unapplied: Sequence[str]) -> Any:
    """Leave out of a protocol, or of what a file says of one, the values that an experiment does not apply."""
    values = protocol.model_dump() if isinstance(protocol, Protocol) else protocol
    if not isinstance(values, dict):
        return values  # nothing of the kind, about which validation will complain
    return {name: value for name, value in values.items() if name not in unapplied}
