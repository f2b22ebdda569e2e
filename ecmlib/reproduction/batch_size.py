"""How does capacity depend on the batch size? (paper, Fig. 6; claim R5)"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from ecmlib.chance import at_least_one
from ecmlib.figures.style import new_panels, styled
from ecmlib.laws.points import CONDITIONS, SIZES, beyond_chance, surviving, unmixed
from ecmlib.protocol import Protocol
from ecmlib.reproduction.measure import listed
from ecmlib.reproduction.stats import NOT_MEASURED, Estimate, Finding, Statement, above, factors, if_determined
from ecmlib.restart import SETTINGS
from ecmlib.results import CapacityRecord
from ecmlib.validation import Parameters, Positive

SATURATION = 512  # batch size after which the paper sees no more growth
SAMPLE = 1 / 8  # of the library: a batch that is a larger share of it is no sample, and is not judged
EPOCH = 31  # steps between two points of a curve, the paper's epoch at this batch size
_ONE_MODEL = [*SIZES, *(name for name in CONDITIONS if name != "batch_size")]
_T, _SIZES, _SEEDS, _ARCHITECTURES = Protocol().T, 7, 3, 2  # of a test: the paper's T, and so many runs for each N


def plan(N: list[int], d: list[int], batch_size: list[list[int]], steps: list[int]) -> list[dict[str, Any]]:
    """Return the configurations: for each N a size d, a list of batch sizes and a number of steps.

    Batch sizes from 512 up are trained for ``steps``; smaller ones for as many epochs as batch size 512, so that
    all curves of one N can be read at equal steps and at equal epochs. No run ends on a plateau.

    Raises
    ------
    ValueError
        If the lists are not equally long, or too short, or hold anything but positive integers.
    """
    one_for_each(N, d=d, batch_size=batch_size, steps=steps)
    configurations = []
    for length, width, sizes, most in zip(N, d, batch_size, steps, strict=True):
        listed("batch_size", sizes)
        for size in sizes:
            _Run(batch_size=size, steps=most)
            longer = math.ceil(SATURATION / size)
            protocol = {"min_steps": most * longer, "max_steps": most * longer, "eval_every": EPOCH * longer}
            configurations.append({"N": length, "d": width, "batch_size": size} | protocol)
    return configurations


def compare(records: Sequence[CapacityRecord]) -> pd.DataFrame:
    """Read every curve at equal steps and at equal epochs: as far as the shortest curve of its N goes.

    Returns
    -------
    DataFrame
        A row a restart: ``N``, ``d``, ``batch_size``, ``T``, ``steps`` and ``epochs`` (the equal ones), ``C_steps`` and
        ``C_epochs``; ``core_hours`` of the run; and ``beyond_guessing``: whether a curve of its N reaches counts that
        guessing does not explain.
        C is the best so far, interpolated between two points of a curve. A capacity below one sequence counts as one.

    Raises
    ------
    ValueError
        See `curves_by_batch_size`.
    """
    curves = curves_by_batch_size(records)
    run = ["N", "d", "batch_size", "restart"]
    seconds = pd.concat([record.frame() for record in records]).set_index(run)["core_seconds"].to_dict()
    epochs = curves["max_steps"] * curves["batch_size"] / curves["T"]
    curves = curves.assign(
        steps=curves.groupby("N")["max_steps"].transform("min"), epochs=epochs.groupby(curves["N"]).transform("min")
    )
    rows = []
    for (N, d, batch_size, restart), curve in surviving(curves).groupby(run):
        steps, epochs, T, K = curve[["steps", "epochs", "T", "K"]].iloc[0]
        at = np.interp([steps, epochs * T / batch_size], curve["step"], at_least_one(curve["C_best"]))
        most = curves.loc[curves["N"] == N, "last_count"].max()
        row = {"N": N, "d": d, "batch_size": batch_size, "T": T, "restart": restart, "steps": steps, "epochs": epochs}
        row |= {"C_steps": at[0], "C_epochs": at[1], "core_hours": seconds[N, d, batch_size, restart] / 3600}
        rows.append(row | {"beyond_guessing": bool(beyond_chance(most, int(T), int(K)))})
    return pd.DataFrame(rows)


def curves_by_batch_size(records: Sequence[CapacityRecord]) -> pd.DataFrame:
    """Return the curves of all records, a row a point (`CapacityRecord.curves`).

    Raises
    ------
    ValueError
        If records of one N differ in more than batch size and length of training, or two of one batch size differ at
        all; the message names it.
    """
    curves = pd.concat([record.curves() for record in records])
    for by, same in ((["N"], _ONE_MODEL), (["N", "batch_size"], SETTINGS)):
        for _, several in curves.groupby(by):
            unmixed(several, same)
    return curves


def growth(readings: pd.DataFrame, reading: str) -> dict[str, Estimate] | None:
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
        "before" and "after": factors with 95 % t intervals, common to all N; "after" where there are such batch sizes.
        None where the readings do not determine them.
    """
    doublings = np.log2(readings["batch_size"] / SATURATION)
    terms = factors(readings, ["N"]) | {"before": np.minimum(doublings, 0)}
    if (doublings > 0).any():
        terms |= {"after": np.maximum(doublings, 0)}
    fitted = if_determined(np.log(readings[reading]), terms)
    return fitted and {name: fitted[name].exp() for name in ("before", "after") if name in fitted}


def judge(readings: pd.DataFrame) -> Finding:
    """R5: capacity grows with batch size up to 512 and no further; at equal steps and at equal epochs.

    A batch that is a large share of its library is no sample of it, and is left out (`SAMPLE`).
    """
    if readings.empty:
        return NOT_MEASURED
    beyond = readings[readings["beyond_guessing"]]
    judged = beyond[beyond["batch_size"] <= SAMPLE * beyond["T"]]
    sizes = judged.drop_duplicates(["N", "batch_size"])
    slopes = 1 + (sizes["batch_size"] > SATURATION).any()
    if len(sizes) <= sizes["N"].nunique() + slopes or not (sizes["batch_size"] < SATURATION).any():
        return NOT_MEASURED
    statements = []
    for reading in ("steps", "epochs"):
        if (by := growth(judged, f"C_{reading}")) is None:
            return NOT_MEASURED
        before, after = by["before"], by.get("after")
        statements += [
            Statement(
                f"Up to {SATURATION}, larger batches hold more after equal {reading}: doubling gives a factor above 1.",
                f"After equal {reading}, doubling the batch multiplies capacity by {{}} up to {SATURATION}.",
                above(before, 1),
                before,
            ),
            Statement(
                f"Above {SATURATION} it no longer does: the factor can be 1 or less, and is smaller than before.",
                f"Above {SATURATION} it multiplies it by {{}}."
                if after
                else f"No batch above {SATURATION} is small enough beside its library to be judged.",
                after.low <= 1 and after.high < before.value if after else None,
                after,
            ),
        ]
    silent = sorted(set(readings["N"]) - set(beyond["N"]))
    notes = [f"N = {N} is left out, where no batch size got beyond guessing." for N in silent]
    if any(statement.holds is None for statement in statements):
        notes.append(
            f"Batches of more than {SAMPLE:.3g} of the library, here T = {readings['T'].max():,.0f}, are not judged. "
            + cost_of_a_test(readings)
        )
    return Finding(statements, " ".join(notes))


def cost_of_a_test(runs: pd.DataFrame) -> str:
    """Say what it needs to test what the batch size does at the paper's T, by the cost of runs at another.

    Parameters
    ----------
    runs : DataFrame
        ``N``, ``T`` and ``core_hours``, a row a run or an average of runs. As many epochs cost as much a sequence.
    """
    of_each = runs["core_hours"] * _T / runs["T"]
    hours = of_each.groupby(runs["N"]).mean().sum() * _SIZES * _SEEDS * _ARCHITECTURES
    return (
        f"To tell takes T = {_T:,}, {_SIZES} batch sizes, {_SEEDS} seeds and {_ARCHITECTURES} architectures for each "
        f"N: for as many epochs about {hours:.0f} core-hours."
    )


def one_for_each(N: list[int], **values: Sequence[Any]) -> None:
    """Refuse what is no list with one value for each N."""
    listed("N", N)
    for name, value in values.items():
        listed(name, value)
        if len(value) != len(N):
            raise ValueError(f"{name} = {value!r}: input should have one value for each of N = {N!r}")


def plot_batch_size(readings: pd.DataFrame) -> Figure:
    """Draw capacity against batch size at equal steps and at equal epochs (paper, Fig. 6).

    Parameters
    ----------
    readings : DataFrame
        What `ecmlib.reproduction.batch_size.compare` returns.
    """
    figure, panels = new_panels(2)
    for axes, reading in zip(panels, ("steps", "epochs"), strict=True):
        best = readings.groupby(["N", "batch_size"], as_index=False)[[f"C_{reading}", reading]].max()
        for (N, rows), color, marker in styled(best.groupby("N")):
            label = f"N={N}, {rows[reading].iloc[0]:.0f} {reading}"
            axes.plot(rows["batch_size"], rows[f"C_{reading}"], color=color, marker=marker, label=label)
        axes.axvline(SATURATION, color="black", linewidth=0.8, linestyle="--")
        axes.set(xlabel="batch size", title=f"equal {reading}", yscale="log")
        axes.set_xscale("log", base=2)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_formatter(NullFormatter())
        axes.legend(fontsize="x-small")
    panels[0].set_ylabel("C, sequences")
    return figure


class _Run(Parameters):
    batch_size: Positive
    steps: Positive
