"""What measured capacities and fitted laws say of the paper's claims on its law (R7 to R11)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ecmlib.chance import FULL, at_least_one
from ecmlib.laws.base import Law
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.points import configurations, growing, scored
from ecmlib.laws.scores import relative_errors
from ecmlib.reproduction.growth import FEWEST, exponents_over_d
from ecmlib.reproduction.stats import (
    NOT_MEASURED,
    Finding,
    Statement,
    above,
    below,
    bootstrapped,
    equals,
    least_squares,
)

PUBLISHED_MAPE = 0.497  # of the ECM on the paper's own data (section 6.2)
AGREES = 0.25  # mean relative error up to which predictions agree with what is measured
_SLIGHT = 0.1  # ratios and exponents this near to 1 count as 1
LOSSES = {"squares": "squared sequences", "mape": "relative errors", "log": "squared logarithms"}


def heat_maps(measured: Mapping[int, tuple[pd.DataFrame, Law]]) -> Finding:
    """R7: the paper's form predicts what is measured, for L = 1 and 2, where it can be wrong.

    Parameters
    ----------
    measured : mapping
        For each L, rows of `ecmlib.load_results` and the law that was fitted to them.
    """
    statements, judged = [], set()
    for L, (frame, law) in measured.items():
        points = scored(frame, law.evidence.target)
        telling = points[points["telling"]]
        if len(telling) < 2:
            continue
        judged.add(L)
        error = bootstrapped(np.mean, relative_errors(law, telling))
        full = points[points["full"]]
        said = int((law.predict_frame(full) >= FULL * full["T"]).sum())
        statements.append(
            Statement(
                f"With L = {L} the fitted law errs by less than {AGREES:.0%} on average where it can be wrong: where "
                "the library is not full and more than guesses are counted.",
                f"With L = {L} it errs by {{}} at {len(telling)} configurations of {len(points)}; of {len(full)} full "
                f"libraries it calls {said} full.",
                below(error, AGREES),
                error,
            )
        )
    return Finding(statements) if {1, 2} <= judged else NOT_MEASURED


def slopes(frame: pd.DataFrame, ecm: EmpiricalCapacityModel) -> Finding:
    """R8: below saturation capacity has one slope over d, and eq. 10 gives it for each N and H.

    Parameters
    ----------
    frame : DataFrame
        Rows of `ecmlib.load_results`, one L, K and T.
    ecm : EmpiricalCapacityModel
        Fitted to them.
    """
    lines = measured_slopes(frame)
    if len(lines) < 2:
        return NOT_MEASURED
    predicted = at_least_one(ecm.slope(lines["H"], lines["N"]) * 1000) / 1000
    off = bootstrapped(np.mean, np.abs(np.log(predicted / lines["slope"]))).exp()
    power = bootstrapped(np.mean, exponents_over_d(frame)["exponent"])
    straight = power.low <= 1 + _SLIGHT and power.high >= 1 - _SLIGHT
    return Finding(
        [
            Statement(
                "The fitted slope f(H, N) is that of capacity over d below saturation, within a factor of 1.5 on "
                "average.",
                f"The slope of eq. 10 is off by a factor {{}}, over {len(lines)} pairs of N and H.",
                below(off, 1.5),
                off,
            ),
            Statement(
                "There is one slope: capacity grows as d to a power that can be within a tenth of 1.",
                "Capacity grows as d to the power {}.",
                straight,
                power,
            ),
        ]
    )


def against_polynomial(errors: pd.DataFrame) -> Finding:
    """R9: fitted alike, the ECM's MAPE is below that of the polynomial of degree 5.

    Parameters
    ----------
    errors : DataFrame
        What `ecmlib.laws.comparison.like_for_like` returns.
    """
    if errors.empty:
        return NOT_MEASURED
    statements = []
    for loss, rows in errors.groupby("loss", sort=False):
        cells = rows.pivot_table(index=["d", "H", "N"], columns="law", values=["in_sample", "left_out"])
        for when, words in (("in_sample", "where they were fitted"), ("left_out", "on configurations left out")):
            ecm, polynomial = cells[when]["ECM"], cells[when]["polynomial"]
            ahead = bootstrapped(np.mean, polynomial - ecm)
            statements.append(
                Statement(
                    f"Both fitted by {LOSSES[str(loss)]}, the ECM errs less {words}.",
                    f"Fitted by {LOSSES[str(loss)]}, the ECM errs by {ecm.mean():.2f} and the polynomial by "
                    f"{polynomial.mean():.2f} {words}, a difference of {{}}.",
                    above(ahead, 0),
                    ahead,
                )
            )
    return Finding(statements)


def table_1(frame: pd.DataFrame) -> Finding:
    """R10: Table 1 predicts what is counted at its T and under its rule, as well as the paper says, at every d.

    Parameters
    ----------
    frame : DataFrame
        Rows of `ecmlib.load_results` of one layer and T = 16000.
    """
    beside = beside_published(frame)
    if len(beside) < 3 or beside["d"].nunique() < 2:
        return NOT_MEASURED
    measured = at_least_one(beside["C_paper_rule"])
    logs = pd.Series(np.log(beside["published"] / measured), beside.index)
    error = bootstrapped(np.mean, np.abs(beside["published"] / measured - 1))
    drift = least_squares(logs, {"d": np.log(beside["d"]), "all": np.ones(len(beside))})["d"]
    by_d = logs.groupby(beside["d"]).mean()
    factors = ", ".join(f"{np.exp(factor):.2f} (d = {d})" for d, factor in by_d.items())
    return Finding(
        [
            Statement(
                f"Table 1 predicts as well as the paper says: its MAPE is at most {PUBLISHED_MAPE}.",
                f"At {len(beside)} configurations, counted under the paper's rule, its MAPE is {{}}.",
                below(error, PUBLISHED_MAPE),
                error,
            ),
            Statement(
                "It is as right at one d as at another: predicted over measured goes as d to a power that can be 0, "
                "and neither 1 nor -1.",
                "Predicted over measured goes as d to the power {}.",
                equals(drift, 0, 1, -1),
                drift,
            ),
        ],
        f"On average it predicts {factors} times what is measured. K is {frame['K'].iloc[0]} here; the paper's is "
        "not known.",
    )


def extrapolation(frame: pd.DataFrame, ecm: Law) -> Finding:
    """R11: fitted to the lower half of d, the ECM over- or underestimates the upper half.

    Parameters
    ----------
    frame : DataFrame
        Rows of `ecmlib.load_results`, one L, K and T.
    ecm : Law
        Fitted to them.
    """
    largest = half_of_d(frame)
    below_it = frame[frame["d"] <= largest]
    if len(configurations(below_it, ecm.evidence.target, ecm.same)) <= ecm.n_parameters:
        return NOT_MEASURED
    refitted = ecm.refit(below_it)
    points = scored(frame, ecm.evidence.target)
    outside, inside = (points[points["telling"] & which] for which in (points["d"] > largest, points["d"] <= largest))
    if min(len(outside), len(inside)) < 2:
        return NOT_MEASURED
    off = np.log(at_least_one(refitted.predict_frame(outside)) / outside[ecm.evidence.target])
    bias = bootstrapped(np.mean, off).exp()
    beyond, within = (bootstrapped(np.mean, relative_errors(refitted, which)) for which in (outside, inside))
    biased = False if bias.low >= 1 - _SLIGHT and bias.high <= 1 + _SLIGHT else None
    return Finding(
        [
            Statement(
                "Beyond the fitted d the law is biased by more than a tenth, up or down, where the library is not "
                "full.",
                f"Fitted to d up to {largest:g}, it predicts {{}} times what is measured at larger d "
                f"({len(outside)} configurations).",
                True if bias.low > 1 + _SLIGHT or bias.high < 1 - _SLIGHT else biased,
                bias,
            )
        ],
        f"It errs by {beyond} there and by {within} where it was fitted.",
    )


def measured_slopes(frame: pd.DataFrame) -> pd.DataFrame:
    """Fit a straight line to capacity over d, below saturation and above guessing, for each N and H.

    Returns
    -------
    DataFrame
        ``N``, ``H`` and ``slope``, in sequences per unit of d; lines of fewer than
        `ecmlib.reproduction.growth.FEWEST` d, and falling ones, are left out.
    """
    rows = [
        {"N": N, "H": H, "slope": np.polyfit(line["d"], line["C"], 1)[0]}
        for (N, H), line in growing(frame).groupby(["N", "H"])
        if len(line) >= FEWEST
    ]
    lines = pd.DataFrame(rows, columns=["N", "H", "slope"])
    return lines[lines["slope"] > 0].reset_index(drop=True)


def beside_published(frame: pd.DataFrame) -> pd.DataFrame:
    """Put what the paper's own law says beside capacities at the paper's library size.

    Parameters
    ----------
    frame : DataFrame
        A row a restart, of one layer and T = 16000, as `ecmlib.load_results` returns it; may have no rows.

    Returns
    -------
    DataFrame
        A row a configuration: d, H, N and three capacities in sequences, ``published`` (Table 1), ``C_paper_rule``
        and ``C_plateau``, each of the best restart.
    """
    columns = ["d", "H", "N", "published", "C_paper_rule", "C_plateau"]
    if frame.empty:
        return pd.DataFrame(columns=columns)
    points = configurations(frame, ["C_plateau", "C_paper_rule"])
    return points.assign(published=EmpiricalCapacityModel.published(L=1).predict_frame(points))[columns]


def half_of_d(frame: pd.DataFrame) -> float:
    """The largest d of the lower half of those measured."""
    d = sorted(frame["d"].unique())
    return float(d[(len(d) - 1) // 2])
