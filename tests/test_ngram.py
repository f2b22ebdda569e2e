"""The n-gram reference against its definition, and against a source whose entropy is known."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecmlib.ngram import ngram_bits

SEQUENCES = st.integers(2, 5).flatmap(
    lambda N: st.tuples(
        st.lists(st.lists(st.integers(0, 3), min_size=N, max_size=N), min_size=1, max_size=12),
        st.lists(st.lists(st.integers(0, 3), min_size=N, max_size=N), min_size=1, max_size=4),
    )
)


def by_definition(seen: list[list[int]], context: tuple[int, ...], token: int, order: int) -> float:
    """Witten and Bell's interpolation, counted by hand for K = 4."""
    lower = 1 / 4
    for length in range(min(order, len(context) + 1)):
        h = context[len(context) - length :]
        after = Counter(
            row[i] for row in seen for i in range(max(1, length), len(row)) if tuple(row[i - length : i]) == h
        )
        if after:
            lower = (after[token] + len(after) * lower) / (after.total() + len(after))
    return lower


@given(sequences=SEQUENCES, order=st.integers(1, 4))
def test_bits_are_those_of_the_definition(sequences: tuple[list[list[int]], list[list[int]]], order: int) -> None:
    seen, coded = sequences
    bits = ngram_bits(np.array(seen), np.array(coded), K=4, order=order)
    for row, of_row in zip(coded, bits, strict=True):
        expected = [by_definition(seen, tuple(row[:i]), row[i], order) for i in range(1, len(row))]
        assert 2.0**-of_row == pytest.approx(np.array(expected))


def test_probabilities_of_all_continuations_sum_to_one() -> None:
    seen = np.random.default_rng(0).integers(5, size=(200, 4))
    every = np.array(list(itertools.product(range(5), repeat=4)))
    chance = 2.0 ** -ngram_bits(seen, every, K=5, order=3)
    assert chance.prod(axis=1).reshape(5, -1).sum(axis=1) == pytest.approx(np.ones(5))


def test_code_comes_near_the_entropy_of_a_chain() -> None:
    random = np.random.default_rng(0)
    steps = random.choice([1, 2, 3], p=[0.7, 0.2, 0.1], size=(4000, 12))
    steps[:, 0] = random.integers(16, size=4000)
    rows = np.cumsum(steps, axis=1) % 16
    entropy = -sum(p * np.log2(p) for p in (0.7, 0.2, 0.1))
    bits = ngram_bits(rows[:2000], rows[2000:], K=16).mean()
    assert entropy < bits < 1.05 * entropy
    assert ngram_bits(rows[:2000], rows[2000:], K=16, order=1).mean() == pytest.approx(4, abs=0.005)


def test_large_vocabularies_shorten_the_context() -> None:
    random = np.random.default_rng(0)
    K = 2**20  # 2^63 holds three of these
    rows = random.integers(K, size=(50, 6))
    assert (ngram_bits(rows, rows, K, order=9) == ngram_bits(rows, rows, K, order=3)).all()


def test_order_below_one_is_refused() -> None:
    rows = np.zeros((1, 2), dtype=np.int64)
    with pytest.raises(ValueError, match="order = 0: input should be greater than or equal to 1"):
        ngram_bits(rows, rows, K=2, order=0)
