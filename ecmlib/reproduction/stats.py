"""How the data's answer to a claim is said, and how sure a mean or a slope is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.regression.linear_model import OLS

Verdict = Literal["supported", "mixed", "not supported", "not measured yet"]


class Finding(NamedTuple):
    """What our data say of one claim."""

    verdict: Verdict  #: what they make of it
    number: str = ""  #: what was found, in words and numbers
    interval: str = ""  #: and how sure that is

    def __str__(self) -> str:
        """Verdict, numbers and intervals in one line."""
        return "; ".join(
            part for part in (f"{self.verdict.upper()}: {self.number}".rstrip(": "), self.interval) if part
        )


NOT_MEASURED = Finding("not measured yet")


def verdict_of(*holds: bool) -> Verdict:
    """All statements of a claim hold, some do, or none; where nothing could be told, nothing is measured yet."""
    if not holds:
        return "not measured yet"
    return "supported" if all(holds) else "mixed" if any(holds) else "not supported"


class Estimate(NamedTuple):
    """A number and the ends of its confidence interval."""

    value: float  #: the estimate itself
    low: float  #: lower end of its interval
    high: float  #: upper end

    def contains(self, number: float) -> bool:
        """Whether the interval does."""
        return self.low <= number <= self.high

    def exp(self) -> Estimate:
        """Turn a difference of natural logarithms into a ratio."""
        return Estimate(*np.exp(self).tolist())

    def __str__(self) -> str:
        """Value and interval with two decimals."""
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def least_squares(y: ArrayLike, terms: Mapping[str, ArrayLike], level: float = 0.95) -> dict[str, Estimate]:
    """Fit ``y`` by a sum of terms, each times a coefficient.

    Parameters
    ----------
    y : array_like of shape (n,)
    terms : mapping of array_like of shape (n,)
        No intercept is added.
    level : float
        Of the intervals, which take the residuals as independent, normal and equally wide.

    Raises
    ------
    ValueError
        If there are no more points than terms, or if a term is a sum of others.
    """
    design = np.column_stack([np.asarray(term, float) for term in terms.values()])
    observed = np.asarray(y, float)
    freedom = len(observed) - design.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError(f"{len(observed)} points do not determine {', '.join(terms)} and their intervals")
    fitted = OLS(observed, design).fit()
    found = np.column_stack([fitted.params, fitted.conf_int(1 - level)]).tolist()
    return {name: Estimate(*estimate) for name, estimate in zip(terms, found, strict=True)}


def mean(values: ArrayLike, level: float = 0.95) -> Estimate:
    """Average values, with Student's t interval."""
    return least_squares(values, {"mean": np.ones(np.shape(values))}, level)["mean"]


def bootstrapped(
    statistic: Callable[..., float], *columns: ArrayLike, level: float = 0.95, resamples: int = 9999
) -> Estimate:
    """Give a statistic of paired columns with the percentile interval of its bootstrap, always from the same draws."""
    values = [np.asarray(column, float) for column in columns]
    options: dict[str, Any] = {"paired": True, "vectorized": False} if len(values) > 1 else {}
    drawn = stats.bootstrap(
        values, statistic, n_resamples=resamples, confidence_level=level, method="percentile", rng=0, **options
    )
    interval = drawn.confidence_interval
    return Estimate(float(statistic(*values)), float(interval.low), float(interval.high))
