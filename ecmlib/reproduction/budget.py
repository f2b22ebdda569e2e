"""How long is long enough? What an architecture holds over training budgets, and whether it comes to a limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.budget_record import BudgetRecord
from ecmlib.figures.style import new_figure, styled
from ecmlib.laws.points import SIZES, configurations, surviving, unmixed
from ecmlib.record import load_folder
from ecmlib.reproduction.bits import offered_load
from ecmlib.reproduction.limits import PROTOCOL, best_forms, limits
from ecmlib.reproduction.stats import NOT_MEASURED, Finding, Statement, mean


def load_budgets(folder: str | Path) -> pd.DataFrame:
    """Read the budget records of a folder: a row a restart and budget (`ecmlib.budget_record.BudgetRecord.frame`).

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

    Warns
    -----
    UserWarning
        For each file that is no such record, with the reason. It is left out.
    """
    frames = [record.frame() for record in load_folder(folder, BudgetRecord) if record.restarts]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def same_protocol(budgets: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows over budgets that were trained as the one protocol of other results says, but for its length."""
    if budgets.empty:
        return budgets
    alike = np.logical_and.reduce([budgets[name].isin(results[name].unique()) for name in PROTOCOL])
    return budgets[alike]


def compare(frame: pd.DataFrame) -> pd.DataFrame:
    """Average the restarts of each architecture, protocol and budget.

    Returns
    -------
    DataFrame
        `SIZES`, what an architecture is made of besides, ``P``, ``load`` (library bits a parameter), the protocol's
        `PROTOCOL`, ``max_steps`` (the budget), the means ``C``, ``bits`` and ``bits_per_parameter`` over ``restarts``,
        ``C_sd`` (between restarts), ``full`` (any) and ``lost`` (all), and ``C_paper_rule`` and ``C_plateau`` as the
        first edition had them.
    """
    runs, cell = surviving(frame), [*SIZES, *PROTOCOL, "max_steps"]
    if runs.empty:
        return pd.DataFrame()
    for _, alike in runs.groupby(PROTOCOL):
        unmixed(alike)
    means = configurations(runs, ["C", "bits", "bits_per_parameter", "C_paper_rule", "C_plateau"], (), PROTOCOL)
    spread = runs.groupby(cell).agg(C_sd=("C", "std"), full=("full", "any"), lost=("lost", "all")).reset_index()
    table = means.drop(columns="complete").merge(spread, on=cell)
    return table.assign(load=offered_load(table))


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Compare what the paper's rule finds with the most that any protocol and budget has held.

    Returns
    -------
    DataFrame
        A row an architecture that is measured under the paper's protocol and another one, and whose library is not
        full: ``found``, the capacity under the paper's rule; ``plateau``, the best count of that curve; ``most``, the
        largest capacity that another protocol reached; ``share`` of ``found`` in it, and the ``protocol`` of the best.
    """
    rows = []
    for key, runs in table[~table["lost"]].groupby(SIZES):
        papers = runs[(runs["optimizer"] == "adam") & (runs["schedule"] == "constant") & (runs["lr"] == 1e-3)]
        others = runs.drop(papers.index)
        if papers.empty or others.empty or others["full"].any():
            continue
        best = others.sort_values("C").iloc[-1]
        longest = papers.sort_values("max_steps").iloc[-1]
        rows.append(
            dict(zip(SIZES, key, strict=True))
            | {"found": longest["C_paper_rule"], "plateau": longest["C_plateau"], "most": best["C"]}
            | {"share": longest["C_paper_rule"] / best["C"], "protocol": protocol_name(best)}
        )
    return pd.DataFrame(rows)


def judge(table: pd.DataFrame) -> Finding:
    """Judge "the paper's rule finds what an architecture can hold", and whether a limit shows within the budgets."""
    compared = shares(table)
    best = best_forms(limits(table))
    if len(compared) < 3 or best.empty:
        return NOT_MEASURED
    share = mean(np.log(compared["share"])).exp()
    known = best[best["known"]]
    reached = f"; they hold {known['reached'].min():.2f} to {known['reached'].max():.2f} of it" if len(known) else ""
    return Finding(
        [
            Statement(
                "The paper's rule finds as much as any protocol and budget: the share can be 1.",
                f"The paper's rule finds {{}} of the most that any protocol and budget holds ({len(compared)} "
                f"architectures).",
                share.high >= 1,
                share,
            )
        ],
        f"A limit shows in {len(known)} of {len(best)} curves of memorised bits over steps{reached}.",
    )


def protocol_name(row: Any) -> str:
    """Name a protocol as legends do."""
    if row["schedule"] == "constant":
        return f"{row['optimizer'].capitalize()} {row['lr']:g}"
    return f"{row['optimizer'].capitalize()} {row['lr']:g}, decay"


def plot_budgets(table: pd.DataFrame, quantity: str = "bits_per_parameter") -> Figure:
    """Draw one architecture's memory over training budgets, a line a protocol, with the limit that its best form has.

    Parameters
    ----------
    table : DataFrame
        Rows of `compare` of one architecture.
    quantity : {"bits_per_parameter", "C"}
        What is drawn.
    """
    figure, axes = new_figure()
    fitted = best_forms(limits(table, "C" if quantity == "C" else "bits"))
    for (_, runs), color, marker in styled(table.groupby(PROTOCOL, sort=False)):
        name = protocol_name(runs.iloc[0])
        axes.plot(runs["max_steps"], runs[quantity], color=color, marker=marker, label=name)
        if len(fitted):
            of_runs = fitted[(fitted[PROTOCOL] == runs.iloc[0][PROTOCOL]).all(axis=1) & fitted["known"]]
            for limit in of_runs["limit"]:
                at = limit if quantity == "C" else limit / runs["P"].iloc[0]
                axes.axhline(at, color=color, linestyle=":", linewidth=1)
    size = table.iloc[0]
    label = "bits a parameter" if quantity == "bits_per_parameter" else "C, sequences"
    title = ", ".join(f"{name}={size[name]}" for name in SIZES)
    axes.set_xscale("log")
    budgets = sorted(table["max_steps"].unique())
    axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets], fontsize="small")
    axes.minorticks_off()
    axes.set(xlabel="training budget, steps", ylabel=label, ylim=(0, None), title=title)
    axes.legend(fontsize="small")
    return figure
