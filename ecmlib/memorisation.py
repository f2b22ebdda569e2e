"""How much of a text a transformer memorises, and how much it would know anyway: unintended memorisation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecmlib.architecture import Architecture
from ecmlib.checkpoint import Checkpoint, checkpoint_of
from ecmlib.contents import Split, split_content
from ecmlib.curve import DivergedError
from ecmlib.forward import judge_all
from ecmlib.ngram import Array, ngram_bits
from ecmlib.progress import Bar, announce
from ecmlib.restart import Restart, Seeds, seed_of_restart, seeds_of_restart
from ecmlib.text import Corpus
from ecmlib.text_record import REFERENCE, Reference, TextProtocol, TextRecord, TextRestart, Told, Unintended
from ecmlib.trainer import Trainer
from ecmlib.training import Trainers, side_by_side, steps_of_restart
from ecmlib.workplace import Compiled, Workplace, workplace


def measure_text(
    architecture: Architecture,
    corpus: Corpus,
    protocol: TextProtocol,
    *,
    restarts: int = 1,
    device: str = "auto",
    compiled: Compiled = "auto",
    results: str | Path | None = None,
    progress: bool = True,
) -> TextRecord:
    """Train on a library of text, or of a control, and compare with models that never saw it.

    First a reference of the same shape is trained in the same way on what is held out: all sequences of the source that
    the library does not have. (Uniform tokens need none: nobody codes them in less than log2 K bits.) Then each restart
    trains new weights on the library. What is memorised of a sequence is its code length under the reference less that
    under the model, at least 0 (Morris et al. 2025).

    Parameters
    ----------
    architecture : Architecture
        What is measured.
    corpus : Corpus
        `ecmlib.text.read_corpus`, with the architecture's K.
    protocol : TextProtocol
        Content, size and seed of the library, and how models are trained.
    restarts, device, compiled, results, progress
        See `measure_mac`.

    Raises
    ------
    ValueError
        Before any training, if a parameter is out of range, if the text has fewer than 2 T sequences, or if ``results``
        holds another measurement under this name.
    OSError
        Before any training, if ``results`` cannot be written.
    DivergedError
        If the reference's loss becomes infinite or undefined, or if it codes worse than guessing.
    """
    here = workplace(architecture, protocol.T, protocol.batch_size, restarts=restarts, device=device, compiled=compiled)
    split = split_in_two(architecture, corpus, protocol)
    begun = TextRecord(architecture=architecture, protocol=protocol, source=corpus.source)
    record, path = begun.begun_in(results)
    if (missing := restarts - len(record.restarts)) <= 0:
        return record

    model = _Model(architecture, corpus, protocol, here, progress)
    by_ngram = ngram_bits(split.held_out.numpy(), split.library.numpy(), architecture.K, protocol.order)
    of_reference = checkpoint_of(path, REFERENCE, model.identity("reference"))
    split = Split(split.library.to(here.device), split.held_out.to(here.device))
    if progress:
        runs = missing + (protocol.content != "uniform")
        announce(model.trainer(split.library, seeds_of_restart(protocol, 0)), protocol, runs)
    if protocol.content == "uniform":
        by_reference = np.full_like(by_ngram, math.log2(architecture.K))
    else:
        reference, by_reference = _train_reference(model, split, of_reference)
        record = record.model_copy(update={"reference": record.reference or reference})
    record = record.model_copy(update={"ngram_bits": float(by_ngram.mean())})
    while (number := len(record.restarts)) < restarts:  # another process may add some meanwhile
        seeds = seeds_of_restart(protocol, number)
        checkpoint = checkpoint_of(path, number, model.identity(f"restart {number}"))
        restart = model.run(split.library, protocol, seeds, f"restart {number + 1}/{restarts}", checkpoint)
        finished = _finished_restart(model, split, restart, by_reference, by_ngram)
        record = record.model_copy(update={"restarts": [*record.restarts, finished]})
        if path is not None:
            record = record.save(path)
            checkpoint.clear()
    of_reference.clear()
    return record


def split_in_two(architecture: Architecture, corpus: Corpus, protocol: TextProtocol) -> Split:
    """Return the library of a measurement and what is held out, at least as many sequences.

    Raises
    ------
    ValueError
        If the text is too short for that, or was tokenised with another K; the message says how many sequences it has.
    """
    K = corpus.source.tokenizer.K
    if architecture.K != K:
        raise ValueError(f"K = {architecture.K}: the text was tokenised with K = {K}")
    split = split_content(protocol.content, corpus, protocol.T, architecture.N, protocol.seed)
    if len(split.held_out) < protocol.T:
        n = protocol.T + len(split.held_out)
        raise ValueError(
            f"T = {protocol.T}: at most {n // 2}, since as many sequences must be held out, and this text has {n} of "
            f"content {protocol.content!r}, of N = {architecture.N} tokens each (K = {K})"
        )
    return split


class _Model:
    """One model and its compiled graph, trained anew for the reference and for every restart."""

    def __init__(
        self, architecture: Architecture, corpus: Corpus, protocol: TextProtocol, here: Workplace, progress: bool
    ) -> None:
        self.architecture, self.protocol = architecture, protocol
        self._source, self._here, self._progress = corpus.source, here, progress
        self._trainers = Trainers(architecture, protocol, *here)

    def run(
        self, sequences: torch.Tensor, protocol: TextProtocol, seeds: Seeds, name: str, checkpoint: Checkpoint
    ) -> Restart:
        trainer, K, compiled = self.trainer(sequences, seeds), self.architecture.K, self._here.compiled
        bar = Bar(total=protocol.max_steps, unit="step", desc=name, disable=not self._progress)
        steps = steps_of_restart(trainer, protocol, K, seeds.weights, compiled, bar, checkpoint)
        return side_by_side([steps])[0]

    def trainer(self, sequences: torch.Tensor, seeds: Seeds) -> Trainer:
        """Return a trainer of fresh weights; it ends the use of those returned before."""
        return self._trainers.trainer(seeds, sequences)

    def judge(self, sequences: torch.Tensor) -> tuple[Told, Array]:
        """Return what the model, as it now is, tells of sequences, and the bits (n, N - 1) of their tokens."""
        nats, right = judge_all(self._trainers.forward, sequences, min(self.protocol.batch_size, len(sequences)))
        bits = nats.double().cpu().numpy() / math.log(2)
        last, full = int(right[:, -1].sum()), int(right.all(dim=1).sum())
        return Told(n=len(sequences), last_count=last, full_count=full, bits=float(bits.mean())), bits

    def identity(self, part: str) -> dict[str, Any]:
        """Say by what a run in flight is known again."""
        return self._trainers.identity(source=self._source.model_dump(), part=part)


def _train_reference(model: _Model, split: Split, checkpoint: Checkpoint) -> tuple[Reference, Array]:
    """Train on what is held out; return what is to be recorded, and the bits (T, N - 1) of the library's tokens.

    The trained weights stay in the checkpoint: restarts that are interrupted need them again.
    """
    protocol = model.protocol
    seed = seed_of_restart(protocol.seed, REFERENCE)
    # Counting the source at every point of a curve would take longer than training.
    long = protocol.model_copy(update={"T": len(split.held_out), "eval_every": protocol.max_steps})
    trained = model.run(split.held_out, long, Seeds(protocol.seed, seed, seed), "reference", checkpoint)
    if trained.status == "diverged":
        raise DivergedError(f"the reference diverged; its code length ended at {trained.bits[-1:]} bits a token")
    checkpoint.save()
    held_out, _ = model.judge(split.held_out)
    library, bits = model.judge(split.library)
    return (
        Reference(seed=seed, steps=trained.step[-1], held_out=held_out, library=library, provenance=trained.provenance),
        bits,
    )


def _finished_restart(
    model: _Model, split: Split, restart: Restart, by_reference: Array, by_ngram: Array
) -> TextRestart:
    """Add to a restart that has just ended what its model says of both parts of the source."""
    if restart.status == "diverged":
        return TextRestart(**dict(restart), held_out=None, beyond_model=None, beyond_ngram=None)
    held_out, _ = model.judge(split.held_out[: len(split.library)])
    _, bits = model.judge(split.library)
    return TextRestart(
        **dict(restart),
        held_out=held_out,
        beyond_model=_unintended(by_reference, bits),
        beyond_ngram=_unintended(by_ngram, bits),
    )


def _unintended(reference: Array, model: Array) -> Unintended:
    fewer = reference.sum(axis=1) - model.sum(axis=1)
    return Unintended(floored=float(np.maximum(fewer, 0).sum()), net=float(fewer.sum()))
