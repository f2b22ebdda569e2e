"""What no memory and no readout can exceed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import solve_ivp

from ecmlib import SignalLaw, load_law
from ecmlib.laws.bounds import most_told, used
from ecmlib.laws.detection import detected


@given(st.floats(0.001, 0.999), st.integers(2, 4096))
def test_fano_is_met_by_who_errs_alike_among_all_other_tokens(wrong: float, K: int) -> None:
    wrong *= 1 - 1 / K
    believed = np.array([1 - wrong, *np.full(K - 1, wrong / (K - 1))])
    share = 1 - stats.entropy(believed) / np.log(K)
    told = most_told(np.array([share]), np.array([float(K)]))
    assert told == pytest.approx((1 - wrong - 1 / K) / (1 - 1 / K), abs=1e-6)


def test_no_drawn_belief_tells_more_than_fano_allows() -> None:
    random, K = np.random.default_rng(0), 8
    for sharpness in (0.01, 0.1, 1.0):
        beliefs = random.dirichlet(np.full(K, sharpness), size=2000)  # some tokens are known better than others
        share = 1 - stats.entropy(beliefs, axis=1).mean() / np.log(K)
        told = (beliefs.max(axis=1).mean() - 1 / K) / (1 - 1 / K)
        assert told <= most_told(np.array([share]), np.array([float(K)]))[0] + 1e-9


@pytest.mark.parametrize("K", [2.0, 8.0, 128.0, 512.0])
def test_the_shipped_law_tells_no_more_than_its_bits_allow(K: float) -> None:
    law, share = load_law(), np.linspace(0.01, 0.999, 100)
    assert isinstance(law, SignalLaw)
    assert (detected(share, np.full(100, K), law.uneven) <= most_told(share, np.array(K))).all()


def test_ends_of_knowledge_are_ends_of_what_is_told() -> None:
    assert most_told(np.array([0.0, 1.0, 1.5]), np.array(128.0)) == pytest.approx([0, 1, 1], abs=1e-6)


def test_shares_used_are_those_of_a_memory_of_whole_sequences() -> None:
    whole = {"N": 8, "K": 128, "T": 10, "P": 1000, "C": 5.0, "bits": 5 * 7 * 7.0}  # at T = 10 beginnings seldom meet
    found = used(pd.DataFrame([whole])).iloc[0]
    assert found["of_format"] == pytest.approx(245 / 16000)
    assert found["counted"] == pytest.approx(1)
    assert found["of_readout"] == pytest.approx(0.5 / most_told(np.array([0.5]), np.array([128.0]))[0], rel=0.01)


# The derivation of the signal in the book's chapter of the law.


@pytest.mark.parametrize("K", [8.0, 128.0])
def test_signal_is_what_writing_over_the_known_and_the_unknown_alike_leaves(K: float) -> None:
    """Integrate du = (1 - u) dx, x the signal's mean square over 2 ln K, and let K Gaussian numbers be compared."""
    x = np.array([0.1, 0.5, 1.0, 2.0])
    known = solve_ivp(lambda _, u: 1 - u, (0, 2), [0.0], t_eval=x, rtol=1e-10, atol=1e-12).y[0]
    grid = np.linspace(-9, 15, 20_001)
    for share, square in zip(known, 2 * np.log(K) * x, strict=True):
        right = np.trapezoid(stats.norm.pdf(grid - np.sqrt(square)) * stats.norm.cdf(grid) ** (K - 1), grid)
        assert detected(np.array([share]), np.array([K]))[0] == pytest.approx((right - 1 / K) / (1 - 1 / K), abs=1e-6)


def test_a_weak_signal_carries_half_its_mean_square_in_nats() -> None:
    """The first assumption: information that K Gaussian numbers carry of which one is shifted, for K large."""
    random, K, square = np.random.default_rng(0), 256, 0.25
    noise = random.standard_normal((20_000, K))
    noise[:, 0] += np.sqrt(square)
    evidence = np.sqrt(square) * noise  # log-likelihood ratios, less what all have
    carried = np.log(K) - (np.logaddexp.reduce(evidence, axis=1) - evidence[:, 0]).mean()
    assert carried == pytest.approx(square / 2, rel=0.03)
