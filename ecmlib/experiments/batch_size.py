"""How does capacity depend on the batch size, and does the noise scale foretell it? (paper, Fig. 6; claims R5, R14)"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import optimize, stats

from ecmlib.experiments.measure import configured, listed
from ecmlib.finding import NOT_MEASURED, Finding, verdict_of
from ecmlib.noise_scale import NoiseScaleRecord, measure_noise_scale
from ecmlib.regression import Estimate, least_squares
from ecmlib.results import CapacityRecord, record_name

SATURATION = 512  # batch size after which the paper sees no more growth
EPOCH = 31  # steps between two points of a curve, the paper's epoch at this batch size


def plan(N: list[int], batch_size: list[list[int]], steps: list[int]) -> list[dict[str, Any]]:
    """Return the configurations, a list of batch sizes and a number of steps for each N.

    Batch sizes from 512 up are trained for ``steps``; smaller ones for as many epochs as batch size 512, so that
    all curves of one N can be read at equal steps and at equal epochs. No run ends on a plateau.

    Raises
    ------
    ValueError
        If the lists are not equally long, or too short.
    """
    for name, values in (("N", N), ("batch_size", batch_size), ("steps", steps)):
        listed(name, values)
        if len(values) != len(N):
            raise ValueError(f"{name} = {values!r}: input should have one value for each of N = {N!r}")
    configurations = []
    for length, sizes, most in zip(N, batch_size, steps, strict=True):
        listed("batch_size", sizes)
        for size in sizes:
            longer = max(1, SATURATION // size)
            protocol = {"min_steps": most * longer, "max_steps": most * longer, "eval_every": EPOCH * longer}
            configurations.append({"N": length, "batch_size": size} | protocol)
    return configurations


def compare(records: Sequence[CapacityRecord]) -> pd.DataFrame:
    """Read every curve at equal steps and at equal epochs: as far as the shortest curve of its N goes.

    Returns
    -------
    DataFrame
        A row a restart: ``N``, ``batch_size``, ``steps`` and ``epochs`` (the equal ones), ``C_steps`` and ``C_epochs``.
        Between two points of a curve, C is interpolated. A capacity below one sequence counts as one.
    """
    curves = pd.concat([record.curves() for record in records])
    epochs = curves["max_steps"] * curves["batch_size"] / curves["T"]
    curves = curves.assign(
        steps=curves.groupby("N")["max_steps"].transform("min"), epochs=epochs.groupby(curves["N"]).transform("min")
    )
    rows = []
    for (N, batch_size, restart), curve in curves[curves["status"] != "diverged"].groupby(
        ["N", "batch_size", "restart"]
    ):
        steps, epochs, T = curve[["steps", "epochs", "T"]].iloc[0]
        at = np.interp([steps, epochs * T / batch_size], curve["step"], np.maximum(curve["C"], 1.0))
        row = {"N": N, "batch_size": batch_size, "restart": restart, "steps": steps, "epochs": epochs}
        rows.append(row | {"C_steps": at[0], "C_epochs": at[1]})
    return pd.DataFrame(rows)


def growth(readings: pd.DataFrame, reading: str) -> dict[str, Estimate]:
    """Fit a line broken at 512: by which factor a doubled batch changes capacity before and after.

    Parameters
    ----------
    readings : DataFrame
        What `compare` returns.
    reading : {"C_steps", "C_epochs"}
        Whether batch sizes are compared at equal steps or at equal epochs.

    Returns
    -------
    dict
        "before" and "after": factors with 95 % t intervals, common to all N.
    """
    doublings = np.log2(readings["batch_size"] / SATURATION)
    terms = {f"N={N}": readings["N"] == N for N in readings["N"].unique()}
    terms |= {"before": np.minimum(doublings, 0), "after": np.maximum(doublings, 0)}
    fitted = least_squares(np.log(readings[reading]), terms)
    return {name: fitted[name].exp() for name in ("before", "after")}


def judge(readings: pd.DataFrame) -> Finding:
    """R5: capacity grows with batch size up to 512 and no further; at equal steps and at equal epochs."""
    sizes = readings.drop_duplicates(["N", "batch_size"])
    enough = len(sizes) >= sizes["N"].nunique() + 3
    if not enough or not (sizes["batch_size"] < SATURATION).any() or not (sizes["batch_size"] > SATURATION).any():
        return NOT_MEASURED
    steps, epochs = growth(readings, "C_steps"), growth(readings, "C_epochs")
    saturates = [by["before"].low > 1 and by["after"].low <= 1 for by in (steps, epochs)]
    return Finding(
        verdict_of(*saturates),
        f"a doubled batch multiplies capacity by {steps['before'].value:.2f} below {SATURATION} and by "
        f"{steps['after'].value:.2f} above at equal steps; by {epochs['before'].value:.2f} and "
        f"{epochs['after'].value:.2f} at equal epochs",
        f"95 % t intervals over {len(sizes)} batch sizes: {steps['before']}, {steps['after']} at equal steps, "
        f"{epochs['before']}, {epochs['after']} at equal epochs",
    )


def critical_batch_sizes(records: Sequence[CapacityRecord], share: float = 0.9) -> pd.DataFrame:
    """Fit ``S = S_min (1 + B_crit / B)``: the steps S until batch size B has memorised a given number of sequences.

    The trade of steps against batch size of McCandlish et al. (2018, arXiv 1812.06162, eq. 2.7), who expect
    ``B_crit`` to be near the noise scale. Fitted to log S.

    Parameters
    ----------
    records : sequence of CapacityRecord
        Several batch sizes of each N; the best restart counts.
    share : float
        The number of sequences is this share of the smallest final capacity of all batch sizes of one N.

    Returns
    -------
    DataFrame
        A row a N: ``N``, ``C`` (the number of sequences), ``B_crit``, ``low``, ``high`` (95 % t interval of its
        logarithm). N with fewer than three batch sizes are left out.
    """
    curves = pd.concat([record.curves() for record in records])
    rows = []
    for N, several in curves.groupby("N"):
        C = share * several.groupby("batch_size")["C"].max().min()
        reached = several[several["C"] >= max(C, 1.0)].groupby("batch_size")["step"].min()
        if len(reached) >= 3:
            B_crit = _critical(reached.index.to_numpy(float), reached.to_numpy(float))
            rows.append({"N": N, "C": C, "B_crit": B_crit.value, "low": B_crit.low, "high": B_crit.high})
    return pd.DataFrame(rows, columns=["N", "C", "B_crit", "low", "high"])


def noise_scales(
    N: list[int],
    steps: list[int],
    every: list[int],
    *,
    results: str | Path,
    train: bool = True,
    device: str = "auto",
    compiled: bool | Literal["auto"] = "auto",
    **shared: Any,
) -> pd.DataFrame:
    """Measure the noise scale for each N along ``steps`` steps of training with the default batch size.

    Parameters
    ----------
    N, steps, every : list of int
        ``every`` so many steps it is estimated.
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
    for name, values in (("steps", steps), ("every", every)):
        if len(values) != len(N):
            raise ValueError(f"{name} = {values!r}: input should have one value for each of N = {N!r}")
    frames = []
    for length, most, distance in zip(N, steps, every, strict=True):
        architecture, protocol = configured({**shared, "N": length, "max_steps": most, "eval_every": distance})
        path = Path(results) / record_name(architecture, protocol)
        if train:
            chosen = protocol.model_dump(exclude={"loss", "patience_steps", "min_steps"})
            measure_noise_scale(architecture, **chosen, device=device, compiled=compiled, results=results)
        if path.exists():
            frames.append(NoiseScaleRecord.load(path).frame())
    if not frames:
        raise FileNotFoundError(f"results = {str(results)!r}: no noise scale is there; train = True measures it")
    return pd.concat(frames, ignore_index=True)


def judge_noise_scale(critical: pd.DataFrame, noise: pd.DataFrame) -> Finding:
    """R14: the noise scale tells the batch size beyond which more sequences a step save few steps.

    Holds for a N if the range of noise scales over the second half of the training meets the interval of ``B_crit``,
    unless that spans more than a factor of ten, which would agree with almost anything.

    Parameters
    ----------
    critical : DataFrame
        What `critical_batch_sizes` returns.
    noise : DataFrame
        `ecmlib.noise_scale.NoiseScaleRecord.frame`, of all N together.
    """
    if critical.empty:
        return NOT_MEASURED
    meets, said, intervals = [], [], []
    for N, B_crit, low, high in critical[["N", "B_crit", "low", "high"]].to_numpy(float):
        training = noise[noise["N"] == N]
        late = training.loc[training["step"] >= training["step"].max() / 2, "noise_scale"]
        if late.empty:
            continue
        meets.append(bool(high <= 10 * low and late.min() <= high and late.max() >= low))
        said.append(f"N={N:.0f}: noise scale {late.median():.0f}, curves say {B_crit:.0f}")
        ends = f"second half of training {late.min():.0f} to {late.max():.0f}"
        intervals.append(f"N={N:.0f}: {ends}, 95 % interval of the curves {low:.0f} to {high:.0f}")
    return Finding(verdict_of(*meets), "; ".join(said), "; ".join(intervals)) if meets else NOT_MEASURED


def _critical(B: np.ndarray, S: np.ndarray) -> Estimate:
    """Fit the logarithms of S_min and B_crit."""

    def log_steps(sizes: np.ndarray, log_S_min: float, log_B_crit: float) -> np.ndarray:
        return np.asarray(log_S_min + np.log1p(np.exp(log_B_crit) / sizes))

    start = [float(np.log(S.min())), float(np.log(np.median(B)))]
    bounds = ([-np.inf, np.log(1e-3)], [np.inf, np.log(1e9)])
    found, covariance = optimize.curve_fit(log_steps, B, np.log(S), p0=start, bounds=bounds)
    half = stats.t.ppf(0.975, len(B) - 2) * np.sqrt(covariance[1, 1])
    return Estimate(float(found[1]), float(found[1] - half), float(found[1] + half)).exp()
