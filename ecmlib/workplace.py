"""Where a measurement runs, and what is refused before it begins."""

from __future__ import annotations

import os
import shutil
from typing import Literal, NamedTuple

import torch

from ecmlib.architecture import Architecture
from ecmlib.library import LibrarySize
from ecmlib.validation import Positive, checked, refuse_beyond_memory, shown

Compiled = Literal["auto", True, False]  # whether models are made fast; "auto": where they can be
_FLOAT, _TOKEN = 4, 8  # bytes
# With what a process that measures on one core starts. glibc would give the memory of every freed tensor back to the
# kernel and pay a page fault for each page of the next one. Where there are several threads all the same, one that
# waits sleeps: beside another busy process, OpenMP's spinning threads would take each other's core for minutes.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
}


class Workplace(NamedTuple):
    """With what a process measures."""

    device: torch.device
    compiled: bool  #: whether models are made fast, see `ecmlib.forward.make_forward`


def workplace(
    architecture: Architecture,
    T: int,
    batch_size: int,
    *,
    restarts: int = 1,
    stack: int = 1,
    device: str = "auto",
    compiled: Compiled = "auto",
) -> Workplace:
    """Choose with what to measure; see `ecmlib.measure_mac` for device and compiled.

    On a CPU this process has one thread from then on, unless the environment says ``OMP_NUM_THREADS``: small models
    gain nothing from more, and beside another busy process threads that wait for each other make no progress.

    Raises
    ------
    ValueError
        If a parameter is out of range, or for what `refuse_impossible` refuses.
    """
    together = min(checked(Positive, restarts=restarts), checked(Positive, stack=stack))
    refuse_impossible(architecture, T, batch_size, together, device)
    where, asked = resolve_device(device), checked(Compiled, compiled=compiled)
    here = Workplace(where, can_compile(where) if asked == "auto" else asked)
    if here.device.type == "cpu" and not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(1)
    return here


def refuse_impossible(
    architecture: Architecture, T: int, batch_size: int = 1, stack: int = 1, device: str = "auto"
) -> None:
    """Refuse a library that does not exist, and what there is not the memory to train.

    Counted are weights with their gradients and Adam's two moments, the library, and of a batch the attention scores
    and logits that the backward pass needs: less than the whole, so that nothing possible is refused.

    Parameters
    ----------
    architecture : Architecture
        What is to be trained.
    T, batch_size : int
        Sequences of the library and of a step.
    stack : int
        Models trained side by side, each with a library.
    device : str
        Where: its memory counts, that of a GPU or of this machine; see `ecmlib.measure_mac`.

    Raises
    ------
    ValueError
        Naming the sizes, the estimate and what there is; or if ``architecture`` or ``device`` is none.
    """
    if not isinstance(architecture, Architecture):
        raise ValueError(f"architecture = {shown(architecture)}: input should be an Architecture")
    size = architecture
    weights = 4 * size.n_params + 2 * size.K * size.d + size.N * size.d
    scores = size.L * size.H * (size.N - 1) ** 2
    batch = min(batch_size, T) * (scores + (size.N - 1) * size.K)
    sizes = f"d = {size.d}, H = {size.H}, N = {size.N}, L = {size.L}, K = {size.K}, T = {T}"
    needed = stack * (_FLOAT * (weights + batch) + _TOKEN * T * size.N)
    where = resolve_device(device)
    if where.type == "cuda":
        available = torch.cuda.get_device_properties(where).total_memory
        refuse_beyond_memory(needed, f"{sizes}: training on the GPU", available)
    else:
        refuse_beyond_memory(needed, f"{sizes}: training")
    LibrarySize(T=T, N=size.N, K=size.K)


def refuse_dropout(architecture: Architecture) -> None:
    """Refuse dropout where models are trained side by side, as one, which draws no masks of its own for each."""
    if architecture.dropout > 0:
        raise ValueError(f"dropout = {architecture.dropout}: input should be 0 where models are trained side by side")


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


def can_compile(device: torch.device) -> bool:
    """Whether models can be made fast on a device: on a CPU ``torch.compile`` needs a C++ compiler."""
    return device.type != "cpu" or shutil.which(os.environ.get("CXX", "g++")) is not None
