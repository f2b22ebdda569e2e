"""Do four heads hold more than two at equal P? (paper, section 6.1; claim R12)"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from ecmlib.chance import FULL, at_least_one
from ecmlib.laws.points import surviving
from ecmlib.reproduction.stats import LEVEL, NOT_MEASURED, Estimate, Finding, Statement, above, equals


def judge(results: pd.DataFrame) -> Finding:
    """R12: at equal P, four heads hold more than two, and twice as much.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`: one configuration of two heads, and one of four whose P is nearly the same.
    """
    alive = surviving(results)
    if alive.empty or set(alive["H"]) != {2, 4}:
        return NOT_MEASURED
    two, four = (alive[alive["H"] == H] for H in (2, 4))
    ratio = _ratio(four["C_paper_rule"], two["C_paper_rule"])
    at_end = _ratio(four["C"], two["C"])
    most, P = (alive["C_raw"] / alive["T"]).max(), alive["P"].mean()
    struck = ((alive["status"] == "patience") | (alive["paper_rule_step"] < alive["steps"])).sum()
    when = (
        "Under the paper's rule"
        if struck
        else f"In {alive['steps'].max():,.0f} steps, before the paper's rule would end a run,"
    )
    return Finding(
        [
            Statement(
                f"With {P / 1e6:.2g} million parameters four heads hold more than two: the ratio is above 1.",
                when + " four heads hold {} times what two hold.",
                above(ratio, 1),
                ratio,
            ),
            Statement(
                "They hold twice as much: the ratio can be 2, and not 1.",
                f"It lies {_side(ratio, 1)} 1 and {_side(ratio, 2)} 2.",
                equals(ratio, 2, 1),
                ratio,
            ),
        ],
        f"At the end of training the ratio is {at_end}; the rule ended {struck} of {len(alive)} runs before. The "
        f"fullest has counted {most:.0%} of its library, which {'limits it' if most >= FULL else 'does not limit it'}."
        + (" One seed each gives no interval: a second one tells." if len(two) < 2 or len(four) < 2 else ""),
    )


def _ratio(these: pd.Series, others: pd.Series) -> Estimate:
    """Ratio of geometric means, with Student's t interval of independent restarts; without one for single ones."""
    logs = np.log(at_least_one(these)), np.log(at_least_one(others))
    difference = float(logs[0].mean() - logs[1].mean())
    if min(map(len, logs)) < 2:
        return Estimate(difference, np.nan, np.nan).exp()
    interval = stats.ttest_ind(*logs).confidence_interval(LEVEL)
    return Estimate(difference, float(interval.low), float(interval.high)).exp()


def _side(ratio: Estimate, number: float) -> str:
    """On which side of a number a ratio lies; without an interval, by its value alone."""
    low, high = (ratio.value, ratio.value) if np.isnan(ratio.low) else (ratio.low, ratio.high)
    return "above" if low > number else "below" if high < number else "on both sides of"
