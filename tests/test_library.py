import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ecmlib import random_library


@given(K=st.integers(2, 6), N=st.integers(2, 5), seed=st.integers(0, 2**32), data=st.data())
def test_first_tokens_are_distinct_up_to_the_largest_library(K: int, N: int, seed: int, data: st.DataObject) -> None:
    T = data.draw(st.integers(1, min(K ** (N - 1), 200)))
    library = random_library(T, N, K, seed)
    assert library.shape == (T, N)
    assert library.dtype == torch.long
    assert library.min() >= 0
    assert library.max() < K
    assert len({tuple(row) for row in library[:, :-1].tolist()}) == T


def test_every_possible_prefix_can_be_asked_for() -> None:
    assert len(random_library(128, 2, 128, seed=0)) == 128


def test_every_possible_prefix_is_the_first_of_its_kind_in_the_stream() -> None:
    stream = np.random.PCG64(3).random_raw((60_000, 12)) % np.uint64(2)  # about 2^11 ln 2^11 are needed
    _, first = np.unique(stream[:, :-1], axis=0, return_index=True)
    assert len(first) == 2**11
    assert random_library(2**11, 12, 2, seed=3).tolist() == stream[np.sort(first)].tolist()


def test_same_seed_gives_this_library_on_every_machine() -> None:
    tokens = random_library(T=2048, N=8, K=128, seed=0).numpy().astype("<i8").tobytes()
    assert hashlib.sha256(tokens).hexdigest() == "af04bfcf44232d8cd1126c76ae171a8e3838673641699e1eb875148e00d272b7"
    assert not torch.equal(random_library(9, 8, 128, seed=0), random_library(9, 8, 128, seed=1))


def test_tokens_are_uniform() -> None:
    library = random_library(T=4000, N=8, K=10, seed=1)
    counts = torch.bincount(library.flatten(), minlength=10)
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"T": 0, "N": 4, "K": 8}, "T = 0: input should be greater than or equal to 1"),
        ({"T": 8, "N": 1, "K": 8}, "N = 1: input should be greater than or equal to 2"),
        ({"T": 8, "N": 4, "K": 1}, "K = 1: input should be greater than or equal to 2"),
        ({"T": 65, "N": 3, "K": 8}, r"T = 65: at most K\^\(N-1\) = 8\^2 = 64 sequences"),
    ],
)
def test_impossible_library_is_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        random_library(**sizes, seed=0)


@pytest.mark.parametrize("seed", [None, -1, 1.5, 2**63])
def test_bad_seed_is_refused(seed: Any) -> None:
    with pytest.raises(ValueError, match=f"seed = {seed}: input should be"):
        random_library(T=3, N=4, K=8, seed=seed)
