"""The largest library that a transformer memorises completely: the MLS method (paper, section 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecmlib.architecture import Architecture
from ecmlib.checkpoint import checkpoint_of
from ecmlib.library import random_library
from ecmlib.mls_record import UNAPPLIED, MlsProtocol, MlsRecord, MlsTrial
from ecmlib.progress import Bar, announce
from ecmlib.protocol import Protocol, chosen_protocol
from ecmlib.restart import Restart, seeds_of_restart
from ecmlib.training import Trainers, side_by_side, steps_of_restart
from ecmlib.validation import sorted_out
from ecmlib.workplace import Compiled, workplace


def measure_mls(
    architecture: Architecture,
    protocol: Protocol | None = None,
    *,
    device: str = "auto",
    compiled: Compiled = "auto",
    results: str | Path | None = None,
    progress: bool = True,
    **values: Any,
) -> MlsRecord:
    """Measure the maximum library size (MLS): the largest library memorised completely (paper, section 5).

    Sizes double until one is not memorised by any try, and the gap is then bisected. Libraries are nested: a smaller
    one is the beginning of a larger one.

    Parameters
    ----------
    architecture : Architecture
        What is measured.
    protocol : Protocol, optional
        Of a try, which ends when its library is memorised, on a plateau, or after ``max_steps``; by default the
        paper's. The search chooses T; what no try applies must have its default.
    device, compiled, progress
        See `measure_mac`.
    results : path, optional
        Folder of the record; each try is on disk before the next begins, and what is there is not tried again. A try in
        flight is kept every few minutes (`ecmlib.checkpoint`), to go on from there after an interruption.
    values
        Of the search, by name: T_start, T_max, tolerance and restarts (`MlsProtocol`); and of `Protocol`, in place of
        ``protocol``.

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
    of_search, of_training = sorted_out(set(MlsProtocol.model_fields) - {"training"}, values)
    search = MlsProtocol(training=chosen_protocol(protocol, of_training, UNAPPLIED), **of_search)
    training = search.training
    here = workplace(architecture, search.T_max, training.batch_size, device=device, compiled=compiled)
    record, path = MlsRecord(architecture=architecture, protocol=search, trials=[]).begun_in(results)
    if record.next_size() is None:
        return record

    library = random_library(search.T_max, architecture.N, architecture.K, training.seed)
    while (T := record.next_size()) is not None:
        of_this_size = training.model_copy(update={"T": T})
        trainers = Trainers(architecture, of_this_size, *here)  # another T is another shape
        tried = sum(trial.T == T for trial in record.trials)
        if progress:
            first = trainers.trainer(seeds_of_restart(training, tried), library[:T])
            announce(first, of_this_size, search.restarts - tried)
        for number in range(tried, search.restarts):
            seeds = seeds_of_restart(training, number)
            bar = Bar(total=training.max_steps, unit="step", desc=f"T={T}", disable=not progress)
            trainer = trainers.trainer(seeds, library[:T])
            checkpoint = checkpoint_of(path, len(record.trials), trainers.identity(seeds=seeds))
            steps = steps_of_restart(
                trainer, of_this_size, architecture.K, seeds.weights, here.compiled, bar, checkpoint
            )
            (restart,) = side_by_side([steps])
            record = record.model_copy(update={"trials": [*record.trials, _trial(T, restart)]})
            if path is not None:
                record = record.save(path)
                checkpoint.clear()
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
