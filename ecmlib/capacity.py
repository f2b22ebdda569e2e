"""How much a model has memorised: counting, and measuring the capacity of an architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from tqdm.auto import tqdm

from ecmlib.architecture import Architecture
from ecmlib.library import LibrarySize, random_library
from ecmlib.record import record_name, writable_folder
from ecmlib.restart import run_restart, seed_of_restart
from ecmlib.results import CapacityRecord
from ecmlib.training import Loss, Positive, Precision, Protocol, can_compile, make_forward, resolve_device, tally
from ecmlib.validation import Parameters


class Memorised(NamedTuple):
    """Sequences that a model has memorised."""

    last_count: int  #: the last token is the most likely one, given its N-1 true predecessors
    full_count: int  #: every token from the second on is the most likely one, given its true predecessors


def count_memorised(model: torch.nn.Module, library: torch.Tensor, batch_size: int = 512) -> Memorised:
    """Count the sequences of a library that a model has memorised (paper, section 4).

    Parameters
    ----------
    model : Module
        Maps tokens (B, N - 1) to logits (B, N - 1, K), on the library's device.
    library : LongTensor of shape (T, N)
        Sequences to look for.
    batch_size : int
        Sequences looked at together; it does not change the counts.

    Returns
    -------
    Memorised
        Number of last tokens and of whole sequences predicted.
    """
    last, full, _ = tally(make_forward(model), library, min(batch_size, len(library)))
    return Memorised(last, full)


def measure_mac(
    architecture: Architecture,
    T: int = 16000,
    restarts: int = 5,
    *,
    batch_size: int = 512,
    lr: float = 1e-3,
    loss: Loss = "all",
    patience_steps: int = 310,
    min_steps: int = 5_000,
    max_steps: int = 20_000,
    eval_every: int = 31,
    seed: int = 0,
    precision: Precision = "float32",
    device: str = "auto",
    compiled: bool | Literal["auto"] = "auto",
    results: str | Path | None = None,
    progress: bool = True,
) -> CapacityRecord:
    """Measure the maximum attainable capacity: train on a large library, count what is memorised (paper, section 5).

    Each restart trains new weights on the same library until every sequence is memorised, until the count is on
    a plateau (`ecmlib.training.on_plateau`), or for ``max_steps``.

    Parameters
    ----------
    architecture : Architecture
        What is measured.
    T, batch_size, lr, loss, patience_steps, min_steps, max_steps, eval_every, seed, precision
        See `Protocol`.
    restarts : int
        Runs in all, at least 1; those already in ``results`` are not run again.
    device : {"auto", "cpu", "cuda"}
        "auto" takes CUDA where there is one.
    compiled : bool or "auto"
        Whether ``torch.compile`` fuses the model, "auto" where it can.
    results : path, optional
        Folder of the record; each finished restart is on disk before the next begins.
    progress : bool
        Whether a bar shows steps, speed, count and best count.

    Returns
    -------
    CapacityRecord
        Curves, counts and provenance of all restarts.

    Raises
    ------
    ValueError
        Before any training, if a parameter is out of range or ``results`` holds another configuration under this name.
    OSError
        Before any training, if ``results`` cannot be written.
    """
    protocol = Protocol(
        T=T,
        batch_size=batch_size,
        lr=lr,
        loss=loss,
        patience_steps=patience_steps,
        min_steps=min_steps,
        max_steps=max_steps,
        eval_every=eval_every,
        seed=seed,
        precision=precision,
    )
    run = _Run(restarts=restarts, compiled=can_compile() if compiled == "auto" else compiled)
    LibrarySize(T=T, N=architecture.N, K=architecture.K)
    target = resolve_device(device)
    path = None if results is None else writable_folder(results) / record_name(architecture, protocol)
    settings = {"architecture": architecture, "protocol": protocol}
    record = CapacityRecord.stored(path, "another configuration", **settings) or CapacityRecord(
        architecture=architecture, protocol=protocol, restarts=[]
    )
    missing = range(len(record.restarts), run.restarts)
    if not missing:
        return record

    library = random_library(T, architecture.N, architecture.K, seed).to(target)
    model = architecture.build(0).to(target)
    forward = make_forward(model, precision, run.compiled)
    for number in missing:
        restart_seed = seed_of_restart(seed, number)
        # Fresh weights go into the old model, whose compiled graph then serves every restart.
        model.load_state_dict(architecture.build(restart_seed).state_dict())
        bar: tqdm[Any] = tqdm(
            total=max_steps, unit="step", desc=f"restart {number + 1}/{restarts}", disable=not progress
        )
        restart = run_restart(model, forward, library, protocol, restart_seed, run.compiled, bar)
        record = record.model_copy(update={"restarts": [*record.restarts, restart]})
        if path is not None:
            record.save(path)
    return record


class _Run(Parameters):
    restarts: Positive
    compiled: bool
