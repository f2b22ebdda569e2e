import pytest
from scipy import stats

from ecmlib import Architecture
from ecmlib.chance import guess_distribution
from ecmlib.reproduction.guessing import count_guesses


def test_untrained_networks_guess_binomially(tiny: Architecture) -> None:
    T, trials = 256, 60
    counts = count_guesses(tiny, T, trials)["guessed"]
    guesses = guess_distribution(T, tiny.K)
    assert stats.ttest_1samp(counts, guesses.mean()).pvalue > 1e-3
    chi_square = (trials - 1) * counts.var() / guesses.var()
    assert 1e-3 < stats.chi2(trials - 1).cdf(chi_square) < 1 - 1e-3


def test_seed_says_all(tiny: Architecture) -> None:
    first, again, other = (count_guesses(tiny, 64, 5, seed)["guessed"].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_impossible_library_is_refused() -> None:
    with pytest.raises(ValueError, match="T = 100: at most"):
        count_guesses(Architecture(8, N=2, K=8, head_dim=4), T=100, trials=1)
