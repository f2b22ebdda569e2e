"""What a model says of sequences, which is counted, and the step that trains it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch.func import functional_call
from torch.nn import functional

from ecmlib.cuda_graph import Recorded
from ecmlib.engine import Logits, Weights, make_logits
from ecmlib.optimizer import Moments, update
from ecmlib.protocol import Loss, Precision

Judged = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
Step = Callable[[Weights, dict[str, Moments], torch.Tensor, torch.Tensor, Loss], None]
Move = Callable[[torch.Tensor, torch.Tensor], None]


class Forward(NamedTuple):
    """What is asked of a model and sequences (B, N), each a graph of its own.

    Which token is the most likely one is asked only when counting: training would pay for it at every step.
    """

    losses: Callable[[torch.Tensor], torch.Tensor]  #: nats (B, N - 1) of the tokens 2..N
    judged: Judged  #: the same, and whether each is the likeliest
    step: Step  #: moves weights and moments, in place, at the rates of `ecmlib.optimizer.rates_of`; or those of a stack
    recorded: bool = False  #: whether what is done again and again is recorded (`ecmlib.cuda_graph`)

    def moving(self, weights: Weights, moments: dict[str, Moments], loss: Loss) -> Move:
        """Return the step of these weights: a function of sequences and rates."""

        def move(sequences: torch.Tensor, rates: torch.Tensor) -> None:
            self.step(weights, moments, sequences, rates, loss)

        return Recorded(move) if self.recorded else move


def make_forward(model: torch.nn.Module, precision: Precision = "float32", compiled: bool = False) -> Forward:
    """Make a model's forward passes and its training step.

    Parameters
    ----------
    model : Module
        Maps tokens (B, N - 1) to logits (B, N - 1, K). It counts as it does under ``eval()``, whatever its mode.
    precision : {"float32", "bfloat16"}
        "bfloat16" computes matrix products in bfloat16; weights, optimiser and loss stay float32.
    compiled : bool
        Whether they are made fast, for a model of `Architecture.build`. On a CPU ``torch.compile`` fuses them; on a GPU
        steps and counts are recorded (`ecmlib.cuda_graph`), which takes no minute of compiling a configuration, but not
        those of models with dropout. Without dropout logits are then those of `ecmlib.engine`. A graph serves every
        call with the same batch size.
    """
    own = dict(model.named_parameters())
    drops = any(isinstance(part, torch.nn.Dropout) and part.p > 0 for part in model.modules())
    by_modules = drops or not compiled
    logits_of = _by_modules(model, precision) if by_modules else make_logits(model, getattr(torch, precision))

    def losses_and_logits(weights: Weights, sequences: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        targets = sequences[:, 1:]
        logits = logits_of(weights, sequences[:, :-1]).float()
        losses = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return losses.view(targets.shape), logits

    def losses(sequences: torch.Tensor) -> torch.Tensor:
        return losses_and_logits(own, sequences)[0]

    def judged(sequences: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        losses, logits = losses_and_logits(own, sequences)
        return losses, _likeliest(logits) == sequences[:, 1:]

    def step(
        weights: Weights, moments: dict[str, Moments], sequences: torch.Tensor, rates: torch.Tensor, loss: Loss
    ) -> None:
        def of_one(weights: Weights, batch: torch.Tensor) -> torch.Tensor:
            losses, _ = losses_and_logits(weights, batch)
            return losses.mean() if loss == "all" else losses[:, -1].mean()

        def mean_loss(trained: dict[str, torch.Tensor]) -> torch.Tensor:
            everything = {**weights, **trained}
            if sequences.ndim == 2:
                return of_one(everything, sequences)
            total: torch.Tensor = torch.vmap(of_one)(everything, sequences).sum()  # each model gets its own gradient
            return total

        gradients = torch.func.grad(mean_loss)({name: weights[name] for name in moments})
        update(weights, gradients, moments, rates)

    made = Forward(losses, judged, step)
    if compiled and next(model.parameters()).is_cuda:
        if not drops:
            made = made._replace(judged=Recorded(judged), recorded=True)
    elif compiled:
        torch.compiler.reset()  # graphs of earlier models are of no use and count towards a limit
        fused = partial(torch.compile, dynamic=False, fullgraph=True)  # a step in pieces is slower
        made = Forward(fused(losses), fused(judged), fused(step))
    return made._replace(judged=_in_eval(model, made.judged)) if by_modules else made


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Put a model under ``eval()``, and each of its parts back into the mode that it had."""
    training = [part for part in model.modules() if part.training]
    model.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


@torch.no_grad()
def judge_all(forward: Forward, library: torch.Tensor, batch_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Judge a whole library (T, N), in batches of one shape, so that one compiled graph serves them all.

    Returns
    -------
    pair of tensors of shape (T, N - 1)
        Nats of the tokens 2..N, and whether each is the likeliest.
    """
    T = len(library)
    wrapped = torch.arange(math.ceil(T / batch_size) * batch_size, device=library.device) % T
    judged = [forward.judged(library[rows]) for rows in wrapped.view(-1, batch_size)]
    losses, right = (torch.cat(parts)[:T] for parts in zip(*judged, strict=True))
    return losses, right


def tally(forward: Forward, library: torch.Tensor, batch_size: int) -> tuple[int, int, float]:
    """Count over a whole library.

    Returns
    -------
    tuple
        Sequences whose last token is predicted, sequences of which all tokens are, and the negative log-likelihood
        of all tokens in nats.
    """
    losses, right = judge_all(forward, library, batch_size)
    sums = torch.stack([right[:, -1].sum(), right.all(dim=1).sum(), losses.double().sum()])
    last, full, nats = sums.tolist()  # read once: a device need not wait for the host
    return int(last), int(full), nats


def _likeliest(logits: torch.Tensor) -> torch.Tensor:
    """Return what ``argmax(-1)`` does, the first of equals, by reductions that a CPU does many numbers at a time."""
    tokens = torch.arange(logits.shape[-1], dtype=torch.int32, device=logits.device)
    largest = logits == logits.amax(-1, keepdim=True)
    return torch.where(largest, tokens, logits.shape[-1]).amin(-1)


def _by_modules(model: torch.nn.Module, precision: Precision) -> Logits:
    def logits(weights: Weights, tokens: torch.Tensor) -> torch.Tensor:
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            found: torch.Tensor = functional_call(model, dict(weights), (tokens,))
        return found

    return logits


def _in_eval(model: torch.nn.Module, judged: Judged) -> Judged:
    def undisturbed(sequences: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with evaluating(model):
            return judged(sequences)

    return undisturbed
