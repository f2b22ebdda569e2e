"""How much a model has memorised: counting, and measuring the capacity of an architecture."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from ecmlib.architecture import Architecture
from ecmlib.checkpoint import Checkpoint, checkpoint_of, shared
from ecmlib.forward import Trainer, make_forward, tally
from ecmlib.progress import Bar, announce
from ecmlib.protocol import Protocol, chosen_protocol
from ecmlib.restart import Restart, Rounded, Seeds, Widths, seeds_of_restart
from ecmlib.results import CapacityRecord
from ecmlib.stack import Stack
from ecmlib.training import Trainers, side_by_side, steps_of_restart
from ecmlib.validation import shown
from ecmlib.workplace import workplace


class Memorised(NamedTuple):
    """Sequences that a model has memorised.

    Examples
    --------
    >>> from ecmlib import Memorised
    >>> Memorised(last_count=9, full_count=4).last_count
    9
    """

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

    Raises
    ------
    ValueError
        If the library is empty or the batch size below 1.

    Examples
    --------
    >>> from ecmlib import Architecture, count_memorised, random_library
    >>> untrained = Architecture(d=8, N=4, K=8, head_dim=4).build(seed=0)
    >>> count_memorised(untrained, random_library(T=64, N=4, K=8, seed=0))
    Memorised(last_count=4, full_count=0)
    """
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size = {shown(batch_size)}: input should be an integer greater than or equal to 1")
    if library.ndim != 2 or not len(library):
        raise ValueError(f"library of shape {tuple(library.shape)}: input should be T x N, and not empty")
    last, full, _ = tally(make_forward(model), library, min(batch_size, len(library)))
    return Memorised(last, full)


def measure_mac(
    architecture: Architecture,
    protocol: Protocol | None = None,
    *,
    restarts: int = 5,
    device: str = "auto",
    compiled: bool | Literal["auto"] = "auto",
    results: str | Path | None = None,
    weight_bits: Sequence[int] = (),
    stack: int = 1,
    progress: bool = True,
    **values: Any,
) -> CapacityRecord:
    """Measure the maximum attainable capacity: train on a large library, count what is memorised (paper, section 5).

    Each restart trains new weights until every sequence is memorised, until what ``stop`` of the protocol names, or for
    ``max_steps``.

    Parameters
    ----------
    architecture : Architecture
        What is measured.
    protocol : Protocol, optional
        How; by default the paper's.
    restarts : int
        Runs in all, at least 1; those already in ``results`` are not run again.
    device : {"auto", "cpu", "cuda"}
        "auto" takes CUDA where there is one.
    compiled : bool or "auto"
        Whether models are made fast, "auto" where it can: by ``torch.compile``, which needs a C++ compiler, or on a GPU
        by recording steps as CUDA graphs.
    results : path, optional
        Folder of the record; each finished restart is on disk before the next begins, and one in flight is kept every
        few minutes (`ecmlib.checkpoint`), to go on from there after an interruption.
    weight_bits : sequence of int
        Count again at the end of each restart, with trained matrices rounded to so many bits a weight (1 to 16).
    stack : int
        Restarts trained side by side, as one model with one more dimension: many small models fill a GPU that one
        leaves idle. All of a stack are on disk together. No restart knows of another, but sums are taken in another
        order, as if compiled anew. Not with dropout.
    progress : bool
        Whether it is said beforehand how long the runs will take here, and a bar shows steps, speed and counts.
    values
        Of `Protocol`, by name, in place of ``protocol``.

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

    Examples
    --------
    >>> from ecmlib import Architecture, measure_mac
    >>> tiny = Architecture(d=8, N=4, K=8, head_dim=4)
    >>> record = measure_mac(tiny, T=64, restarts=1, min_steps=20, max_steps=20, compiled=False, progress=False)
    >>> record.C_plateau_raw <= 64
    True
    """
    protocol = chosen_protocol(protocol, values)
    T, batch_size = protocol.T, protocol.batch_size
    here = workplace(architecture, T, batch_size, restarts=restarts, stack=stack, device=device, compiled=compiled)
    if stack > 1 and architecture.dropout > 0:
        raise ValueError(f"stack = {stack}: input should be 1 with dropout, here {architecture.dropout}")
    Widths(weight_bits=list(weight_bits) if isinstance(weight_bits, tuple) else weight_bits)  # type: ignore[arg-type]
    record, path = CapacityRecord(architecture=architecture, protocol=protocol, restarts=[]).begun_in(results)
    if len(record.restarts) >= restarts:
        return record

    trainers = Trainers(architecture, protocol, *here)

    def seeds_from(first: int) -> list[Seeds]:
        return [seeds_of_restart(protocol, number) for number in range(first, min(first + stack, restarts))]

    def fresh(seeds: list[Seeds]) -> list[Trainer]:
        return [trainers.trainer(seeds[0])] if len(seeds) == 1 else Stack(map(trainers.trainer, seeds)).trainers

    def steps(number: int, trainer: Trainer, own: Checkpoint, seed: int, runs: int) -> Generator[None, None, Restart]:
        name = f"restart {number + 1}/{restarts}"
        bar = Bar(total=protocol.max_steps, unit="step", desc=name, disable=not progress)
        finish = partial(_with_rounded, trainer, weight_bits)
        return steps_of_restart(trainer, protocol, architecture.K, seed, here.compiled, bar, own, runs, finish)

    if progress:
        done = len(record.restarts)
        announce(fresh(seeds_from(done))[0], protocol, math.ceil((restarts - done) / stack))
    while (done := len(record.restarts)) < restarts:  # another process may add some meanwhile
        seeds = seeds_from(done)
        checkpoint = checkpoint_of(path, done, trainers.identity(seeds=seeds[0] if len(seeds) == 1 else seeds))
        checkpoints = [checkpoint] if len(seeds) == 1 else shared(checkpoint, len(seeds))
        runs = [
            steps(number, trainer, own, its.weights, len(seeds))
            for number, (trainer, own, its) in enumerate(zip(fresh(seeds), checkpoints, seeds, strict=True), done)
        ]
        record = record.model_copy(update={"restarts": [*record.restarts, *side_by_side(runs)]})
        if path is not None:
            record = record.save(path)
            checkpoint.clear()
    return record


def _with_rounded(trainer: Trainer, weight_bits: Sequence[int], restart: Restart) -> Restart:
    if not weight_bits or restart.status == "diverged":
        return restart
    return restart.model_copy(update={"rounded": count_rounded(trainer, weight_bits)})


def count_rounded(trainer: Trainer, weight_bits: Sequence[int]) -> list[Rounded]:
    """Count what a trained model still holds when its weights have fewer bits; nothing is trained, or changed.

    Parameters
    ----------
    trainer : Trainer
        Of the model, at the end of its training.
    weight_bits : sequence of int
        Widths to round to (`rounded`). Vectors (gains and biases) stay as they are: they are few.
    """
    trained, counted = trainer.state(), []
    for bits in weight_bits:
        coarse = {
            name: rounded(value, bits) if name in trainer.trained and value.ndim == 2 else value
            for name, value in trained.items()
        }
        trainer.restore(coarse)
        point = trainer.count()
        counted.append(
            Rounded(weight_bits=bits, last_count=point.last_count, full_count=point.full_count, bits=point.bits)
        )
    trainer.restore(trained)
    return counted


def rounded(matrix: torch.Tensor, bits: int) -> torch.Tensor:
    """Round each row of a matrix to the nearest of 2**bits levels, evenly from the row's least to its largest number.

    >>> rounded(torch.tensor([[0.0, 0.2, 0.6, 1.0]]), bits=1)
    tensor([[0., 0., 1., 1.]])
    """
    low, high = matrix.aminmax(dim=1, keepdim=True)
    step = ((high - low) / (2**bits - 1)).clamp_min(torch.finfo(matrix.dtype).tiny)
    coarse: torch.Tensor = low + ((matrix - low) / step).round() * step
    return coarse
