"""The largest library that a transformer memorises completely: the MLS method (paper, section 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PlainSerializer, model_validator

from ecmlib.architecture import Architecture
from ecmlib.curve import Count
from ecmlib.forward import Trainer, make_forward
from ecmlib.library import random_library
from ecmlib.progress import Bar, announce
from ecmlib.protocol import Positive, Protocol, applied, chosen_protocol
from ecmlib.record import Record, record_name
from ecmlib.restart import Provenance, Restart, Status, seed_of_restart
from ecmlib.training import run_restart
from ecmlib.validation import Parameters
from ecmlib.workplace import workplace

_UNAPPLIED = ("T", "patience_steps", "stop", "vary")  # by the training of a try, whose size the search chooses


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
    training: Annotated[Protocol, PlainSerializer(lambda training: applied(training, _UNAPPLIED))]

    @model_validator(mode="before")
    @classmethod
    def _only_what_a_try_applies(cls, values: Any) -> Any:
        """Read records of earlier versions, too, which kept the whole protocol."""
        training = applied(values.get("training"), _UNAPPLIED) if isinstance(values, dict) else None
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
        training = self.protocol.training
        for number, trial in enumerate(self.trials):
            wrong = {
                f"T = {trial.T} is above T_max": self.protocol.T_max < trial.T,
                f"steps = {trial.steps} is above max_steps": trial.steps > training.max_steps,
                f"best_count = {trial.best_count} is above T": trial.best_count > trial.T,
            }
            if any(wrong.values()):
                raise ValueError(f"trials.{number}: {next(reason for reason, true in wrong.items() if true)}")
        return self

    @property
    def file_name(self) -> str:
        """Name of the record's file."""
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


def measure_mls(
    architecture: Architecture,
    protocol: Protocol | None = None,
    *,
    T_start: int = 16,
    T_max: int = 16384,
    tolerance: float = 0.02,
    restarts: int = 3,
    device: str = "auto",
    compiled: bool | Literal["auto"] = "auto",
    results: str | Path | None = None,
    progress: bool = True,
    **values: Any,
) -> MlsRecord:
    """Measure the maximum library size (MLS): the largest library memorised completely (paper, section 5).

    Sizes double until one is not memorised by any of ``restarts`` tries, and the gap is then bisected. Libraries are
    nested: a smaller one is the beginning of a larger one.

    Parameters
    ----------
    architecture : Architecture
        What is measured.
    protocol : Protocol, optional
        Of a try, which ends when its library is memorised, on a plateau, or after ``max_steps``; by default the
        paper's. The search chooses T; what no try applies must have its default.
    T_start, T_max, tolerance, restarts
        See `MlsProtocol`.
    device, compiled, progress
        See `measure_mac`.
    results : path, optional
        Folder of the record; each try is on disk before the next begins, and what is there is not tried again.
    values
        Of `Protocol`, by name, in place of ``protocol``.

    Raises
    ------
    ValueError
        Before any training, if a parameter is out of range or ``results`` holds another search under this name.
    OSError
        Before any training, if ``results`` cannot be written.

    Examples
    --------
    >>> from ecmlib import Architecture, measure_mls
    >>> tiny = Architecture(d=8, N=4, K=8, head_dim=4)
    >>> search = measure_mls(tiny, T_start=1, T_max=2, restarts=1, max_steps=20, compiled=False, progress=False)
    >>> search.memorised <= 2
    True
    """
    chosen = chosen_protocol(protocol, values, _UNAPPLIED)
    search = MlsProtocol(T_start=T_start, T_max=T_max, tolerance=tolerance, restarts=restarts, training=chosen)
    training = search.training
    here = workplace(architecture, T_max, training.batch_size, device=device, compiled=compiled)
    record, path = MlsRecord(architecture=architecture, protocol=search, trials=[]).begun_in(results)
    if record.next_size() is None:
        return record

    library = random_library(T_max, architecture.N, architecture.K, training.seed).to(here.device)
    model = architecture.build(0).to(here.device)
    while (T := record.next_size()) is not None:
        forward = make_forward(model, training.precision, here.compiled)  # another T is another shape
        of_this_size = training.model_copy(update={"T": T})
        tried = sum(trial.T == T for trial in record.trials)
        if progress:
            announce(Trainer(model, forward, library[:T], of_this_size, 0), of_this_size, restarts - tried)
        for number in range(tried, restarts):
            seed = seed_of_restart(training.seed, number)
            model.load_state_dict(architecture.build(seed).state_dict())
            bar = Bar(total=training.max_steps, unit="step", desc=f"T={T}", disable=not progress)
            trainer = Trainer(model, forward, library[:T], of_this_size, seed)
            restart = run_restart(trainer, of_this_size, architecture.K, seed, here.compiled, bar)
            record = record.model_copy(update={"trials": [*record.trials, _trial(T, restart)]})
            if path is not None:
                record = record.save(path)
            if restart.status == "complete":
                break
    return record


def _trial(T: int, restart: Restart) -> MlsTrial:
    return MlsTrial(
        T=T,
        seed=restart.seed,
        status=restart.status,
        steps=restart.step[-1] if restart.step else 0,
        best_count=max(restart.last_count, default=0),
        provenance=restart.provenance,
    )
