"""The n-gram reference against its definition, and against a source whose entropy is known."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecmlib.ngram import _STRENGTHS, ngram_bits

ROWS = st.integers(2, 4).flatmap(
    lambda N: st.tuples(
        *(
            st.lists(st.lists(st.integers(0, 2), min_size=N, max_size=N), min_size=least, max_size=least + 4)
            for least in (8, 1)
        )
    )
)


def by_definition(seen: list[list[int]], context: tuple[int, ...], token: int, strengths: list[float]) -> float:
    """Interpolate by counting by hand, for K = 3."""
    chance = 1 / 3
    for length, strength in enumerate(strengths[: len(context) + 1]):
        h = context[len(context) - length :]
        after = Counter(
            row[i] for row in seen for i in range(max(1, length), len(row)) if tuple(row[i - length : i]) == h
        )
        if after:
            chance = (after[token] + strength * len(after) * chance) / (after.total() + strength * len(after))
    return chance


def bits_by_definition(seen: list[list[int]], rows: list[list[int]], strengths: list[float]) -> list[list[float]]:
    return [
        [-math.log2(by_definition(seen, tuple(row[:i]), row[i], strengths)) for i in range(1, len(row))] for row in rows
    ]


@settings(deadline=None)
@given(rows=ROWS, order=st.integers(1, 4))
def test_bits_are_those_of_the_definition(rows: tuple[list[list[int]], list[list[int]]], order: int) -> None:
    seen, coded = rows
    kept = len(seen) - len(seen) // 10
    strengths: list[float] = []
    for _ in range(min(order, len(seen[0]))):
        totals = [np.sum(bits_by_definition(seen[:kept], seen[kept:], [*strengths, s])) for s in _STRENGTHS]
        strengths.append(_STRENGTHS[int(np.argmin(np.round(totals, 6)))])
    expected = np.array(bits_by_definition(seen[:kept], coded, strengths))
    assert ngram_bits(np.array(seen), np.array(coded), K=3, order=order) == pytest.approx(expected)


def test_contexts_that_tell_nothing_are_not_trusted() -> None:
    rows = np.random.default_rng(0).integers(64, size=(6000, 8))
    assert ngram_bits(rows[:4000], rows[4000:], K=64).mean() == pytest.approx(6, abs=0.03)


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
    best = np.mean(-np.log2([0.7, 0.2, 0.1])[steps[2000:, 1:] - 1])  # of who knows the chain
    bits = ngram_bits(rows[:2000], rows[2000:], K=16).mean()
    assert best < bits < 1.02 * best
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
