import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecmlib import Architecture, count_memorised, random_library
from ecmlib.chance import expected_guesses, guess_corrected, guess_distribution, with_guesses


@given(T=st.integers(1, 10**5), K=st.integers(2, 1000), share=st.floats(0, 1))
def test_correction_removes_what_guessing_adds(T: int, K: int, share: float) -> None:
    memorised = share * T
    counted = memorised + (T - memorised) / K
    assert guess_corrected(counted, T, K) == pytest.approx(memorised, abs=1e-6 * T)
    assert with_guesses(memorised, T, K) == pytest.approx(counted, abs=1e-6 * T)


def test_expected_guesses_are_the_mean_of_their_distribution() -> None:
    assert expected_guesses(16000, 128) == guess_distribution(16000, 128).mean() == 125


@pytest.mark.parametrize("seed", range(5))
def test_untrained_model_guesses_as_often_as_the_binomial_says(seed: int) -> None:
    T, K = 3000, 16
    low, high = guess_distribution(T, K).interval(0.999)
    architecture = Architecture(d=16, N=8, K=K)
    memorised = count_memorised(architecture.build(seed), random_library(T, 8, K, seed))
    assert low <= memorised.last_count <= high
