"""Which distribution do counts follow? Fits by maximum likelihood, compared by AIC and Kolmogorov-Smirnov distance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats
from scipy.special import gammaln

Counts = NDArray[np.int64]
# Share of the mean: of a variance that exceeds it by less, a likelihood of thousands of counts says nothing.
_NO_MORE = 1e-3
_LEAST_SIGMA = 1e-6  # of counts that are all the same


@dataclass(frozen=True)
class RoundedLogNormal:
    """Distribution of the whole number nearest to a log-normal one, so that its likelihood is that of a count.

    Parameters
    ----------
    mu, sigma : float
        Mean and standard deviation of the logarithm.
    """

    mu: float
    sigma: float

    def cdf(self, k: Counts) -> NDArray[np.float64]:
        """Probability of at most k."""
        return np.asarray(stats.norm.cdf((np.log(np.floor(k) + 0.5) - self.mu) / self.sigma))

    def logpmf(self, k: Counts) -> NDArray[np.float64]:
        """Logarithm of the probability of k >= 1."""
        upper, lower = ((np.log(k + shift) - self.mu) / self.sigma for shift in (0.5, -0.5))
        # Of two nearly equal probabilities, the smaller tails keep more digits.
        flip = lower > 0
        high = np.where(flip, stats.norm.logsf(lower), stats.norm.logcdf(upper))
        low = np.where(flip, stats.norm.logsf(upper), stats.norm.logcdf(lower))
        return np.asarray(high + np.log1p(-np.exp(low - high)))

    def ppf(self, q: NDArray[np.float64]) -> NDArray[np.float64]:
        """Count below which a fraction q lies."""
        return np.rint(np.exp(self.mu + self.sigma * stats.norm.ppf(q)))

    def rvs(self, size: int, random_state: np.random.Generator) -> Counts:
        """Draw counts."""
        drawn = np.exp(self.mu + self.sigma * random_state.standard_normal(size))
        return np.maximum(np.rint(drawn), 1).astype(np.int64)


def fit_negative_binomial(counts: Counts) -> Any:
    """Fit a negative binomial (paper, eq. 9) as scipy's ``nbinom(n, p)``; n need not be whole.

    For any n, the likeliest mean n(1-p)/p is the sample's, which leaves a search over n alone. Counts that scatter no
    more than a Poisson distribution's get that one, the limit of large n.
    """
    mean, variance = counts.mean(), counts.var()
    if variance <= (1 + _NO_MORE) * mean:
        return stats.poisson(mean)

    values, times = np.unique(counts, return_counts=True)

    def lost(log_n: float) -> float:
        n = np.exp(log_n)
        of_n = gammaln(values + n) @ times - len(counts) * (gammaln(n) + n * np.log1p(mean / n))
        return -float(of_n + counts.sum() * np.log(mean / (n + mean)))

    guess = np.log(mean**2 / (variance - mean))
    n = np.exp(optimize.minimize_scalar(lost, bracket=(guess - 0.5, guess + 0.5)).x)
    return stats.nbinom(n, n / (n + mean))


def fit_shifted_negative_binomial(counts: Counts) -> Any:
    """Fit a negative binomial that begins at any whole number, up to the smallest count: scipy's ``loc``."""

    def shifted(shift: float) -> Any:
        fitted = fit_negative_binomial(counts - round(shift))
        return fitted.dist(*fitted.args, loc=round(shift))

    def lost(shift: float) -> float:
        return -float(shifted(shift).logpmf(counts).sum())

    shifts = np.linspace(0, counts.min(), 8)  # the likelihood may have several maxima
    best = min(shifts, key=lost)
    around = (max(0.0, best - shifts[1]), min(float(counts.min()), best + shifts[1]))
    found = optimize.minimize_scalar(lost, bounds=around, method="bounded", options={"xatol": 1.0})
    return min((shifted(float(found.x)), shifted(best)), key=lambda law: -law.logpmf(counts).sum())


def fit_pascal(counts: Counts) -> Any:
    """Fit Pascal's distribution: of the epoch of the r-th success, r a whole number, so that it begins at r."""
    values, times = np.unique(counts, return_counts=True)
    r = np.arange(1, counts.min() + 1)[:, None]
    likelihood = stats.nbinom.logpmf(values - r, r, r / counts.mean()) @ times
    best = int(r[np.argmax(likelihood), 0])
    return stats.nbinom(best, best / counts.mean(), loc=best)


def fit_poisson(counts: Counts) -> Any:
    """Fit a Poisson distribution: its mean is the sample's."""
    return stats.poisson(counts.mean())


def fit_log_normal(counts: Counts) -> RoundedLogNormal:
    """Fit a rounded log-normal by the moments of the logarithm."""
    logarithms = np.log(counts)
    return RoundedLogNormal(float(logarithms.mean()), max(float(logarithms.std()), _LEAST_SIGMA))


CLAIMED = ("negative binomial", "shifted negative binomial", "Pascal")  # forms of what the paper says
FITS: dict[str, tuple[Callable[[Counts], Any], int]] = {  # each with its number of parameters
    "negative binomial": (fit_negative_binomial, 2),
    "shifted negative binomial": (fit_shifted_negative_binomial, 3),
    "Pascal": (fit_pascal, 2),
    "Poisson": (fit_poisson, 1),
    "log-normal": (fit_log_normal, 2),
}


def compare_distributions(counts: Sequence[int | None], bootstraps: int = 200) -> pd.DataFrame:
    """Fit every distribution and say how well it describes the counts.

    Parameters
    ----------
    counts : sequence of int
        At least 10 positive counts.
    bootstraps : int
        Samples drawn from each fitted distribution and fitted again, for the p-value of the Kolmogorov-Smirnov
        distance: the tables hold neither for fitted parameters nor for counts.

    Returns
    -------
    DataFrame
        A row a distribution, best AIC first: distribution, parameters, log_likelihood, AIC, KS, p_value.

    Raises
    ------
    ValueError
        For a missing (censored) count, too few counts, or counts below 1.
    """
    values = checked_counts(counts)
    generator = np.random.default_rng(0)
    rows = []
    for name, (fit, n_parameters) in FITS.items():
        fitted = fit(values)
        log_likelihood = float(np.sum(fitted.logpmf(values)))
        distance = _ks_distance(values, fitted)
        drawn = (fitted.rvs(size=len(values), random_state=generator) for _ in range(bootstraps))
        exceeding = sum(_ks_distance(sample, fit(sample)) >= distance for sample in drawn)
        rows.append(
            {
                "distribution": name,
                "parameters": _parameters(fitted),
                "log_likelihood": log_likelihood,
                "AIC": 2 * n_parameters - 2 * log_likelihood,
                "KS": distance,
                "p_value": (exceeding + 1) / (bootstraps + 1),
            }
        )
    return pd.DataFrame(rows).sort_values("AIC", ignore_index=True)


def checked_counts(counts: Sequence[int | None]) -> Counts:
    """Return the counts as an array, or say in a ValueError why they cannot be fitted."""
    missing = sum(count is None for count in counts)
    if missing:
        raise ValueError(f"{missing} of {len(counts)} counts are censored: train longer (max_epochs) before fitting")
    values = np.array(counts, dtype=np.int64)
    if len(values) < 10:
        raise ValueError(f"counts has {len(values)} entries: input should have at least 10")
    if values.min() < 1:
        raise ValueError(f"counts holds {values.min()}: input should be greater than or equal to 1")
    return values


def _ks_distance(counts: Counts, fitted: Any) -> float:
    """Largest distance between the counts' cumulative distribution and the fitted one, at whole numbers."""
    support, occurrences = np.unique(counts, return_counts=True)
    empirical = np.cumsum(occurrences) / len(counts)
    at = np.abs(empirical - fitted.cdf(support))
    before = np.abs(np.concatenate([[0], empirical[:-1]]) - fitted.cdf(support - 1))
    return float(max(at.max(), before.max()))


def _parameters(fitted: Any) -> str:
    if isinstance(fitted, RoundedLogNormal):
        return f"mu={fitted.mu:.4g}, sigma={fitted.sigma:.4g}"
    names = {"nbinom": ("n", "p"), "poisson": ("mu",)}[fitted.dist.name]
    values = [f"{name}={value:.4g}" for name, value in zip(names, fitted.args, strict=True)]
    return ", ".join([*values, *(f"shift={loc}" for loc in fitted.kwds.values())])
