"""How much a model has memorised: counting, and measuring the capacity of an architecture."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ecmlib.architecture import Architecture
from ecmlib.checkpoint import Checkpoint, Part, checkpoint_of, shared
from ecmlib.forward import evaluating, make_forward, tally
from ecmlib.progress import Bar, announce
from ecmlib.protocol import Protocol, chosen_protocol
from ecmlib.restart import Restart, Seeds, Widths, seeds_of_restart
from ecmlib.results import CapacityRecord
from ecmlib.rounding import with_rounded
from ecmlib.stack import Stack
from ecmlib.trainer import Trainer
from ecmlib.training import Trainers, side_by_side, steps_of_restart
from ecmlib.validation import Positive, checked, shown
from ecmlib.workplace import Compiled, Workplace, refuse_dropout, workplace


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
        Maps tokens (B, N - 1) to logits (B, N - 1, K), on the library's device; asked under ``eval()``.
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
        If the library is no such tensor, is empty, or has a token that the model does not know; or if the batch size is
        below 1.

    Examples
    --------
    >>> from ecmlib import Architecture, count_memorised, random_library
    >>> untrained = Architecture(d=8, N=4, K=8, head_dim=4).build(seed=0)
    >>> count_memorised(untrained, random_library(T=64, N=4, K=8, seed=0))
    Memorised(last_count=4, full_count=0)
    """
    checked(Positive, batch_size=batch_size)
    _check_library(model, library)
    last, full, _ = tally(make_forward(model), library, min(batch_size, len(library)))
    return Memorised(last, full)


def measure_mac(
    architecture: Architecture,
    protocol: Protocol | None = None,
    *,
    restarts: int = 5,
    device: str = "auto",
    compiled: Compiled = "auto",
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
        "auto" takes CUDA where there is one. On a CPU this process has one thread from then on, unless the environment
        says ``OMP_NUM_THREADS`` (`ecmlib.workplace.workplace`).
    compiled : bool or "auto"
        Whether models are made fast, "auto" where it can: by ``torch.compile``, which needs a C++ compiler, or on a GPU
        by recording steps as CUDA graphs.
    results : path, optional
        Folder of the record; each finished restart is on disk before the next begins, and one in flight is kept every
        few minutes (`ecmlib.checkpoint`), to go on from there after an interruption.
    weight_bits : sequence of int
        Count again at the end of each restart, with trained matrices rounded to so many bits a weight (1 to 16), each
        number once.
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
    >>> record.C <= 64
    True
    """
    protocol = chosen_protocol(protocol, values)
    T, batch_size = protocol.T, protocol.batch_size
    here = workplace(architecture, T, batch_size, restarts=restarts, stack=stack, device=device, compiled=compiled)
    if stack > 1:
        refuse_dropout(architecture)
    checked(Widths, weight_bits=list(weight_bits) if isinstance(weight_bits, tuple) else weight_bits)
    record, path = CapacityRecord(architecture=architecture, protocol=protocol, restarts=[]).begun_in(results)
    if len(record.restarts) >= restarts:
        return record

    runs = _Runs(architecture, protocol, here, restarts, stack, weight_bits, progress)
    if progress:
        runs.announce(len(record.restarts))
    while (done := len(record.restarts)) < restarts:  # another process may add some meanwhile
        checkpoint = runs.checkpoint(path, done)
        record = record.model_copy(update={"restarts": [*record.restarts, *runs.train(done, checkpoint)]})
        if path is not None:
            record = record.save(path)
            checkpoint.clear()
    return record


def _check_library(model: torch.nn.Module, library: object) -> None:
    if not isinstance(library, torch.Tensor) or library.dtype != torch.long:
        raise ValueError(f"library = {shown(library)}: input should be a LongTensor of shape (T, N)")
    if library.ndim != 2 or len(library) < 1 or library.shape[1] < 2:
        raise ValueError(f"library of shape {tuple(library.shape)}: input should be T x N, T 1 or more and N 2 or more")
    with torch.no_grad(), evaluating(model):
        K = model(torch.zeros_like(library[:1, :-1])).shape[-1]
    least, most = (int(token) for token in library.aminmax())
    if least < 0 or most >= K:
        raise ValueError(f"library with tokens {least} to {most}: input should be 0 to K - 1 = {K - 1}")


class _Runs:
    """The restarts of one configuration; ``stack`` of them, from a first one on, are trained side by side."""

    def __init__(
        self,
        architecture: Architecture,
        protocol: Protocol,
        here: Workplace,
        restarts: int,
        stack: int,
        weight_bits: Sequence[int],
        progress: bool,
    ) -> None:
        self._protocol, self._here, self._K = protocol, here, architecture.K
        self._restarts, self._stack, self._weight_bits, self._progress = restarts, stack, weight_bits, progress
        self._trainers = Trainers(architecture, protocol, *here)

    def announce(self, first: int) -> None:
        announce(self._fresh(self._seeds(first)), self._protocol, math.ceil((self._restarts - first) / self._stack))

    def checkpoint(self, path: Path | None, first: int) -> Checkpoint:
        seeds = self._seeds(first)
        return checkpoint_of(path, first, self._trainers.identity(seeds=seeds[0] if len(seeds) == 1 else seeds))

    def train(self, first: int, checkpoint: Checkpoint) -> list[Restart]:
        seeds = self._seeds(first)
        fresh, runs = self._fresh(seeds), len(seeds)
        trainers = fresh.trainers if isinstance(fresh, Stack) else [fresh]
        checkpoints: Sequence[Checkpoint | Part] = [checkpoint] if runs == 1 else shared(checkpoint, runs)
        each = zip(trainers, seeds, checkpoints, strict=True)
        return side_by_side([self._steps(number, *own, runs) for number, own in enumerate(each, first)])

    def _seeds(self, first: int) -> list[Seeds]:
        numbers = range(first, min(first + self._stack, self._restarts))
        return [seeds_of_restart(self._protocol, number) for number in numbers]

    def _fresh(self, seeds: list[Seeds]) -> Trainer | Stack:
        return self._trainers.trainer(seeds[0]) if len(seeds) == 1 else Stack(map(self._trainers.trainer, seeds))

    def _steps(
        self, number: int, trainer: Trainer, seeds: Seeds, own: Checkpoint | Part, runs: int
    ) -> Generator[None, None, Restart]:
        name, most = f"restart {number + 1}/{self._restarts}", self._protocol.max_steps
        bar = Bar(total=most, unit="step", desc=name, disable=not self._progress)
        finish = partial(with_rounded, trainer, self._weight_bits)
        seed, compiled = seeds.weights, self._here.compiled
        return steps_of_restart(trainer, self._protocol, self._K, seed, compiled, bar, own, runs, finish)
