"""How much memory a measurement needs at least: what no machine has is refused before work begins."""

from __future__ import annotations

import os

from ecmlib.architecture import Architecture
from ecmlib.validation import shown

_GIB = 2**30
_FLOAT, _TOKEN = 4, 8  # bytes


def refuse_oversized(
    architecture: Architecture, T: int, batch_size: int = 1, stack: int = 1, available: int | None = None
) -> None:
    """Refuse what cannot be trained here.

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
    available : int, optional
        Bytes of memory; by default those of this machine.

    Raises
    ------
    ValueError
        Naming the sizes, the estimate and what there is; or if ``architecture`` is none.
    """
    if not isinstance(architecture, Architecture):
        raise ValueError(f"architecture = {shown(architecture)}: input should be an Architecture")
    size = architecture
    weights = 4 * size.n_params + 2 * size.K * size.d + size.N * size.d
    scores = size.L * size.H * (size.N - 1) ** 2
    batch = min(batch_size, T) * (scores + (size.N - 1) * size.K)
    sizes = f"d = {size.d}, H = {size.H}, N = {size.N}, L = {size.L}, K = {size.K}, T = {T}"
    _refuse(stack * (_FLOAT * (weights + batch) + _TOKEN * T * size.N), f"{sizes}: training", available)


def refuse_oversized_library(T: int, N: int, available: int | None = None) -> None:
    """Refuse a library of T sequences of N tokens that does not fit into memory; see `refuse_oversized`."""
    _refuse(_TOKEN * T * N, f"T = {T}, N = {N}: the library", available)


def _refuse(needed: int, what: str, available: int | None) -> None:
    there = _of_this_machine() if available is None else available
    if needed > there:
        raise ValueError(
            f"{what} takes at least {needed / _GIB:.3g} GiB of memory, and there are {there / _GIB:.3g} GiB"
        )


def _of_this_machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
