"""What trials of memorising a small library leave: the epochs that each took (paper, eq. 9)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ecmlib.architecture import Architecture
from ecmlib.curve import Count
from ecmlib.library import LibrarySize
from ecmlib.provenance import Provenance
from ecmlib.record import Record
from ecmlib.validation import Parameters, Positive


class ShatterProtocol(Parameters):
    """How often and how long a library is trained on.

    Parameters
    ----------
    T : int
        Sequences of a trial's library, all of them in every batch: an epoch is one step.
    trials : int
        Independent trials, each with its own weights and its own library.
    lr : float
        Learning rate of Adam, whose other settings are PyTorch's defaults.
    max_epochs : int
        A trial that needs more is recorded as censored.
    seed : int
        With the number of the trial, of its weights and its library.
    """

    T: Positive = 16
    trials: Positive = 1000
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    max_epochs: Positive = 20_000
    seed: Count = 0


class ShatterRecord(Record):
    """Epochs after which each trial's library was memorised; None for a trial that was not done by ``max_epochs``.

    Examples
    --------
    >>> from ecmlib import ShatterRecord
    >>> len(ShatterRecord.load("results/shatter/d16_H1_N8_L1_K128_T16.json").epochs)
    1000
    """

    parts: ClassVar[str] = "epochs"
    experiment: Literal["shatter"] = "shatter"
    architecture: Architecture
    protocol: ShatterProtocol
    epochs: list[Count | None]
    provenance: list[Provenance]  # one entry a stack of trials

    @model_validator(mode="after")
    def _epochs_are_possible(self) -> Self:
        LibrarySize(T=self.protocol.T, N=self.architecture.N, K=self.architecture.K)
        if len(self.epochs) > self.protocol.trials:
            raise ValueError(f"epochs: {len(self.epochs)} of them, and trials = {self.protocol.trials}")
        if (most := max((epochs or 0 for epochs in self.epochs), default=0)) > self.protocol.max_epochs:
            raise ValueError(f"epochs = {most}: input should be at most max_epochs = {self.protocol.max_epochs}")
        if not bool(self.epochs) <= len(self.provenance) <= len(self.epochs):
            raise ValueError(f"provenance: {len(self.provenance)} stacks of {len(self.epochs)} trials")
        return self

    def joined(self, other: Self) -> Self:
        """Return the one with more trials: a trial is known by its place, whatever stack it was in."""
        return other if len(other.epochs) > len(self.epochs) else self
