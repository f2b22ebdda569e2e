"""What a model says of sequences: the losses that train it and the predictions that are counted."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional

from ecmlib.protocol import Precision

Judged = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class Forward(NamedTuple):
    """A model's two forward passes over sequences (B, N), each a graph of its own.

    Which token is the most likely one is asked only when counting: training would pay for it at every step.
    """

    losses: Callable[[torch.Tensor], torch.Tensor]  #: nats (B, N - 1) of the tokens 2..N, for training
    judged: Judged  #: the same, and whether each is the likeliest


# With what a process that measures on one core starts. glibc would give the memory of every freed tensor back to the
# kernel and pay a page fault for each page of the next one.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
}


def resolve_device(device: str) -> torch.device:
    """Turn "auto", "cpu" or "cuda" into a device.

    Raises
    ------
    ValueError
        For another name, or for "cuda" on a machine without one.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device = {device!r}: input should be 'auto', 'cpu' or 'cuda'")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device = 'cuda': PyTorch finds no CUDA device here; use 'cpu' or 'auto'")
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def can_compile() -> bool:
    """Whether ``torch.compile`` finds the C++ compiler that it needs on a CPU."""
    return shutil.which(os.environ.get("CXX", "g++")) is not None


def make_forward(model: torch.nn.Module, precision: Precision = "float32", compiled: bool = False) -> Forward:
    """Make the forward passes of training and of counting.

    Parameters
    ----------
    model : Module
        Maps tokens (B, N - 1) to logits (B, N - 1, K). Its dropout, if any, is on in training and off in counting.
    precision : {"float32", "bfloat16"}
        "bfloat16" computes matrix products in bfloat16; weights, optimiser and loss stay float32.
    compiled : bool
        Whether ``torch.compile`` fuses them. A graph serves every call with the same batch size.
    """

    def logits_of(sequences: torch.Tensor) -> torch.Tensor:
        with torch.autocast(sequences.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits: torch.Tensor = model(sequences[:, :-1])
        return logits.float()

    def cross_entropy(logits: torch.Tensor, sequences: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(logits.transpose(1, 2), sequences[:, 1:], reduction="none")

    def losses(sequences: torch.Tensor) -> torch.Tensor:
        return cross_entropy(logits_of(sequences), sequences)

    def judged(sequences: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = logits_of(sequences)
        return cross_entropy(logits, sequences), logits.argmax(-1) == sequences[:, 1:]

    if compiled:
        torch.compiler.reset()  # graphs of earlier models are of no use and count towards a limit
        losses, judged = torch.compile(losses, dynamic=False), torch.compile(judged, dynamic=False)
    drops = any(isinstance(part, torch.nn.Dropout) and part.p > 0 for part in model.modules())
    return Forward(losses, _without_dropout(model, judged) if drops else judged)


@torch.no_grad()
def tally(forward: Forward, library: torch.Tensor, batch_size: int) -> tuple[int, int, float]:
    """Count over a whole library, in batches of one shape, so that one compiled graph serves them all.

    Returns
    -------
    tuple
        Sequences whose last token is predicted, sequences of which all tokens are, and the negative log-likelihood
        of all tokens in nats.
    """
    T = len(library)
    n_batches = math.ceil(T / batch_size)
    wrapped = torch.arange(n_batches * batch_size, device=library.device) % T
    last, full = 0, 0
    nats = 0.0
    for start in range(0, len(wrapped), batch_size):
        fresh = min(batch_size, T - start)  # the rest of the last batch has been counted before
        losses, right = forward.judged(library[wrapped[start : start + batch_size]])
        last += int(right[:fresh, -1].sum())
        full += int(right[:fresh].all(dim=1).sum())
        nats += float(losses[:fresh].double().sum())
    return last, full, nats


def _without_dropout(model: torch.nn.Module, judged: Judged) -> Judged:
    def undisturbed(sequences: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        model.eval()
        try:
            return judged(sequences)
        finally:
            model.train()

    return undisturbed
