"""What a measurement says while it runs: how long it will take here, measured on a few steps, and how far it is.

A notebook's output is seen only when it is open. Under papermill nobody looks at it, and so all of this also goes to
the terminal from which the kernel was started, if there is one.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, TextIO
from typing import Protocol as Interface

from tqdm import tqdm as tqdm_of_terminals
from tqdm.auto import tqdm

from ecmlib.cuda_graph import WARM_UP
from ecmlib.curve import DivergedError
from ecmlib.protocol import Protocol

_FIRST_STEPS = WARM_UP + 1  # and counts: then all is compiled or recorded
_TIMED_STEPS = 8
_WORTH_TIMING = 100  # a run so many times as long as what is timed: the estimate costs a few hundredths of it


class Bar(tqdm):  # type: ignore[type-arg]
    """A progress bar of tqdm, shown where the output goes and in the kernel's terminal; arguments are tqdm's."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        terminal = None if self.disable else terminal_of_kernel()
        self._twin = tqdm_of_terminals(**settings, file=terminal) if terminal else None

    def update(self, n: float | None = 1) -> bool | None:
        """Count ``n`` more."""
        if self._twin:
            self._twin.update(n)
        return super().update(n)

    def set_postfix(self, ordered_dict: Any = None, refresh: bool | None = True, **values: Any) -> None:
        """Show values behind the bar."""
        if self._twin:
            self._twin.set_postfix(ordered_dict, refresh, **values)
        super().set_postfix(ordered_dict, refresh, **values)

    def close(self) -> None:
        """Leave the bar as it is."""
        if twin := getattr(self, "_twin", None):  # tqdm closes what it could not open
            twin.close()
        super().close()


class Timed(Interface):
    """What is asked of a trainer (`ecmlib.trainer.Trainer`), or of a stack of them (`ecmlib.stack.Stack`)."""

    @property
    def step(self) -> int:
        """Steps so far."""

    def advance(self, end: int, protocol: Protocol) -> None:
        """Train up to a step."""

    def count(self) -> object:
        """Count what is memorised."""


class Cost(NamedTuple):
    """Seconds on the clock that training takes on this machine."""

    step: float  #: a training step
    look: float  #: a count over the whole library

    def seconds(self, protocol: Protocol, stretches: Sequence[tuple[int, int]]) -> float:
        """Return what it costs to train, and to count, from one step to another, for each of several such stretches."""
        counts = 1 + sum(len(protocol.points(start, end)) for start, end in stretches)
        return self.step * sum(end - start for start, end in stretches) + self.look * counts


def measured_cost(trainer: Timed, protocol: Protocol) -> Cost:
    """Time a few steps of a trainer, which is of no use after that, and two counts."""

    def seconds(steps: int) -> float:
        started = time.perf_counter()
        trainer.advance(trainer.step + steps, protocol)
        with contextlib.suppress(DivergedError):
            trainer.count()  # its numbers are read: whatever a device had to do is done
        return time.perf_counter() - started

    for _ in range(_FIRST_STEPS):
        seconds(1)
    look = min(seconds(0), seconds(0))
    return Cost(max(0.0, seconds(_TIMED_STEPS) - look) / _TIMED_STEPS, look)


def announce(trainer: Timed, protocol: Protocol, runs: int, stretches: Sequence[tuple[int, int]] = ()) -> None:
    """Say how long runs will take here; nothing of short ones.

    Parameters
    ----------
    trainer : Timed
        A fresh one of the first run, or a stack of those trained as one run; of no use after that.
    protocol : Protocol
        Of the runs.
    runs : int
        How many are still to be made.
    stretches : sequence of (start, end), optional
        Steps of a run, if it is not one stretch of ``max_steps``.
    """
    stretches = stretches or [(0, protocol.max_steps)]
    if sum(end - start for start, end in stretches) >= _WORTH_TIMING * _TIMED_STEPS:
        seconds = measured_cost(trainer, protocol).seconds(protocol, stretches)
        each = f"at most {duration(seconds)} a run"
        say(f"{each}, {duration(runs * seconds)} for {runs} of them" if runs > 1 else each)


def say(text: str) -> None:
    """Print where the output goes, and in the kernel's terminal."""
    print(text, flush=True)
    if terminal := terminal_of_kernel():
        print(f"\n{text}", file=terminal, flush=True)


def duration(seconds: float) -> str:
    """Return a length of time with two digits and a unit that suits it."""
    sizes = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
    unit = next((unit for unit, size in sizes.items() if seconds >= 2 * size), "seconds")
    number = seconds / sizes[unit]
    return f"{number:.0f} {unit}" if number >= 10 else f"{number:.2g} {unit}"


def terminal_of_kernel() -> TextIO | None:
    """Return the terminal that standard error was before a kernel redirected it; None elsewhere."""
    try:
        number = sys.stderr.fileno()  # of a kernel: the descriptor that it was started with
    except (OSError, ValueError):
        return None
    if sys.stderr.isatty() or not os.isatty(number):
        return None
    return open(number, "w", encoding="utf-8", closefd=False)
