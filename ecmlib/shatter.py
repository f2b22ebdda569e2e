"""How many epochs a transformer needs to memorise a small library completely, over many trials (paper, eq. 9)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.func import functional_call, stack_module_state
from torch.nn import functional

from ecmlib.architecture import Architecture
from ecmlib.library import random_library
from ecmlib.progress import Bar
from ecmlib.restart import seed_of_restart
from ecmlib.shatter_record import ShatterProtocol, ShatterRecord
from ecmlib.training import Clock
from ecmlib.validation import chosen
from ecmlib.workplace import refuse_dropout, workplace

Weights = dict[str, torch.Tensor]  # by name, with the trial as first dimension


def epochs_to_shatter(
    architecture: Architecture,
    protocol: ShatterProtocol | None = None,
    *,
    stack: int = 250,
    device: str = "auto",
    results: str | Path | None = None,
    progress: bool = True,
    **values: Any,
) -> ShatterRecord:
    """Count the epochs until all T last tokens are predicted, in many independent trials (paper, section 5.1).

    Trials are trained side by side in stacks, as one model with one more dimension; Adam treats every weight by
    itself, so that no trial knows of another.

    Parameters
    ----------
    architecture : Architecture
        What is measured, without dropout.
    protocol : ShatterProtocol, optional
        How many trials, of how large a library and how long; by default the paper's.
    stack : int
        Trials trained together; it changes speed, memory and the last bits of sums, but no trial.
    device : {"auto", "cpu", "cuda"}
        "auto" takes CUDA where there is one.
    results : path, optional
        Folder of the record; each finished stack is on disk before the next begins, and what is there is not repeated.
    progress : bool
        Whether a bar counts trials.
    values
        Of `ShatterProtocol`, by name, in place of ``protocol``.

    Raises
    ------
    ValueError
        Before any training, if a parameter is out of range or ``results`` holds other trials under this name.
    OSError
        Before any training, if ``results`` cannot be written.

    Examples
    --------
    >>> from ecmlib import Architecture, epochs_to_shatter
    >>> tiny = Architecture(d=8, N=4, K=8, head_dim=4)
    >>> len(epochs_to_shatter(tiny, T=2, trials=3, lr=0.01, progress=False).epochs)
    3
    """
    protocol = chosen(ShatterProtocol, protocol, values)
    here = workplace(
        architecture, protocol.T, protocol.T, restarts=protocol.trials, stack=stack, device=device, compiled=False
    )
    refuse_dropout(architecture)
    record, path = ShatterRecord(architecture=architecture, protocol=protocol, epochs=[], provenance=[]).begun_in(
        results
    )
    with Bar(total=protocol.trials, initial=len(record.epochs), unit="trial", disable=not progress) as bar:
        while (done := len(record.epochs)) < protocol.trials:
            clock = Clock()
            numbers = range(done, min(done + stack, protocol.trials))
            seeds = [seed_of_restart(protocol.seed, number) for number in numbers]
            epochs = _train_stack(architecture, protocol, seeds, here.device)
            measured = clock.provenance(*here)
            record = record.model_copy(
                update={"epochs": [*record.epochs, *epochs], "provenance": [*record.provenance, measured]}
            )
            if path is not None:
                record = record.save(path)
            bar.update(len(epochs))
    return record


def _train_stack(
    architecture: Architecture, protocol: ShatterProtocol, seeds: list[int], device: torch.device
) -> list[int | None]:
    models = [architecture.build(seed).to(device) for seed in seeds]
    libraries = torch.stack([random_library(protocol.T, architecture.N, architecture.K, seed) for seed in seeds])
    libraries = libraries.to(device)
    weights, _ = stack_module_state(models)
    optimizer = torch.optim.Adam([w for w in weights.values() if w.requires_grad], lr=protocol.lr)
    losses_and_hits = _stacked_forward(models[0])
    epochs: list[int | None] = [None] * len(seeds)
    trials = list(range(len(seeds)))  # those in the stack
    for epoch in range(protocol.max_epochs + 1):
        losses, right = losses_and_hits(weights, libraries)
        for place in right.all(dim=1).nonzero()[:, 0].tolist():
            if epochs[trials[place]] is None:
                epochs[trials[place]] = epoch
        going_on = [place for place, trial in enumerate(trials) if epochs[trial] is None]
        if not going_on:
            break
        optimizer.zero_grad()
        torch.autograd.backward(losses.sum())  # of a sum over trials, each trial's weights get their own gradient
        optimizer.step()
        if 2 * len(going_on) <= len(trials):  # not at every end of a trial: copying costs, too
            trials = [trials[place] for place in going_on]
            libraries = libraries[going_on]
            weights, optimizer = _selected(weights, optimizer, going_on, protocol.lr)
    return epochs


def _stacked_forward(base: torch.nn.Module) -> Callable[[Weights, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Return a function to the mean losses (trials,) and to which last tokens (trials, T) are predicted."""

    def forward(weights: Weights, library: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = functional_call(base, weights, (library[:, :-1],))
        loss = functional.cross_entropy(logits.flatten(0, 1), library[:, 1:].flatten())
        return loss, logits[:, -1].argmax(-1) == library[:, -1]

    return torch.vmap(forward)


def _selected(
    weights: Weights, optimizer: torch.optim.Adam, places: list[int], lr: float
) -> tuple[Weights, torch.optim.Adam]:
    """Keep some trials of a stack, with what Adam knows of them."""
    kept = {name: old.detach()[places].requires_grad_(old.requires_grad) for name, old in weights.items()}
    successor = torch.optim.Adam([w for w in kept.values() if w.requires_grad], lr=lr)
    for name, old in weights.items():
        if old.requires_grad:
            successor.state[kept[name]] = {
                key: value[places] if value.shape == old.shape else value for key, value in optimizer.state[old].items()
            }
    return kept, successor
