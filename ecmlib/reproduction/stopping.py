"""How much does the stopping rule decide? Curves already measured, stopped at every patience (beyond the paper)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import Field

from ecmlib.chance import at_least_one, guess_corrected, tails
from ecmlib.curve import patience_stop
from ecmlib.figures.style import COLORS, new_figure, new_panels
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.fitting import FitWarning
from ecmlib.laws.points import SIZES
from ecmlib.reproduction.stats import LEVEL, NOT_MEASURED, Estimate, Finding, Statement, equals, mean
from ecmlib.results import CapacityRecord
from ecmlib.validation import Parameters, Positive

PAPER = 310  # steps of patience: ten of the paper's epochs
CORNERS = [(1, 8), (1, 32), (4, 8), (4, 32)]  # H and N for which the law's slope is looked at


class StoppingChoices(Parameters):
    """What a replay may be asked for, checked before anything is read.

    Parameters
    ----------
    patience_steps : list of int
        Steps without improvement until the rule stops a run, each at least 1.
    starts, bootstraps : int
        See `ecmlib.laws.fitting.FitOptions`; intervals need at least one refit.
    """

    patience_steps: Annotated[list[Positive], Field(min_length=1)]
    starts: Positive = 50
    bootstraps: Positive = 100


def replay(records: Sequence[CapacityRecord], patience_steps: Sequence[int]) -> pd.DataFrame:
    """Stop every measured curve by the paper's rule, with several patiences.

    Returns
    -------
    DataFrame
        A row a restart and patience: sizes, ``restart``, ``status``, ``patience_steps``, ``struck`` (whether the rule
        ended the run before its end), ``step`` at which it ended, ``C_paper_rule``, the best count by then, and
        ``C_plateau``, the best at the end.

    Raises
    ------
    ValueError
        If a patience is less than 1, or if there is no run to stop.
    """
    StoppingChoices(patience_steps=list(patience_steps))
    rows = []
    for record in records:
        T, K = record.protocol.T, record.architecture.K
        sizes = {name: getattr(record.architecture, name) for name in ("d", "H", "N", "L", "K")} | {"T": T}
        for number, restart in enumerate(record.restarts):
            if restart.status == "diverged":
                continue
            best = max(restart.last_count)
            common = sizes | {"restart": number, "status": restart.status, "C_plateau": guess_corrected(best, T, K)}
            for patience in patience_steps:
                stop = patience_stop(restart.step, restart.last_count, patience)
                end = len(restart.step) - 1 if stop is None else stop
                C = guess_corrected(max(restart.last_count[: end + 1]), T, K)
                row = {"patience_steps": patience, "struck": stop is not None, "step": restart.step[end]}
                rows.append(common | row | {"C_paper_rule": C})
    if not rows:
        raise ValueError(f"records: of {len(records)} none has a run that did not diverge; there is nothing to stop")
    return pd.DataFrame(rows)


def shares(replayed: pd.DataFrame) -> pd.DataFrame:
    """Average the share of the final capacity that each patience finds, over the runs that did not memorise everything.

    Returns
    -------
    DataFrame
        A row a patience: ``share``, the geometric mean of ``C_paper_rule / C_plateau``, with its 95 % t interval
        ``low`` to ``high``; ``step``, the median step of stopping; ``struck``, the fraction of runs that the rule
        ended; ``runs``.
    """
    unsaturated = replayed[replayed["status"] != "complete"]
    rows = []
    for patience, runs in unsaturated.groupby("patience_steps"):
        share = _mean_share(runs)
        row = {"patience_steps": patience, "share": share.value, "low": share.low, "high": share.high}
        rows.append(row | {"step": runs["step"].median(), "struck": runs["struck"].mean(), "runs": len(runs)})
    return pd.DataFrame(rows, columns=["patience_steps", "share", "low", "high", "step", "struck", "runs"])


def fit_laws(replayed: pd.DataFrame, starts: int = 50, bootstraps: int = 100) -> dict[int, EmpiricalCapacityModel]:
    """Fit the paper's law to the capacities that each patience finds.

    Configurations in which a patience finds less than one sequence are left out of all fits.
    """
    best = replayed.groupby([*SIZES, "patience_steps"])["C_paper_rule"].transform("max")
    found = replayed.assign(best=best).groupby(SIZES)["best"].transform("min") >= 1
    laws = {}
    with warnings.catch_warnings(action="ignore", category=FitWarning):  # the table shows what is not determined
        for patience, frame in replayed[found].groupby("patience_steps"):
            laws[int(str(patience))] = EmpiricalCapacityModel.fit(
                frame[[*SIZES, "C_paper_rule"]], target="C_paper_rule", starts=starts, bootstraps=bootstraps
            )
    return laws


def parameters_of(laws: dict[int, EmpiricalCapacityModel]) -> pd.DataFrame:
    """Return a row a patience and quantity: every parameter of the law, and the slopes f(H, N) that they give.

    Returns
    -------
    DataFrame
        ``patience_steps``, ``quantity``, ``value``, and its 95 % interval ``low`` to ``high``, by bootstrap.
    """
    frames = []
    for patience, law in laws.items():
        parameters = law.intervals(LEVEL).rename_axis("quantity").reset_index()
        slopes = pd.DataFrame([{"quantity": f"f({H}, {N})", **_slope(law, H, N)} for H, N in CORNERS])
        frames.append(pd.concat([parameters, slopes]).assign(patience_steps=patience))
    return pd.concat(frames, ignore_index=True)


def judge(replayed: pd.DataFrame, laws: dict[int, EmpiricalCapacityModel]) -> Finding:
    """Judge "the paper's rule finds what longer training finds": of the capacities, and of the law fitted to them.

    The slopes f(H, N) of the law fitted with the paper's patience are compared with those of the longest one, both
    from the same resampled configurations.
    """
    unsaturated = replayed[(replayed["status"] != "complete") & (replayed["patience_steps"] == PAPER)]
    longest = max(laws)
    if len(unsaturated) < 3 or PAPER not in laws or longest == PAPER:
        return NOT_MEASURED
    share = _mean_share(unsaturated)
    ratios = {corner: _ratio_of_slopes(laws[PAPER], laws[longest], *corner) for corner in CORNERS}
    statements = [
        Statement(
            "The paper's rule finds all that longer training finds: the share found can be 1.",
            f"With a patience of {PAPER} steps a run ends at step {unsaturated['step'].median():.0f} (median) with a "
            "share {} of the sequences that it holds in the end.",
            equals(share, 1),
            share,
        )
    ] + [
        Statement(
            f"The law's slope at H = {H}, N = {N} is that of the longest patience: their ratio can be 1.",
            f"At H = {H}, N = {N} the slope is {{}} times that with a patience of {longest} steps.",
            equals(ratio, 1),
            ratio,
        )
        for (H, N), ratio in ratios.items()
    ]
    return Finding(statements, f"Runs that did not memorise all: {len(unsaturated)}.")


def plot_patience(shares: pd.DataFrame) -> Figure:
    """Draw the share of the final capacity that a run has found when the paper's rule ends it.

    Parameters
    ----------
    shares : DataFrame
        What `ecmlib.reproduction.stopping.shares` returns.
    """
    figure, axes = new_figure()
    color = COLORS[0]
    axes.plot(shares["patience_steps"], shares["share"], color=color, marker="o", label="share of the final capacity")
    axes.fill_between(shares["patience_steps"], shares["low"], shares["high"], color=color, alpha=0.3, linewidth=0)
    axes.plot(shares["patience_steps"], shares["struck"], "k--", marker="x", label="runs that the rule ended")
    axes.axvline(PAPER, color="black", linewidth=0.8, linestyle=":", label="the paper's patience")
    axes.set(xlabel="patience, steps", ylabel="share", xscale="log", ylim=(0, 1.05))
    figure.legend(loc="outside upper center", fontsize="small", ncols=2)
    return figure


def plot_slopes_over_patience(parameters: pd.DataFrame) -> Figure:
    """Draw how the slopes f(H, N) of the paper's law move with the patience of the runs that it is fitted to.

    Parameters
    ----------
    parameters : DataFrame
        What `ecmlib.reproduction.stopping.parameters_of` returns.
    """
    slopes = parameters[parameters["quantity"].str.startswith("f(")]
    quantities = slopes["quantity"].unique()
    figure, panels = new_panels(len(quantities), share_y=False)
    for quantity, axes in zip(quantities, panels, strict=True):
        _draw_interval(axes, slopes[slopes["quantity"] == quantity])
        axes.set(title=quantity, xscale="log")
    figure.supxlabel("patience, steps", fontsize="medium")
    figure.supylabel("sequences per unit of d", fontsize="medium")
    return figure


def _mean_share(runs: pd.DataFrame) -> Estimate:
    """Geometric mean of C_paper_rule / C_plateau; less than one sequence counts as one."""
    logarithm = np.log(at_least_one(runs["C_paper_rule"]) / at_least_one(runs["C_plateau"]))
    return mean(logarithm).exp()


def _ratio_of_slopes(law: EmpiricalCapacityModel, other: EmpiricalCapacityModel, H: int, N: int) -> Estimate:
    ratios = _drawn_slopes(law, H, N) / _drawn_slopes(other, H, N)
    return Estimate(float(law.slope(H, N) / other.slope(H, N)), *np.quantile(ratios, tails(LEVEL)).tolist())


def _slope(law: EmpiricalCapacityModel, H: int, N: int) -> dict[str, float]:
    low, high = np.quantile(_drawn_slopes(law, H, N), tails(LEVEL))
    return {"value": float(law.slope(H, N)), "low": low, "high": high}


def _drawn_slopes(law: EmpiricalCapacityModel, H: int, N: int) -> np.ndarray:
    """Slopes of the bootstrapped laws; those fitted to the same configurations drew the same ones."""
    return np.array([float(type(law).from_parameters(draw).slope(H, N)) for draw in law.evidence.draws])


def _draw_interval(axes: Axes, rows: pd.DataFrame) -> None:
    below, above = rows["value"] - rows["low"], rows["high"] - rows["value"]
    reach = np.clip([below, above], 0, None)
    color = COLORS[0]
    axes.errorbar(rows["patience_steps"], rows["value"], reach, color=color, marker="o", markersize=4, capsize=2)
