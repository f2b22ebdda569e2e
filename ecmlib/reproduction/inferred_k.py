"""What was the paper's K? For which vocabulary its Table 1 predicts what its library and its rule give."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.special import softmax

from ecmlib.chance import at_least_one
from ecmlib.figures.style import new_panels, styled
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.points import scored
from ecmlib.reproduction.stats import (
    NOT_MEASURED,
    Estimate,
    Finding,
    Statement,
    above,
    bootstrapped,
    equals,
    factors,
    least_squares,
)

SURE = 0.95  # share of the likelihood with which one K is inferred
CELL = ["d", "H", "N"]


def compare(frame: pd.DataFrame) -> pd.DataFrame:
    """Put Table 1 beside what was counted for each K, at the configurations that all K of the frame have.

    Parameters
    ----------
    frame : DataFrame
        Rows of `ecmlib.load_results`, of one layer, T = 16000 and several K; models with dropout are left out.

    Returns
    -------
    DataFrame
        ``K``, ``d``, ``H``, ``N``, ``measured`` (best restart, under the paper's rule), ``telling`` (neither full nor
        lost in guessing), ``compared`` (telling at every K), ``published`` and ``off``, the logarithm of published over
        measured. Empty where two K do not share two configurations that are telling at both.
    """
    plain = frame[frame["dropout"] == 0] if len(frame) else frame
    if plain.empty:
        return pd.DataFrame()
    points = scored(plain, "C_paper_rule")
    shared = points[points.groupby(CELL)["K"].transform("nunique") == points["K"].nunique()]
    shared = shared.assign(compared=shared.groupby(CELL)["telling"].transform("all"))
    if shared["K"].nunique() < 2 or shared["compared"].sum() < 2 * shared["K"].nunique():
        return pd.DataFrame()
    measured = at_least_one(shared["C_paper_rule"])
    published = EmpiricalCapacityModel.published(L=1).predict_frame(shared)
    table = shared[["K", *CELL, "telling", "compared"]].assign(measured=measured, published=published)
    return table.assign(off=np.log(table["published"] / table["measured"])).reset_index(drop=True)


def likelihoods(table: pd.DataFrame) -> pd.DataFrame:
    """Say how likely each K makes what was counted, were Table 1 right but for log-normal errors of unknown size.

    Only configurations that are telling at every K are compared.

    Returns
    -------
    DataFrame
        ``K``, ``sigma`` (the likeliest standard deviation of the logarithm), ``log_likelihood`` with that sigma,
        ``share`` of the likelihood of all K, and ``factor``, by which Table 1 is off on average.
    """
    off = _off_by_K(table)
    log_likelihood = _log_likelihood(off.to_numpy())
    by_K = {
        "sigma": np.sqrt(np.mean(off**2, axis=0)),
        "log_likelihood": log_likelihood,
        "factor": np.exp(off.abs().mean()),
        "share": softmax(log_likelihood),
    }
    return pd.DataFrame(by_K, index=off.columns).reset_index()


def by_size(table: pd.DataFrame) -> pd.DataFrame:
    """Average the factor of published over measured where K are compared: columns ``K``, ``d`` and ``ratio``."""
    ratio = table[table["compared"]].groupby(["K", "d"])["off"].mean().rename("ratio").reset_index()
    return ratio.assign(ratio=np.exp(ratio["ratio"]))


def with_dropout(frame: pd.DataFrame) -> pd.DataFrame:
    """Put models trained with dropout beside those without it.

    Parameters
    ----------
    frame : DataFrame
        As for `compare`.

    Returns
    -------
    DataFrame
        A row a configuration measured both ways: ``K``, ``d``, ``H``, ``N``, ``dropout``, ``without`` and ``with``
        (sequences under the paper's rule), and ``ratio`` of the latter to the former.
    """
    if frame.empty or not 0 < (frame["dropout"] > 0).mean() < 1:
        return pd.DataFrame()
    by_dropout = {
        dropout: scored(rows, "C_paper_rule").set_index(["K", *CELL])["C_paper_rule"]
        for dropout, rows in frame.groupby("dropout")
    }
    plain = by_dropout.pop(0.0).rename("without")
    dropping = pd.concat(by_dropout, names=["dropout"]).rename("with").reset_index("dropout")
    both: pd.DataFrame = dropping.join(plain, how="inner").reset_index()
    return both.assign(ratio=at_least_one(both["with"]) / at_least_one(both["without"]))


def judge(table: pd.DataFrame, dropped: pd.DataFrame | None = None) -> Finding:
    """Judge "Table 1 tells the paper's K, and capacity is linear in d there".

    Parameters
    ----------
    table : DataFrame
        What `compare` returns.
    dropped : DataFrame, optional
        What `with_dropout` returns.
    """
    if table.empty:
        return NOT_MEASURED
    found = likelihoods(table).sort_values("share").iloc[-1]
    there = table[table["compared"] & (table["K"] == found["K"])]
    off = _off_by_K(table)
    at = off.columns.get_loc(found["K"])
    share = bootstrapped(lambda *of_K: float(softmax(_log_likelihood(np.column_stack(of_K)))[at]), *off.to_numpy().T)
    ratios = by_size(there).set_index("d")["ratio"]
    nearest = np.abs(np.log(ratios)).idxmin()
    statements = [
        Statement(
            f"Of the K measured, one has {SURE:.0%} of the likelihood that Table 1 is right.",
            f"The likeliest is K = {found['K']:.0f}, with a share of {{}} of the likelihood of the "
            f"{table['K'].nunique()} that were measured; Table 1 is off by a factor {found['factor']:.2f} there, and "
            f"least at d = {nearest} ({ratios[nearest]:.2f} times what is counted).",
            above(share, SURE),
            share,
        )
    ]
    powers = exponents(table)
    if found["K"] in powers:
        power = powers.pop(found["K"])
        statements.append(
            Statement(
                "There capacity is linear in d: its exponent can be 1, and neither 0.5 nor 2.",
                "There capacity grows as d to the power {}.",
                equals(power, 1, 0.5, 2),
                power,
            )
        )
    elsewhere = "; ".join(f"{power} at K = {K}" for K, power in powers.items())
    return Finding(
        statements,
        f"Judged by {len(there)} configurations that no K fills or loses in guessing, d from {there['d'].min()} to "
        f"{there['d'].max()}."
        + (f" Elsewhere the exponent is {elsewhere}." if elsewhere else "")
        + _of_dropout(pd.DataFrame() if dropped is None else dropped),
    )


def exponents(table: pd.DataFrame) -> dict[int, Estimate]:
    """Fit capacity as a power of d for each K, with a factor for each H and N, where it is neither full nor lost."""
    found = {}
    for K, cells in table[table["telling"]].groupby("K"):
        lines = factors(cells, ["H", "N"])
        if cells["d"].nunique() > 1 and len(cells) > len(lines) + 1:
            found[int(str(K))] = least_squares(np.log(cells["measured"]), {"d": np.log(cells["d"])} | lines)["d"]
    return found


def plot_inferred(table: pd.DataFrame) -> Figure:
    """Draw published over measured capacity against d, a line a K, and the likelihood of each K.

    Parameters
    ----------
    table : DataFrame
        What `compare` returns.
    """
    figure, (sizes, vocabularies) = new_panels(2, share_y=False, share_x=False)
    for (K, rows), color, marker in styled(by_size(table).groupby("K")):
        sizes.plot(rows["d"], rows["ratio"], color=color, marker=marker, label=f"K={K}")
    sizes.axhline(1, color="black", linewidth=0.8, linestyle="--")
    sizes.set(xlabel="d", ylabel="Table 1 / counted", xscale="log", yscale="log")
    measured_d = sorted(table["d"].unique())
    sizes.set_xticks(measured_d, [str(d) for d in measured_d])
    sizes.minorticks_off()
    sizes.legend(fontsize="x-small")
    found = likelihoods(table)
    vocabularies.plot(found["K"], found["share"], "ko-", markersize=4)
    vocabularies.set(xlabel="K, tokens", ylabel="share of the likelihood", ylim=(0, 1.05))
    vocabularies.set_xscale("log", base=2)
    return figure


def _off_by_K(table: pd.DataFrame) -> pd.DataFrame:
    """Put the compared configurations in rows, the K in columns."""
    return table[table["compared"]].pivot_table(values="off", index=CELL, columns="K")


def _log_likelihood(off: np.ndarray) -> np.ndarray:
    """Log-likelihood of each column of errors, normal about 0 with the standard deviation that suits it best."""
    sigma = np.maximum(np.sqrt(np.mean(off**2, axis=0)), 1e-6)
    return np.asarray(-len(off) * (np.log(sigma) + 0.5 * np.log(2 * np.pi * np.e)))


def _of_dropout(dropped: pd.DataFrame) -> str:
    if dropped.empty:
        return ""
    each = [
        f"{row['ratio']:.2f} (dropout = {row['dropout']:g}, "
        f"{', '.join(f'{name} = {row[name]}' for name in [*CELL, 'K'])})"
        for row in dropped.to_dict("records")
    ]
    return f" Dropout, which is part of the paper's implementation, multiplies what is counted by {' and '.join(each)}."
