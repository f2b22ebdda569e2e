"""How the data's answer to a claim is said, and how sure a mean or a slope is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.regression.linear_model import OLS

LEVEL = 0.95  # of every interval
Verdict = Literal["supported", "mixed", "not supported", "not testable here", "not measured yet"]


class Estimate(NamedTuple):
    """A number and the ends of its 95 % confidence interval; these are NaN where one run alone gives it."""

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
        if np.isnan(self.low):
            return f"{self.value:.2f}"
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def below(estimate: Estimate, bound: float) -> bool | None:
    """Whether a quantity is less than a bound; None where its interval contains the bound."""
    return True if estimate.high < bound else False if estimate.low >= bound else None


def above(estimate: Estimate, bound: float) -> bool | None:
    """Whether a quantity is more than a bound; None where its interval contains the bound."""
    return True if estimate.low > bound else False if estimate.high <= bound else None


def equals(estimate: Estimate, number: float, *others: float) -> bool | None:
    """Whether a quantity can be a number; None where it can be one of the others, too, so that nothing is told."""
    if np.isnan(estimate.low) or (estimate.contains(number) and any(map(estimate.contains, others))):
        return None
    return estimate.contains(number)


class Statement(NamedTuple):
    """One thing that a claim says, and what the data say of it."""

    criterion: str  #: what has to be so for the claim to hold, in words
    found: str  #: a sentence, in which "{}" stands for the estimate
    holds: bool | None  #: None: the data cannot tell
    estimate: Estimate | None = None  #: None: an exact count

    def __str__(self) -> str:
        """The sentence, with the estimate and its interval."""
        return self.found.format(self.estimate)


@dataclass(frozen=True)
class Finding:
    """What our data say of a claim: of each statement it consists of, and what else there is to know."""

    statements: Sequence[Statement] = ()
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """All statements hold, some do, or none; where none fails and one cannot be told, it is not testable."""
        if not self.statements:
            return "not measured yet"
        holds = {statement.holds for statement in self.statements}
        if False in holds:
            return "mixed" if True in holds else "not supported"
        return "not testable here" if None in holds else "supported"

    def __str__(self) -> str:
        """The verdict, and a sentence a statement."""
        return " ".join(filter(None, [f"{self.verdict.capitalize()}.", *map(str, self.statements), self.note]))

    def beside(self, second: Finding, name: str) -> Finding:
        """Return this finding, or the second where nothing is measured for this one; a note compares both."""
        if not self.statements:
            return replace(second, note=f"{second.note} Judged on {name}.".strip()) if second.statements else second
        if not second.statements:
            return self
        both = "lead to the same verdict" if self.verdict == second.verdict else f"lead to another: {second.verdict}"
        return replace(self, note=f"{self.note} The records of {name} {both}.".strip())


NOT_MEASURED = Finding()


def least_squares(y: ArrayLike, terms: Mapping[str, ArrayLike]) -> dict[str, Estimate]:
    """Fit ``y`` by a sum of terms, each times a coefficient.

    The intervals take the residuals as independent, normal and equally wide.

    Parameters
    ----------
    y : array_like of shape (n,)
    terms : mapping of array_like of shape (n,)
        No intercept is added.

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
    found = np.column_stack([fitted.params, fitted.conf_int(1 - LEVEL)]).tolist()
    return {name: Estimate(*estimate) for name, estimate in zip(terms, found, strict=True)}


def if_determined(y: ArrayLike, terms: Mapping[str, ArrayLike]) -> dict[str, Estimate] | None:
    """Fit as `least_squares`, or return None where the points do not determine the terms."""
    try:
        return least_squares(y, terms)
    except ValueError:
        return None


def factors(rows: pd.DataFrame, settings: Sequence[str]) -> dict[str, pd.Series[bool]]:
    """Return a term for each combination of settings, which stands for a factor of its own."""
    each = rows[list(settings)].astype(str).agg("/".join, axis=1)
    return {name: each == name for name in each.unique()}


def mean(values: ArrayLike) -> Estimate:
    """Average values, with Student's t interval; of fewer than two there is none."""
    each = np.asarray(values, float)
    if each.size < 2:
        return Estimate(float(each.mean()), np.nan, np.nan)
    return least_squares(each, {"mean": np.ones(each.size)})["mean"]


def bootstrapped(statistic: Callable[..., float], *columns: ArrayLike, resamples: int = 9999) -> Estimate:
    """Give a statistic of paired columns with the percentile interval of its bootstrap, always from the same draws.

    Of fewer than two values there is no interval.
    """
    values = [np.asarray(column, float) for column in columns]
    if len(values[0]) < 2:
        return Estimate(float(statistic(*values)), np.nan, np.nan)
    options: dict[str, Any] = {"paired": True, "vectorized": False} if len(values) > 1 else {}
    drawn = stats.bootstrap(
        values, statistic, n_resamples=resamples, confidence_level=LEVEL, method="percentile", rng=0, **options
    )
    interval = drawn.confidence_interval
    return Estimate(float(statistic(*values)), float(interval.low), float(interval.high))
