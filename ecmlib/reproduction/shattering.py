"""Do the epochs until a library is memorised follow a negative binomial distribution? (paper, Fig. 5; claim R4)"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from ecmlib.architecture import Architecture
from ecmlib.figures.style import COLORS, FEW_MARKS, new_figure, new_panels, styled
from ecmlib.files import named_folder
from ecmlib.library import random_library
from ecmlib.record import load_files, record_name
from ecmlib.reproduction.distributions import CLAIMED, FITS, checked_counts, compare_distributions
from ecmlib.reproduction.measure import combinations, records_of
from ecmlib.reproduction.reach import centred, output_rows, token_reach
from ecmlib.reproduction.stats import NOT_MEASURED, Estimate, Finding, Statement, bootstrapped
from ecmlib.restart import seed_of_restart
from ecmlib.results import one_frame
from ecmlib.shatter import epochs_to_shatter
from ecmlib.shatter_record import ShatterProtocol, ShatterRecord

SIGNIFICANT = 0.05  # a fit with a smaller p-value is rejected
TELLING = 2.0  # AIC differences from which one form is better than another


def measure(
    d: list[int],
    *,
    results: str | Path,
    H: int = 1,
    N: int = 32,
    K: int = 128,
    stack: int = 250,
    device: str = "auto",
    train: bool = True,
    **protocol: Any,
) -> list[ShatterRecord]:
    """Count epochs (`epochs_to_shatter`) for every d; ``train=False`` reads what ``results`` holds.

    Parameters
    ----------
    d, H, N, K
        Sizes; see `Architecture`.
    stack, device, results
        See `epochs_to_shatter`.
    protocol
        Values of `ShatterProtocol`.

    Raises
    ------
    ValueError
        Before any training, if a value is unknown or out of range.
    FileNotFoundError
        If nothing may be trained and no record is there.
    """
    architectures = [Architecture(**sizes, H=H, N=N, K=K) for sizes in combinations(d=d)]
    if train:
        return [
            epochs_to_shatter(architecture, **protocol, stack=stack, device=device, results=results)
            for architecture in architectures
        ]
    asked = ShatterProtocol(**protocol)
    paths = [named_folder(results) / record_name(architecture, asked) for architecture in architectures]
    stored = load_files(paths, ShatterRecord)
    if not stored:
        raise FileNotFoundError(f"results = {str(results)!r}: no trial is there; train = True measures them")
    return stored


def compare(records: Sequence[ShatterRecord], bootstraps: int = 200) -> pd.DataFrame:
    """Fit every distribution to the epochs of every record that is whole, all its trials done and none censored.

    Returns
    -------
    DataFrame
        The columns of `ecmlib.reproduction.distributions.compare_distributions` after ``d`` and ``trials``, a row a
        record and distribution.
    """
    tables = []
    for record in records:
        if len(record.epochs) < record.protocol.trials or None in record.epochs:
            continue
        table = compare_distributions(record.epochs, bootstraps)
        table.insert(0, "trials", len(record.epochs))
        table.insert(0, "d", record.architecture.d)
        tables.append(table)
    return one_frame(tables)


def judge(table: pd.DataFrame) -> Finding:
    """R4: at every d a form of the negative binomial has the least AIC of all distributions and is not rejected.

    Its forms (`ecmlib.reproduction.distributions.CLAIMED`): as it is, shifted by any whole number, and Pascal's.
    """
    if table.empty:
        return NOT_MEASURED
    statements = []
    for d, rows in table.groupby("d"):
        ours = rows["distribution"].isin(CLAIMED)
        claimed, other = (rows[which].sort_values("AIC").iloc[0] for which in (ours, ~ours))
        behind = claimed["AIC"] - other["AIC"]
        statements += [
            Statement(
                f"At d = {d} a form of the negative binomial is better by {TELLING:g} of AIC than any other "
                "distribution.",
                f"At d = {d} the AIC of the {claimed['distribution']} distribution is {abs(behind):.1f} "
                f"{'more' if behind > 0 else 'less'} than that of the {other['distribution']} one.",
                None if abs(behind) < TELLING else bool(behind < 0),
            ),
            Statement(
                f"At d = {d} the epochs can come from one: its Kolmogorov-Smirnov test gives p of {SIGNIFICANT} or "
                "more.",
                f"Of its forms the best has p = {rows.loc[ours, 'p_value'].max():.3f}, over {rows['trials'].iloc[0]} "
                f"trials (the {other['distribution']} one: {other['p_value']:.3f}).",
                bool(rows.loc[ours, "p_value"].max() >= SIGNIFICANT),
            ),
        ]
    return Finding(statements)


def reaches(records: Sequence[ShatterRecord]) -> pd.DataFrame:
    """Say how easily the frozen output map of each trial gives the last tokens that were to be memorised.

    Returns
    -------
    DataFrame
        ``d``, ``trial``, ``epochs`` and ``reach``, that of the hardest last token
        (`ecmlib.reproduction.reach.token_reach`, before training, when the last norm's gains are 1), a row a trial;
        censored trials are left out.
    """
    rows = [
        (record.architecture.d, trial, epochs, _hardest(record, seed_of_restart(record.protocol.seed, trial)))
        for record in records
        for trial, epochs in enumerate(record.epochs)
        if epochs is not None
    ]
    return pd.DataFrame(rows, columns=["d", "trial", "epochs", "reach"])


def rank_correlation(reached: pd.DataFrame) -> Estimate:
    """Spearman's correlation of the hardest token's reach with the epochs, of one d, with its 95 % interval."""

    def spearman(reach: np.ndarray, epochs: np.ndarray) -> float:
        return float(stats.spearmanr(reach, epochs).statistic)

    return bootstrapped(spearman, reached["reach"], reached["epochs"], resamples=500)


def plot_epochs(epochs: Sequence[int | None]) -> Figure:
    """Draw the share of trials done by each epoch, and what each fitted distribution says."""
    counts = checked_counts(epochs)
    figure, axes = new_figure()
    axes.ecdf(counts, color="black", label="measured")
    support = np.unique(np.geomspace(max(1, counts.min() / 2), counts.max(), 400).astype(int))
    for (name, (fit, _)), color, marker in styled(FITS.items()):
        fitted = fit(counts).cdf(support)
        axes.plot(support, fitted, "--", color=color, linewidth=1.2, label=name, marker=marker, **FEW_MARKS)
    axes.set(xlabel="epochs", ylabel="share of trials done", xscale="log")
    axes.legend(fontsize="small")
    return figure


def plot_quantiles(epochs: Sequence[int | None]) -> Figure:
    """Draw measured epochs against those that each fitted distribution expects at the same rank (QQ plot)."""
    counts = np.sort(checked_counts(epochs))
    ranks = (np.arange(len(counts)) + 0.5) / len(counts)
    figure, axes = new_figure()
    for (name, (fit, _)), color, marker in styled(FITS.items()):
        axes.plot(fit(counts).ppf(ranks), counts, marker, markersize=3, color=color, label=name)
    ends = [counts[0], counts[-1]]
    axes.plot(ends, ends, color="black", linewidth=0.8, label="perfect fit")
    axes.set(xlabel="epochs expected", ylabel="epochs measured", xscale="log", yscale="log")
    axes.legend(fontsize="small")
    return figure


def plot_reach(reached: pd.DataFrame) -> Figure:
    """Draw each trial's epochs against the reach of its hardest last token, a panel a d.

    Parameters
    ----------
    reached : DataFrame
        As `ecmlib.reproduction.shattering.reaches` returns it.
    """
    sizes = sorted(reached["d"].unique())
    figure, panels = new_panels(len(sizes))
    for d, axes in zip(sizes, panels, strict=True):
        here = reached[reached["d"] == d]
        axes.plot(here["reach"], here["epochs"], "o", markersize=2, alpha=0.5, color=COLORS[0])
        axes.set(title=f"d = {d}", xlabel="reach of the hardest token", ylabel="epochs", yscale="log")
    return figure


def shatter_records(results: str | Path) -> list[ShatterRecord]:
    """Return the records of shattering."""
    return records_of(results, "shatter", ShatterRecord)


def _hardest(record: ShatterRecord, seed: int) -> float:
    size = record.architecture
    last = np.unique(random_library(record.protocol.T, size.N, size.K, seed)[:, -1].numpy())
    return float(token_reach(centred(output_rows(size, seed)), last).min())
