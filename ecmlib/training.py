"""How a model is trained on a library: the loop, the curve it yields and the rules that end it."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch.nn import functional

from ecmlib.validation import Parameters

Positive = Annotated[int, Field(ge=1)]
Loss = Literal["all", "last"]
Precision = Literal["float32", "bfloat16"]


class Forward(NamedTuple):
    """A model's two forward passes over sequences (B, N), each a graph of its own.

    Which token is the most likely one is asked only when counting: training would pay for it at every step.
    """

    losses: Callable[[torch.Tensor], torch.Tensor]  #: nats (B, N - 1) of the tokens 2..N, for training
    judged: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]  #: the same, and whether each is the likeliest


# With what a process that measures on one core starts. glibc would give the memory of every freed tensor back to the
# kernel and pay a page fault for each page of the next one.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
}


class CurvePoint(NamedTuple):
    """What a model has memorised after some steps, counted over the whole library."""

    step: int  #: training steps so far
    last_count: int  #: sequences whose last token is predicted from their true N-1 predecessors
    full_count: int  #: sequences of which all N-1 predictions are right
    bits: float  #: mean negative log2-likelihood of a prediction, over all N-1 positions


class DivergedError(Exception):
    """The loss became infinite or not a number."""


class Protocol(Parameters):
    """How a capacity is measured: everything but the architecture and the number of restarts.

    Parameters
    ----------
    T : int
        Library size in sequences.
    batch_size : int
        Sequences a step; a smaller library is one batch.
    lr : float
        Learning rate of Adam, whose other settings are PyTorch's defaults.
    loss : {"all", "last"}
        Cross-entropy averaged over all N - 1 predictions, or over the last one alone.
    patience_steps : int
        The paper's rule ends a run after so many steps without improvement.
    min_steps, max_steps : int
        No run ends on a plateau before, since early plateaus are not the last, and no run is longer.
    eval_every : int
        Steps between two points of the curve; 31 is the paper's epoch, 16000 / 512.
    seed : int
        Seeds the library and, with the number of the restart, weights and order.
    precision : {"float32", "bfloat16"}
        Number format of matrix products; weights, optimiser and loss are float32.
    """

    T: Positive = 16000
    batch_size: Positive = 512
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    loss: Loss = "all"
    patience_steps: Positive = 310
    min_steps: Positive = 5_000
    max_steps: Positive = 20_000
    eval_every: Positive = 31
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Precision = "float32"


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
        Maps tokens (B, N - 1) to logits (B, N - 1, K).
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

    if not compiled:
        return Forward(losses, judged)
    torch.compiler.reset()  # graphs of earlier models are of no use and count towards a limit
    return Forward(torch.compile(losses, dynamic=False), torch.compile(judged, dynamic=False))


def train(
    model: torch.nn.Module,
    forward: Forward,
    library: torch.Tensor,
    protocol: Protocol,
    seed: int,
) -> Iterator[CurvePoint]:
    """Train with Adam and yield the curve: at step 0, every ``eval_every`` steps and at ``max_steps``.

    Parameters
    ----------
    model : Module
        Trained in place; parameters that require no gradient stay as they are.
    forward : Forward
        ``make_forward(model, ...)``.
    library : LongTensor of shape (T, N)
        On the model's device.
    protocol : Protocol
        Batch size, learning rate, loss, length and distance of the curve's points.
    seed : int
        Seed of the order in which sequences are drawn.

    Raises
    ------
    DivergedError
        When a point of the curve has an infinite or undefined loss.
    """
    batch_size = min(protocol.batch_size, len(library))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=protocol.lr, fused=True)
    batches = _shuffled_batches(len(library), batch_size, seed)
    yield _evaluate(forward, library, batch_size, step=0)
    for step in range(1, protocol.max_steps + 1):
        losses = forward.losses(library[next(batches).to(library.device)])
        mean_loss = losses.mean() if protocol.loss == "all" else losses[:, -1].mean()
        optimizer.zero_grad()
        torch.autograd.backward(mean_loss)
        optimizer.step()
        if step % protocol.eval_every == 0 or step == protocol.max_steps:
            yield _evaluate(forward, library, batch_size, step)


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


def patience_stop(steps: Sequence[int], counts: Sequence[int], patience_steps: int) -> int | None:
    """Replay the paper's rule: stop when the count has not improved for ``patience_steps`` steps.

    Returns
    -------
    int or None
        Index of the point at which training stops; None if the rule never strikes.
    """
    best, best_step = -1, 0
    for index, (step, count) in enumerate(zip(steps, counts, strict=True)):
        if count > best:
            best, best_step = count, step
        elif step - best_step >= patience_steps:
            return index
    return None


def on_plateau(steps: Sequence[int], counts: Sequence[int], tolerance: float = 0.005) -> bool:
    """Whether the best count rose by at most ``tolerance`` over the last quarter of all steps."""
    before = max(count for step, count in zip(steps, counts, strict=True) if step <= 0.75 * steps[-1])
    return max(counts) - before <= tolerance * before


def _shuffled_batches(T: int, batch_size: int, seed: int) -> Iterator[torch.Tensor]:
    """Yield batches of row numbers for ever; every pass visits each row once, and a batch may span two passes."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(T, generator=generator)
    while True:
        while len(rows) < batch_size:
            rows = torch.cat([rows, torch.randperm(T, generator=generator)])
        batch, rows = rows[:batch_size], rows[batch_size:]
        yield batch


def _evaluate(forward: Forward, library: torch.Tensor, batch_size: int, step: int) -> CurvePoint:
    last, full, nats = tally(forward, library, batch_size)
    bits = nats / math.log(2) / (len(library) * (library.shape[1] - 1))
    if not math.isfinite(bits):
        raise DivergedError(f"the loss was {bits} after {step} steps")
    return CurvePoint(step, last, full, bits)
