"""What a search for the largest memorised library leaves: its tries, and what to try next (paper, section 5)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PlainSerializer, model_validator

from ecmlib.architecture import Architecture
from ecmlib.curve import Count, check_complete
from ecmlib.library import LibrarySize
from ecmlib.protocol import Protocol, applied
from ecmlib.provenance import Provenance
from ecmlib.record import Record, record_name
from ecmlib.restart import Status, seed_of_restart
from ecmlib.validation import Parameters, Positive, said_of

# By the training of a try, whose size the search chooses and which ends on a plateau.
UNAPPLIED = ("T", "patience_steps", "stop", "forecast_within", "vary")


class MlsProtocol(Parameters):
    """How the largest memorised library is looked for.

    Parameters
    ----------
    T_start, T_max : int
        First size in sequences, and the largest one tried.
    tolerance : float
        The search ends when the smallest library that was not memorised is larger than the largest one that was by no
        more than this fraction, or by one sequence.
    restarts : int
        Tries with new weights at a size; one that memorises the library is enough.
    training : Protocol
        Of one try. Its T is ``T_max``; neither that nor what no try applies is in a record.
    """

    T_start: Positive = 16
    T_max: Positive = 16384
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.02
    restarts: Positive = 3
    training: Annotated[Protocol, PlainSerializer(lambda training: applied(training, UNAPPLIED))]

    @model_validator(mode="before")
    @classmethod
    def _only_what_a_try_applies(cls, values: Any) -> Any:
        """Read records of earlier versions, too, which kept the whole protocol."""
        training = applied(values.get("training"), UNAPPLIED) if isinstance(values, dict) else None
        if not isinstance(training, dict):
            return values  # about which validation will complain
        return {**values, "training": {**training, "T": values.get("T_max", cls.model_fields["T_max"].default)}}

    @model_validator(mode="after")
    def _sizes_are_ordered(self) -> Self:
        if self.T_start > self.T_max:
            raise ValueError(f"T_start = {self.T_start}: input should be at most T_max = {self.T_max}")
        return self


class MlsTrial(Parameters):
    """One try to memorise a library of T sequences; of its curve only the end is kept."""

    T: Positive
    seed: Count
    status: Status
    steps: Count
    best_count: Count
    provenance: Provenance


class MlsRecord(Record):
    """The largest library that an architecture memorised, with every try of the search.

    Examples
    --------
    >>> from ecmlib import MlsRecord
    >>> MlsRecord.load("results/mls/d8_H1_N8_L1_K128_T16384_max_steps10000_precisionbfloat16.json").censored
    False
    """

    parts: ClassVar[str] = "trials"
    experiment: Literal["mls"] = "mls"
    architecture: Architecture
    protocol: MlsProtocol
    trials: list[MlsTrial]

    @model_validator(mode="after")
    def _trials_are_possible(self) -> Self:
        search, seen = self.protocol, set()
        LibrarySize(T=search.T_max, N=self.architecture.N, K=self.architecture.K)
        seeds = [
            seed_of_restart(search.training.seed, number) for number in range(min(search.restarts, len(self.trials)))
        ]
        for number, trial in enumerate(self.trials):
            wrong = {
                f"T = {trial.T} with seed = {trial.seed} is there twice": (trial.T, trial.seed) in seen,
                f"T = {trial.T} is above T_max": search.T_max < trial.T,
                f"steps = {trial.steps} is above max_steps": trial.steps > search.training.max_steps,
                f"best_count = {trial.best_count} is above T": trial.best_count > trial.T,
                f"seed = {trial.seed} is that of none of {search.restarts} restarts": trial.seed not in seeds,
            }
            with said_of(f"trials.{number}"):
                if any(wrong.values()):
                    raise ValueError(next(reason for reason, true in wrong.items() if true))
                check_complete(trial.status, trial.best_count, trial.T)
            seen.add((trial.T, trial.seed))
        return self

    @property
    def file_name(self) -> str:
        """Name of the record's file: sizes, and the training of a try."""
        return record_name(self.architecture, self.protocol.training)

    def joined(self, other: Self) -> Self:
        """Return the record with the trials of ``other`` that it lacks; a trial is known by its size and its seed."""
        known = {(trial.T, trial.seed) for trial in self.trials}
        more = [trial for trial in other.trials if (trial.T, trial.seed) not in known]
        return self.model_copy(update={"trials": [*self.trials, *more]})

    @property
    def memorised(self) -> int:
        """Sequences of the largest library memorised; 0 if none was."""
        return max((trial.T for trial in self.trials if trial.status == "complete"), default=0)

    @property
    def not_memorised(self) -> int | None:
        """Sequences of the smallest library that every restart failed at; None if there is none."""
        tries = [trial.T for trial in self.trials if self.memorised < trial.T]
        return min((T for T in set(tries) if tries.count(T) >= self.protocol.restarts), default=None)

    @property
    def censored(self) -> bool:
        """Whether the largest size allowed was memorised: the answer may lie above it."""
        return self.memorised == self.protocol.T_max

    def next_size(self) -> int | None:
        """Say what to try next, doubling first and bisecting then; None when the search is over."""
        low, high, protocol = self.memorised, self.not_memorised, self.protocol
        if high is None:
            return None if low == protocol.T_max else min(max(2 * low, protocol.T_start), protocol.T_max)
        if high - low <= max(1, protocol.tolerance * low):
            return None
        return (low + high) // 2
