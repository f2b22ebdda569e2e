"""What can be known of a random library, against the best predictor of drawn ones, position by position."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecmlib import random_library
from ecmlib.laws.demand import knowable_bits


def known_by_heart(library: np.ndarray, K: int) -> float:
    """Bits by which the library's own frequencies, after all that stands before a token, beat guessing."""
    bits = 0.0
    for n in range(1, library.shape[1]):
        before = Counter(map(tuple, library[:, :n].tolist()))
        through = Counter(map(tuple, library[:, : n + 1].tolist()))
        bits += sum(count * (np.log2(K) + np.log2(count / before[tokens[:n]])) for tokens, count in through.items())
    return bits


@pytest.mark.parametrize(
    ("N", "K", "T"), [(2, 64, 40), (4, 8, 150), (6, 8, 2048), (4, 128, 2048), (8, 3, 1000), (3, 10, 100)]
)
def test_knowable_bits_are_those_of_a_predictor_that_knows_the_library(N: int, K: int, T: int) -> None:
    drawn = [known_by_heart(random_library(T, N, K, seed).numpy(), K) for seed in range(5)]
    assert knowable_bits(np.array([N]), np.array([K]), np.array([T]))[0] == pytest.approx(np.mean(drawn), rel=0.005)


@given(st.integers(2, 64), st.integers(2, 5000), st.integers(1, 100_000))
def test_no_more_can_be_known_than_there_is(N: int, K: int, T: int) -> None:
    T = min(T, K ** (N - 1))
    known, longer = knowable_bits(np.array([N, N + 1]), np.array([K] * 2), np.array([T] * 2))
    assert T * np.log2(K) * (1 - 1e-9) <= known <= T * (N - 1) * np.log2(K) * (1 + 1e-9)
    assert longer >= known * (1 - 1e-9)


def test_long_unlike_sequences_can_be_known_whole() -> None:
    N, K, T = np.array([[64.0], [8.0]]), np.array([1e6, 1e5]), np.array([100.0, 10.0])
    np.testing.assert_allclose(knowable_bits(N, K, T), T * (N - 1) * np.log2(K), rtol=1e-4)
