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
    "TOKENIZERS_PARALLELISM": "false",
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
    return int(right[:, -1].sum()), int(right.all(dim=1).sum()), float(losses.double().sum())


def _without_dropout(model: torch.nn.Module, judged: Judged) -> Judged:
    def undisturbed(sequences: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        model.eval()
        try:
            return judged(sequences)
        finally:
            model.train()

    return undisturbed
