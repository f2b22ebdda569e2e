"""What is to be memorised: a library of T token sequences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ecmlib.validation import LARGEST, Parameters, Positive, Seed, checked, refuse_beyond_memory

if TYPE_CHECKING:
    import torch

Tokens = NDArray[np.int64]


class LibrarySize(Parameters):
    """Size of a library that can be memorised completely: T sequences with distinct first N - 1 tokens."""

    T: Positive
    N: Annotated[int, Field(ge=2, le=LARGEST)]
    K: Annotated[int, Field(ge=2, le=LARGEST)]

    def model_post_init(self, _: object) -> None:
        most = distinct_beginnings(self.N, self.K)
        if most < self.T:
            raise ValueError(
                f"T = {self.T}: at most K^(N-1) = {self.K}^{self.N - 1} = {most} sequences can differ in their first "
                f"N-1 tokens (N = {self.N}, K = {self.K})"
            )


def distinct_beginnings(N: int, K: int) -> float:
    """Count the different first N - 1 tokens of a sequence, ``K**(N - 1)``; infinity where 64 bits do not hold it."""
    return K ** (N - 1) if 64 / math.log2(K) > N - 1 else math.inf


def random_library(T: int, N: int, K: int, seed: int) -> torch.Tensor:
    """Draw uniformly random sequences, no two of which share their first N - 1 tokens.

    Two sequences with the same first N - 1 tokens and different last ones could not both be memorised.

    Parameters
    ----------
    T, N, K : int
        Number of sequences, tokens a sequence, different tokens; ``T <= K**(N - 1)``.
    seed : int
        0 or more and less than 2^63. The same seed gives the same library on every machine.

    Returns
    -------
    LongTensor of shape (T, N)
        Tokens in 0..K-1.

    Raises
    ------
    ValueError
        If a size or the seed is out of range, or the library does not fit into memory.

    Examples
    --------
    >>> from ecmlib import random_library
    >>> random_library(T=3, N=4, K=8, seed=0).tolist()
    [[7, 1, 0, 5], [3, 6, 7, 5], [7, 5, 4, 0]]
    """
    import torch  # reading records, which checks sizes, need not wait for it

    LibrarySize(T=T, N=N, K=K)
    checked(Seed, seed=seed)
    refuse_beyond_memory(8 * T * N, f"T = {T}, N = {N}: the library")
    # NumPy promises the raw stream of a bit generator for ever, but not what its distributions make of it.
    # The remainder of 64 random bits is uniform to within K / 2^64.
    bits = np.random.PCG64(seed)
    # T at once, however few are missing: of nearly all K^(N-1) beginnings, the last ones come up rarely.
    return torch.from_numpy(distinct(lambda _: (bits.random_raw((T, N)) % np.uint64(K)).astype(np.int64), T))


def distinct(draw: Callable[[int], Tokens], n: int, rounds: int | None = None) -> Tokens:
    """Draw sequences until n of them differ in their first N - 1 tokens, or for so many rounds: then there are fewer.

    Parameters
    ----------
    draw : callable
        From the number of sequences that are missing to as many new ones or more, an array of shape (missing, N); of
        those that differ the first n are taken.
    """
    sequences = first_of_each_prefix(draw(n))[:n]
    for _ in itertools.count(1) if rounds is None else range(1, rounds):
        if len(sequences) == n:
            break
        sequences = first_of_each_prefix(np.concatenate([sequences, draw(n - len(sequences))]))[:n]
    return sequences


def first_of_each_prefix(sequences: Tokens) -> Tokens:
    """Keep, of the sequences that share their first N - 1 tokens, the first; the order stays."""
    _, first = np.unique(sequences[:, :-1], axis=0, return_index=True)
    return sequences[np.sort(first)]
