"""Does the noise scale tell where more sequences a step stop to pay? (paper, section 5.2; claim R14)"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import optimize, stats

from ecmlib.chance import at_least_one, tails
from ecmlib.figures.style import new_figure, styled
from ecmlib.files import named_folder
from ecmlib.laws.points import surviving
from ecmlib.noise_scale import measure_noise_scale
from ecmlib.noise_scale_record import NoiseScaleRecord
from ecmlib.protocol import Protocol
from ecmlib.record import load_files, record_name
from ecmlib.reproduction.batch_size import SAMPLE, cost_of_a_test, curves_by_batch_size, one_for_each
from ecmlib.reproduction.measure import configured, measured
from ecmlib.reproduction.stats import LEVEL, NOT_MEASURED, Estimate, Finding, Statement
from ecmlib.results import CapacityRecord
from ecmlib.workplace import Compiled

_SHARE = 0.9  # of the smallest final capacity of all batch sizes: reached by all, and late


def critical_batch_sizes(records: Sequence[CapacityRecord]) -> pd.DataFrame:
    """Fit ``S = S_min (1 + B_crit / B)``: the steps S until batch size B has memorised a given number of sequences.

    The trade of steps against batch size of McCandlish et al. (2018, arXiv 1812.06162, eq. 2.7), who expect
    ``B_crit`` to be near the noise scale. Fitted to log S.

    Parameters
    ----------
    records : sequence of CapacityRecord
        Several batch sizes of each N; the best restart counts.

    Returns
    -------
    DataFrame
        A row a N: ``N``, ``T``, ``C`` (the number of sequences: 0.9 of the smallest final capacity of all batch sizes),
        ``B_crit``, ``low``, ``high`` (95 % t interval of its logarithm) and ``core_hours`` of a run. N with fewer than
        three batch sizes are left out.

    Raises
    ------
    ValueError
        See `ecmlib.reproduction.batch_size.curves_by_batch_size`.
    """
    curves = surviving(curves_by_batch_size(records))
    seconds = pd.concat([record.frame() for record in records]).groupby("N")["core_seconds"].mean()
    rows = []
    for N, several in curves.groupby("N"):
        C = _SHARE * several.groupby("batch_size")["C_best"].max().min()
        reached = several[several["C_best"] >= at_least_one(C)].groupby("batch_size")["step"].min()
        if len(reached) >= 3:
            B_crit = _critical(reached.index.to_numpy(float), reached.to_numpy(float))
            rows.append(
                {
                    "N": N,
                    "T": several["T"].iloc[0],
                    "C": C,
                    "B_crit": B_crit.value,
                    "low": B_crit.low,
                    "high": B_crit.high,
                    "core_hours": seconds[N] / 3600,
                }
            )
    return pd.DataFrame(rows, columns=["N", "T", "C", "B_crit", "low", "high", "core_hours"])


def noise_scales(
    N: list[int],
    d: list[int],
    steps: list[int],
    every: list[int],
    *,
    results: str | Path,
    train: bool = True,
    device: str = "auto",
    compiled: Compiled = "auto",
    **shared: Any,
) -> pd.DataFrame:
    """Measure the noise scale for each N along ``steps`` steps of training with the default batch size.

    Parameters
    ----------
    N, d, steps, every : list of int
        One architecture and length of training for each N; ``every`` so many steps the noise scale is estimated.
    results : path
        Folder of the records.
    train : bool
        False reads what ``results`` holds and leaves out what it does not.
    device, compiled
        See `ecmlib.measure_mac`.
    shared
        What all have, of `Architecture` and `Protocol`.

    Returns
    -------
    DataFrame
        `NoiseScaleRecord.frame` of all N together.

    Raises
    ------
    ValueError
        Before any training, if a value is unknown or out of range.
    FileNotFoundError
        If nothing may be trained and no record is there.
    """
    one_for_each(N, d=d, steps=steps, every=every)
    chosen = [
        configured({**shared, "N": length, "d": width, "max_steps": most, "eval_every": distance}, Protocol, device)
        for length, width, most, distance in zip(N, d, steps, every, strict=True)
    ]
    frames = []
    for architecture, protocol in chosen:
        path = named_folder(results) / record_name(architecture, protocol)
        if train:
            measure_noise_scale(architecture, protocol, device=device, compiled=compiled, results=results)
        frames += [record.frame() for record in load_files([path], NoiseScaleRecord)]
    if not frames:
        raise FileNotFoundError(f"results = {str(results)!r}: no noise scale is there; train = True measures it")
    return pd.concat(frames, ignore_index=True)


def judge_noise_scale(critical: pd.DataFrame, noise: pd.DataFrame) -> Finding:
    """R14: the noise scale tells the batch size beyond which more sequences a step save few steps.

    Where the interval of ``B_crit`` spans more than a factor of ten, it would meet almost anything; where the noise
    scale is a large share of the library, no batch of that size is a sample of it. Neither tells anything.

    Parameters
    ----------
    critical : DataFrame
        What `critical_batch_sizes` returns.
    noise : DataFrame
        `ecmlib.noise_scale_record.NoiseScaleRecord.frame`, of all N together.
    """
    if critical.empty:
        return NOT_MEASURED
    statements = []
    for N, T, B_crit, low, high in critical[["N", "T", "B_crit", "low", "high"]].to_numpy(float):
        training = noise[noise["N"] == N]
        late = training.loc[training["step"] >= training["step"].max() / 2, "noise_scale"]
        if late.empty:
            continue
        sample = late.median() <= SAMPLE * T
        meets = bool(late.min() <= high and late.max() >= low)
        tells = sample and (not meets or high <= 10 * low)
        statements.append(
            Statement(
                f"For N = {N:.0f} the noise scale late in training meets the critical batch size that curves show: "
                f"their intervals overlap, and the scale is at most {SAMPLE:.3g} of the library.",
                f"For N = {N:.0f} the noise scale is {late.median():,.0f} ({late.min():,.0f} to {late.max():,.0f} over "
                f"the second half of training) and the curves' critical batch size {B_crit:,.0f} ({low:,.0f} to "
                f"{high:,.0f}).",
                meets if tells else None,
            )
        )
    if not statements:
        return NOT_MEASURED
    cost = (
        f"Noise scales of more than {SAMPLE:.3g} of the library, here T = {critical['T'].max():,.0f}, tell nothing. "
        + cost_of_a_test(critical)
    )
    return Finding(statements, cost if any(statement.holds is None for statement in statements) else "")


def plot_noise_scale(noise: pd.DataFrame, critical: pd.DataFrame) -> Figure:
    """Draw the gradient noise scale along training, and the critical batch size that the curves show as a band.

    Parameters
    ----------
    noise : DataFrame
        `ecmlib.noise_scale_record.NoiseScaleRecord.frame`, of all N together.
    critical : DataFrame
        What `ecmlib.reproduction.critical_batch.critical_batch_sizes` returns; no rows while nothing is measured.
    """
    figure, axes = new_figure()
    finite = noise.replace(np.inf, np.nan).dropna()
    for (N, rows), color, marker in styled(finite.groupby("N")):
        line = rows.sort_values("step")
        label = f"noise scale, N={N}"
        axes.plot(line["step"], line["noise_scale"], color=color, marker=marker, markersize=3, label=label)
        axes.fill_between(line["step"], line["low"], line["high"], color=color, alpha=0.3, linewidth=0)
        here = critical[critical["N"] == N] if len(critical) else critical
        for B_crit, lowest, highest in here.reindex(columns=["B_crit", "low", "high"]).to_numpy():
            axes.axhspan(lowest, highest, color=color, alpha=0.12, linewidth=0)
            axes.axhline(B_crit, color=color, linestyle="--", linewidth=0.8, label=f"critical batch size, N={N}")
    low, high = finite["noise_scale"].min(), finite["noise_scale"].max()
    axes.set(xlabel="training steps", ylabel="sequences", yscale="log", ylim=(low / 10, high * 10))
    axes.legend(fontsize="x-small")
    return figure


def noise_scales_in(results: str | Path) -> pd.DataFrame:
    """Return the noise scales measured along training, a row a point; none if nothing is measured yet."""
    return measured(Path(results, "batch-size"), "noise-scale", NoiseScaleRecord)


def _critical(B: np.ndarray, S: np.ndarray) -> Estimate:
    """Fit the logarithms of S_min and B_crit."""

    def log_steps(sizes: np.ndarray, log_S_min: float, log_B_crit: float) -> np.ndarray:
        return np.asarray(log_S_min + np.log1p(np.exp(log_B_crit) / sizes))

    start = [float(np.log(S.min())), float(np.log(np.median(B)))]
    bounds = ([-np.inf, np.log(1e-3)], [np.inf, np.log(1e9)])
    found, covariance = optimize.curve_fit(log_steps, B, np.log(S), p0=start, bounds=bounds)
    half = stats.t.ppf(tails(LEVEL)[1], len(B) - 2) * np.sqrt(covariance[1, 1])
    return Estimate(float(found[1]), float(found[1] - half), float(found[1] + half)).exp()
