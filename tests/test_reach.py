import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from ecmlib import Architecture
from ecmlib.reproduction.reach import centred, output_rows, token_reach


def test_corners_of_a_square_reach_and_its_middle_does_not() -> None:
    rows = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1], [0, 0]], dtype=float)
    np.testing.assert_allclose(token_reach(rows), [np.sqrt(2)] * 4 + [0], atol=1e-9)
    assert token_reach(rows, np.array([4, 0])) == pytest.approx([0, np.sqrt(2)])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), d=st.integers(1, 6), K=st.integers(2, 20))
def test_reach_agrees_with_a_linear_program_and_with_random_states(seed: int, d: int, K: int) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(K, d))
    reach = token_reach(rows)
    for token in range(K):
        others = np.delete(rows, token, axis=0) - rows[token]
        feasible = linprog(np.zeros(d), A_ub=others, b_ub=-np.ones(K - 1), bounds=(None, None)).status == 0
        assert (reach[token] > 0) == feasible
    states = generator.normal(size=(500, d))
    logits = np.sort(states / np.linalg.norm(states, axis=1, keepdims=True) @ rows.T, axis=1)
    winners = np.argmax(states @ rows.T, axis=1)
    assert (logits[:, -1] - logits[:, -2] <= reach[winners] + 1e-9).all()


def test_output_rows_are_those_of_the_built_model() -> None:
    size = Architecture(d=8, N=4)
    rows = output_rows(size, seed=3)
    assert rows.shape == (128, 8)
    np.testing.assert_array_equal(rows, size.build(3).to_logits.weight.detach().numpy())
    np.testing.assert_allclose(centred(rows).mean(axis=1), 0, atol=1e-12)
    assert (token_reach(rows) == 0).any(), "with d = 8, some of 128 rows lie among the others"
    assert (token_reach(output_rows(Architecture(d=32, N=4), seed=3)) > 0).all()
