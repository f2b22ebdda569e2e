"""How long is long enough? What an architecture holds over training budgets, and whether it comes to a limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecmlib.architecture import Architecture
from ecmlib.budget_record import BudgetRecord
from ecmlib.files import named_folder
from ecmlib.laws.points import SIZES, configurations, scored, surviving, unmixed
from ecmlib.protocol import Protocol
from ecmlib.record import load_folder
from ecmlib.reproduction.bits import offered_load
from ecmlib.reproduction.limits import CURVE, PROTOCOL, SAME
from ecmlib.reproduction.stats import NOT_MEASURED, Finding, Statement, mean
from ecmlib.restart import seeds_of_restart, settings_of
from ecmlib.validation import said_of

_MEASURED = ["C", "bits", "bits_per_parameter"]
_BY_RULES = ["C_paper_rule", "C_plateau_rule", "C_paper_rule_end", "C_plateau_rule_end"]


def load_budgets(folder: str | Path) -> pd.DataFrame:
    """Read the budget records of a folder: a row a restart and budget (`ecmlib.budget_record.BudgetRecord.frame`).

    Runs that are there twice, since one record has other budgets than another, count once (`distinct`).

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
    return distinct(pd.concat(frames, ignore_index=True)) if frames else pd.DataFrame()


def distinct(runs: pd.DataFrame) -> pd.DataFrame:
    """Leave out of rows a restart and budget what is the same run again: same cell, and seeds of all that varies."""
    kinds = [Protocol(seed=seed, vary=vary) for seed, vary in zip(runs["seed"], runs["vary"], strict=True)]
    seeds = [str(seeds_of_restart(*one)) for one in zip(kinds, runs["restart"], strict=True)]
    of_run = runs[[*CURVE, *SAME, "max_steps"]].assign(seeds=seeds)
    return runs[~of_run.duplicated()].reset_index(drop=True)


def same_protocol(budgets: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows over budgets that were trained as the one protocol of other results says, but for its length."""
    if budgets.empty:
        return budgets
    alike = np.logical_and.reduce([budgets[name].isin(results[name].unique()) for name in PROTOCOL])
    return budgets[alike]


def refuse_mixture(results: str | Path, architecture: Architecture, protocol: Protocol) -> None:
    """Refuse, before it is trained, what `compare` could not tell from other measurements of a folder.

    Raises
    ------
    ValueError
        Naming the folder, and what differs: what protocols have in common but for their name (`PROTOCOL`).
    """
    folder, asked = named_folder(results), pd.DataFrame([settings_of(architecture, protocol)])
    runs = load_budgets(folder) if folder.is_dir() else pd.DataFrame()
    with said_of(f"results = {str(results)!r}: with what it holds"):
        unmixed(pd.concat([same_protocol(runs, asked), asked]), SAME)


def compare(frame: pd.DataFrame) -> pd.DataFrame:
    """Average the restarts of each architecture, protocol and budget.

    Returns
    -------
    DataFrame
        `SIZES`, what an architecture is made of besides, ``P``, ``load`` (library bits a parameter), the protocol's
        `PROTOCOL`, ``max_steps`` (the budget), the means ``C``, ``bits`` and ``bits_per_parameter`` over ``restarts``,
        ``C_sd`` (between restarts), ``full`` (any) and ``lost`` (all), and, where the frame has them, the best counts
        until the paper's rule and the plateau rule of the main grid would have ended a run, ``C_paper_rule`` and
        ``C_plateau_rule``, and the means of the last tenth before, ``C_paper_rule_end`` and ``C_plateau_rule_end``.

    Raises
    ------
    ValueError
        If a protocol's runs differ in what they should have in common, such as the precision or the seed.
    """
    runs, cell = surviving(frame), [*SIZES, *PROTOCOL, "max_steps"]
    if runs.empty:
        marks = ["lost", "full", "restarts", "C_sd", "load"]
        return pd.DataFrame(columns=[*CURVE, "max_steps", *_MEASURED, *_BY_RULES, *marks])
    for _, alike in runs.groupby(PROTOCOL):
        unmixed(alike, SAME)
    means = configurations(runs, [*_MEASURED, *(name for name in _BY_RULES if name in runs)], (), PROTOCOL)
    spread = runs.groupby(cell).agg(C_sd=("C", "std"), full=("full", "any")).reset_index()
    table = means.drop(columns=["complete", "spread"]).merge(spread, on=cell)
    return table.assign(load=offered_load(table))


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Compare what two stopping rules find of a run of the paper's with the most that any protocol has held.

    Returns
    -------
    DataFrame
        A row an architecture that is measured under the paper's protocol and another one, and whose library is not
        full: ``found``, the capacity under the paper's rule; ``plateau``, that under the main grid's, both the best
        counts of noisy curves, and ``found_end`` and ``plateau_end``, the means of the last tenth before these rules
        stop; ``most``, the capacity at the end of the run that memorises the most bits, by any protocol, the paper's
        too, at any budget: the largest of many counts would be partly luck; ``share`` of ``found`` in it, and the
        ``protocol`` and ``max_steps`` of the most.
    """
    rows = []
    for key, runs in table[~table["lost"].astype(bool)].groupby(SIZES):
        papers = runs[(runs["optimizer"] == "adam") & (runs["schedule"] == "constant") & (runs["lr"] == 1e-3)]
        if papers.empty or len(papers) == len(runs) or runs["full"].any():
            continue
        best = runs.sort_values("bits").iloc[-1]
        longest = papers.sort_values("max_steps").iloc[-1]
        rows.append(
            dict(zip(SIZES, key, strict=True))
            | {"found": longest["C_paper_rule"], "plateau": longest["C_plateau_rule"]}
            | {"found_end": longest["C_paper_rule_end"], "plateau_end": longest["C_plateau_rule_end"]}
            | {"most": best["C"]}
            | {"share": longest["C_paper_rule"] / best["C"], "protocol": protocol_name(best)}
            | {"max_steps": best["max_steps"]}
        )
    columns = [*SIZES, "found", "plateau", "found_end", "plateau_end", "most", "share", "protocol", "max_steps"]
    return pd.DataFrame(rows, columns=columns)


def gains(results: pd.DataFrame, papers: pd.DataFrame) -> pd.DataFrame:
    """Compare what architectures hold with what the paper's rule finds of the same ones in runs of the paper's.

    Returns
    -------
    DataFrame
        A row an architecture (`SIZES`) of which both counts tell something, neither full nor lost in guessing:
        ``found``, the capacity under the paper's rule, the best of restarts; ``C``, the mean of ``results``; ``gain``,
        their ratio; and ``gain_bits``, that of the bits memorised at the ends of both runs.
    """
    found = scored(papers, "C_paper_rule").query("telling").rename(columns={"C_paper_rule": "found"})
    both = found[[*SIZES, "found"]].merge(scored(results, "C").query("telling")[[*SIZES, "C"]], on=SIZES)
    bits, of_papers = (configurations(runs, "bits")[[*SIZES, "bits"]] for runs in (results, papers))
    both = both.merge(bits, on=SIZES).merge(of_papers, on=SIZES, suffixes=("", "_of_papers"))
    return both.assign(gain=both["C"] / both["found"], gain_bits=both["bits"] / both.pop("bits_of_papers"))


def largest_limits(limited: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return, for each architecture, the largest limit that is known of its protocols.

    Parameters
    ----------
    limited : DataFrame
        What `ecmlib.reproduction.limits.of_best_form` returns.
    quantity : {"bits", "C"}
    """
    known = limited[(limited["quantity"] == quantity) & limited["known"]]
    return known.loc[known.groupby(SIZES)["limit"].idxmax()].reset_index(drop=True)


def with_load(limited: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add to limits (`ecmlib.reproduction.limits.of_best_form`) the ``load`` of their curves in what `compare` says."""
    return limited.merge(table[[*CURVE, "load"]].drop_duplicates(), on=CURVE)


def beside_limits(results: pd.DataFrame, limited: pd.DataFrame) -> pd.DataFrame:
    """Compare the bits that architectures hold with the largest limit that is known of each (`largest_limits`).

    Returns
    -------
    DataFrame
        A row an architecture that both have: `SIZES`, ``max_steps`` of ``results``, the mean of ``bits`` there,
        ``limit`` and its ``share``, with the ends that the limit's interval gives it, ``share_low`` and ``share_high``,
        and ``steps_90``, after which the limit's own protocol reaches 90 % of it.
    """
    held = configurations(results, "bits")[[*SIZES, "max_steps", "bits"]]
    both = held.merge(largest_limits(limited, "bits")[[*SIZES, "limit", "low", "high", "steps_90"]], on=SIZES)
    of = {f"share{end}": both["bits"] / both[name] for end, name in (("", "limit"), ("_low", "high"), ("_high", "low"))}
    return both.assign(**of).drop(columns=["low", "high"])


def judge(table: pd.DataFrame, limited: pd.DataFrame) -> Finding:
    """Judge "the paper's rule finds what an architecture can hold", and whether a limit shows within the budgets.

    Parameters
    ----------
    table : DataFrame
        What `compare` returns.
    limited : DataFrame
        What `ecmlib.reproduction.limits.of_best_form` returns.
    """
    compared, of_bits = shares(table), limited[limited["quantity"] == "bits"]
    if len(compared) < 3 or of_bits.empty:
        return NOT_MEASURED
    share = mean(np.log(compared["share"])).exp()
    known = of_bits[of_bits["known"]]
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
        f"A limit of memorised bits is known of {len(known)} of {len(of_bits)} curves{reached}.",
    )


def protocol_name(row: Any) -> str:
    """Name a protocol as legends do."""
    if row["schedule"] == "constant":
        return f"{row['optimizer'].capitalize()} {row['lr']:g}"
    return f"{row['optimizer'].capitalize()} {row['lr']:g}, decay"
