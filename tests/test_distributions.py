import numpy as np
import pytest
from scipy import stats

from ecmlib.reproduction.distributions import (
    CLAIMED,
    RoundedLogNormal,
    compare_distributions,
    fit_log_normal,
    fit_negative_binomial,
    fit_pascal,
    fit_poisson,
    fit_shifted_negative_binomial,
)

SOURCES = {
    "negative binomial": stats.nbinom(12, 12 / (12 + 300)),
    "Poisson": stats.poisson(300),
    "log-normal": RoundedLogNormal(5.7, 0.5),
}


def sample(name: str, n: int = 1000, seed: int = 1) -> np.ndarray:
    return SOURCES[name].rvs(size=n, random_state=np.random.default_rng(seed))


@pytest.mark.parametrize("name", ["negative binomial", "log-normal"])
def test_the_true_distribution_wins_and_is_not_rejected(name: str) -> None:
    table = compare_distributions([int(count) for count in sample(name)], bootstraps=40).set_index("distribution")
    assert table.index[0] == name
    assert table.p_value[name] > 0.05
    assert table.p_value["Poisson"] < 0.05
    others = [other for other in table.index if other != name and not {other, name} <= set(CLAIMED)]
    assert (table.AIC[others] > table.AIC[name] + 10).all()


def test_parameters_are_recovered_within_sampling_error() -> None:
    n, p = fit_negative_binomial(sample("negative binomial", 20000)).args
    assert n == pytest.approx(12, rel=0.05)
    assert n * (1 - p) / p == pytest.approx(300, rel=0.01)
    assert fit_poisson(sample("Poisson")).args[0] == pytest.approx(300, rel=0.01)
    fitted = fit_log_normal(sample("log-normal", 20000))
    assert (fitted.mu, fitted.sigma) == pytest.approx((5.7, 0.5), abs=0.02)


def test_negative_binomial_fit_is_a_maximum_in_both_parameters() -> None:
    counts = sample("negative binomial")
    fitted = fit_negative_binomial(counts)
    best, (n, p) = fitted.logpmf(counts).sum(), fitted.args
    for other_n, other_p in [(n * 1.02, p), (n / 1.02, p), (n, p * 1.01), (n, p / 1.01), (n * 1.02, p * 1.015)]:
        assert stats.nbinom(other_n, other_p).logpmf(counts).sum() < best


def test_rounded_log_normal_is_a_distribution() -> None:
    distribution = RoundedLogNormal(2.0, 0.4)
    k = np.arange(1, 200)
    probability = np.exp(distribution.logpmf(k))
    assert probability.sum() == pytest.approx(1, abs=1e-6)
    assert np.cumsum(probability) == pytest.approx(distribution.cdf(k) - distribution.cdf(np.array([0])), abs=1e-9)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([5] * 9, "counts has 9 entries: input should have at least 10"),
        ([5] * 10 + [None], "1 of 11 counts are censored"),
        ([5] * 10 + [0], "counts holds 0: input should be greater than or equal to 1"),
    ],
)
def test_bad_counts_are_named(counts: list[int | None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare_distributions(counts)


def test_shifted_forms_find_where_they_begin() -> None:
    drawn = 40 + stats.nbinom(12, 12 / 312).rvs(size=2000, random_state=np.random.default_rng(3))
    shifted = fit_shifted_negative_binomial(drawn)
    assert abs(shifted.kwds["loc"] - 40) <= 15
    assert shifted.logpmf(drawn).sum() > fit_negative_binomial(drawn).logpmf(drawn).sum()
    pascal = 5 + stats.nbinom(5, 5 / 200).rvs(size=2000, random_state=np.random.default_rng(3))
    assert fit_pascal(pascal).kwds["loc"] == 5
    support = np.arange(5, 4000)
    assert np.exp(fit_pascal(pascal).logpmf(support)).sum() == pytest.approx(1)


@pytest.mark.parametrize(
    "counts",
    [stats.poisson(300).rvs(60, random_state=np.random.default_rng(4)), np.arange(90, 110), np.full(12, 5)],
    ids=["hardly overdispersed", "underdispersed", "all the same"],
)
def test_counts_that_scatter_no_more_than_poissons_are_fitted_by_the_limit(counts: np.ndarray) -> None:
    table = compare_distributions([int(count) for count in counts], bootstraps=20).set_index("distribution")
    lost = table.log_likelihood["Poisson"] - table.log_likelihood[["negative binomial", "shifted negative binomial"]]
    assert (lost <= 1e-3).all()
    assert np.isfinite(table[["AIC", "KS", "p_value"]]).all(axis=None)
