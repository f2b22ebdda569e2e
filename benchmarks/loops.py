"""The two loops that are compared, and the work one step takes; run as a script, one measured process.

``python benchmarks/loops.py '{"loop": "plain", "d": 16, ...}'`` prints one JSON object: see `measure`.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from ecmlib import Architecture, Protocol, count_memorised, random_library
from ecmlib.architecture import FEED_FORWARD_WIDTH
from ecmlib.forward import make_forward
from ecmlib.trainer import Trainer
from ecmlib.workplace import can_compile

WARM_STEPS = 3  # steps before the clock starts
EVAL_EVERY = 31  # steps between two evaluations, in both loops
KIBIBYTES = 1 if sys.platform == "linux" else 1024  # ru_maxrss counts kibibytes on Linux, bytes on macOS


def forward_flops(architecture: Architecture) -> int:
    """FLOPs of the matrix products of one sequence's forward pass; a multiply-add is two.

    With n = N - 1 positions and h = H * head_dim, a layer has 4 d h weights in attention and 8 d^2 in feed-forward,
    each used once a position; scores and weighted values take n^2 h multiply-adds each (masked ones are computed
    too); logits take d K a position. Norms, GELU and softmax are not matrix products and are left out.
    """
    n, d, h = architecture.N - 1, architecture.d, architecture.H * architecture.head_dim
    feed_forward = 2 * FEED_FORWARD_WIDTH * d * d if architecture.ff == "train" else 0
    layer = n * (4 * d * h + feed_forward) + 2 * n * n * h
    return 2 * (architecture.L * layer + n * d * architecture.K)


def training_flops(architecture: Architecture) -> int:
    """FLOPs of one sequence's forward and backward pass.

    Backward takes twice the forward (gradients of both factors), but the frozen logits need only the gradient of
    their input. The first queries, keys and values need theirs although the embedding is frozen: a norm's gain,
    which is trained, lies between.
    """
    logits = 2 * (architecture.N - 1) * architecture.d * architecture.K
    return 3 * (forward_flops(architecture) - logits) + 2 * logits


def plain_steps(
    architecture: Architecture, T: int, note: Callable[[], None], device: str, batch_size: int = 512, seed: int = 0
) -> None:
    """Train as similar projects do: eager float32, a shuffling DataLoader, all cores; ``note`` after each step."""
    library = random_library(T, architecture.N, architecture.K, seed).to(device)
    model = architecture.build(seed).to(device)
    loader = DataLoader(TensorDataset(library), batch_size=batch_size, shuffle=True, drop_last=batch_size <= T)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    step = 0
    while True:
        for (sequences,) in loader:
            logits = model(sequences[:, :-1])
            loss = functional.cross_entropy(logits.transpose(1, 2), sequences[:, 1:])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            note()
            step += 1
            if step % EVAL_EVERY == 0:
                count_memorised(model, library, batch_size)


def fast_steps(
    architecture: Architecture, T: int, note: Callable[[], None], device: str, batch_size: int = 512, seed: int = 0
) -> None:
    """Train as the sweep does: one thread, compiled, bfloat16; ``note`` after each step."""
    torch.set_num_threads(1)
    library = random_library(T, architecture.N, architecture.K, seed).to(device)
    model = architecture.build(seed).to(device)
    forward = make_forward(model, "bfloat16", compiled=can_compile(library.device))
    protocol = Protocol(
        T=T, batch_size=batch_size, max_steps=10**9, eval_every=EVAL_EVERY, precision="bfloat16", seed=seed
    )

    trainer = Trainer(model, forward, library, protocol, seed)
    trainer.count()  # at step 0, which plain_steps does not have: it belongs to starting up
    while True:
        for _ in range(EVAL_EVERY):
            trainer.advance(trainer.step + 1, protocol)
            note()
        trainer.count()


def step_flops(architecture: Architecture, T: int, batch_size: int = 512) -> float:
    """FLOPs of one training step with its share of the evaluation of the library, one in `EVAL_EVERY` steps."""
    return min(batch_size, T) * training_flops(architecture) + T * forward_flops(architecture) / EVAL_EVERY


def measure(
    loop: str, sizes: dict[str, int], T: int, budget: float, max_periods: int, launched: float, device: str
) -> dict[str, float]:
    """Time one loop in this process, in whole periods of `EVAL_EVERY` steps and one evaluation.

    An evaluation reads its counts, and so waits for whatever a GPU still has to do.

    Returns
    -------
    dict
        ``steps_per_s`` after `WARM_STEPS` (0 if ``max_periods`` is 0); ``first_step_s``: from ``launched``
        (`time.time`) to the end of the first step: imports, building and compiling or loading graphs included;
        ``peak_mib`` of the process, on CUDA of its tensors there.
    """
    ended: list[float] = []  # when each step ended

    def note() -> None:
        ended.append(time.time())
        periods, rest = divmod(len(ended) - WARM_STEPS, EVAL_EVERY)
        over = periods >= 1 and ended[-1] - ended[WARM_STEPS - 1] > budget
        if periods >= 0 and rest == 0 and (periods >= max_periods or over):
            raise _EnoughError

    # Every EVAL_EVERY steps in a row hold one evaluation, wherever they begin.
    with contextlib.suppress(_EnoughError):
        {"plain": plain_steps, "fast": fast_steps}[loop](Architecture(**sizes), T, note, device)
    done = len(ended) - WARM_STEPS
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBIBYTES * 1024
    return {
        "steps_per_s": done / (ended[-1] - ended[WARM_STEPS - 1]) if done else 0.0,
        "first_step_s": ended[0] - launched,
        "peak_mib": (torch.cuda.max_memory_allocated() if device == "cuda" else resident) / 2**20,
    }


class _EnoughError(Exception):
    """Enough steps have been timed."""


def matmul_peak(precision: str, device: str = "cpu", budget: float = 1.0) -> dict[str, float]:
    """FLOP/s of large square matrix products, on a CPU with one thread: the best of repeated ones."""
    torch.set_num_threads(1)
    size = 8192 if device == "cuda" else 1024
    left, right = (torch.randn(size, size, device=device).to(getattr(torch, precision)) for _ in range(2))
    best, end = float("inf"), time.perf_counter() + budget
    while time.perf_counter() < end:
        started = time.perf_counter()
        torch.mm(left, right)
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return {"peak_flops": 2 * size**3 / best}


def _main() -> None:
    task: dict[str, Any] = json.loads(sys.argv[1])
    result = matmul_peak(task["precision"], task["device"]) if task["loop"] == "matmul" else measure(**task)
    print(json.dumps(result))


if __name__ == "__main__":
    _main()
