"""How well does the first part of a curve tell the rest? Taught and tested on curves apart (beyond the paper)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field, model_validator
from sklearn.linear_model import QuantileRegressor
from sklearn.model_selection import GroupKFold

from ecmlib.budget_record import BudgetRecord, BudgetRun
from ecmlib.chance import guess_corrected, tails
from ecmlib.curve import Curve, last_tenth
from ecmlib.figures.style import COLORS, new_panels
from ecmlib.files import named_folder, writable_folder
from ecmlib.forecast import Forecaster, evidence
from ecmlib.reproduction.stats import Estimate, mean
from ecmlib.restart import Restart
from ecmlib.results import CapacityRecord
from ecmlib.validation import Level, Parameters, Share

LEVEL = 0.8
_FROM = 300  # steps, about the paper's patience: what is forecast from less is not asked here
_SEEN, _AHEAD = 6, 4  # how often a curve is cut, and how many later steps are asked for at each cut
_FOLDS = 5
_NUMBERS = [f"x{i}" for i in range(8)]  # of `ecmlib.forecast.evidence`


class ForecastChoices(Parameters):
    """What an examination of forecasts may be asked for, checked before anything is read.

    Parameters
    ----------
    results : list of str
        Folders of records.
    budgets : str
        Folder of budget records, whose trunks at a constant rate go on for longer; none if empty.
    level : float
        Of the intervals, between 0 and 1.
    within : list of float
        Shares of its forecast to within which a run may be sure of it, above 0 and at most 1.
    save : str
        File of the forecaster; none is written if empty.
    """

    results: Annotated[list[str], Field(min_length=1)]
    budgets: str = ""
    level: Level = LEVEL
    within: Annotated[list[Share], Field(min_length=1)]
    save: str = ""

    @model_validator(mode="after")
    def _can_be_saved(self) -> Self:
        if self.save:
            if named_folder(self.save, "save").is_dir():
                raise ValueError(f"save = {self.save!r}: is a folder; input should be the path of a file")
            writable_folder(Path(self.save).parent)
        return self


def cases(records: Sequence[CapacityRecord | BudgetRecord]) -> pd.DataFrame:
    """Cut every measured curve of a constant rate, or trunk of budgets, at several steps; ask for several later ones.

    Returns
    -------
    DataFrame
        A row a question: ``curve`` (the number of the record, for all its restarts: they are alike), ``architecture``
        (alike, too: what it is, in words), ``seen``, the last step
        known; ``at``, the step asked for; ``base``, the count when cut; ``growth``, the logarithm of the true later
        one over it; ``T``; and the numbers of `ecmlib.forecast.evidence`.
    """
    rows = []
    for number, record in enumerate(records):
        for curve, C in curves_of(record):
            steps = curve.step
            for cut, at in _questions(steps):
                if (known := evidence(steps[:cut], C[:cut], record.protocol.T, at)) is None:
                    continue
                later = int(np.searchsorted(steps, at, side="right"))
                truth = last_tenth(steps[:later], C[:later])
                rows.append(
                    {"curve": number, "architecture": str(record.architecture)}
                    | {"seen": steps[cut - 1], "at": at, "base": known[0], "T": record.protocol.T}
                    | {"growth": np.log(max(truth, 1.0) / known[0])}
                    | dict(zip(_NUMBERS, known[1], strict=True))
                )
    return pd.DataFrame(rows)


def teach(questions: pd.DataFrame, level: float = LEVEL) -> Forecaster:
    """Fit the quantiles of a forecaster to what `cases` returns."""
    low, high = tails(level)
    fitted = {
        name: QuantileRegressor(quantile=quantile, alpha=0, fit_intercept=False, solver="highs")
        .fit(questions[_NUMBERS], questions["growth"])
        .coef_.tolist()
        for name, quantile in (("low", low), ("middle", 0.5), ("high", high))
    }
    return Forecaster(level=level, **fitted)


def taught_apart(questions: pd.DataFrame, level: float = LEVEL) -> dict[int, Forecaster]:
    """Return, for each curve, a forecaster that has seen none of its architecture: these are left out in five groups.

    Raises
    ------
    ValueError
        If there are too few architectures for that.
    """
    architectures = 0 if questions.empty else questions["architecture"].nunique()
    if architectures < _FOLDS:
        raise ValueError(
            f"questions: of {architectures} architectures with a curve of a constant rate that goes on after step "
            f"{_FROM} and holds more than guesses; to teach and to test apart takes {_FOLDS}"
        )
    apart: dict[int, Forecaster] = {}
    for rest, held in GroupKFold(_FOLDS).split(questions, groups=questions["architecture"]):
        forecaster = teach(questions.iloc[rest], level)
        apart |= dict.fromkeys(questions["curve"].iloc[held].unique().tolist(), forecaster)
    return apart


def examine(questions: pd.DataFrame, apart: dict[int, Forecaster]) -> pd.DataFrame:
    """Compare forecasts with what came, by the share of the curve that was seen.

    Returns
    -------
    DataFrame
        A row a bin of ``seen / at``: ``n`` questions, ``coverage`` of the interval, its median ``width`` (high over
        low, less 1) and the median ``error`` of the value.
    """
    numbers = questions[_NUMBERS].to_numpy(float)
    most = np.log((questions["T"] / questions["base"]).to_numpy(float))
    forecasters = [apart[curve] for curve in questions["curve"]]
    quantiles = np.array([[f.low, f.middle, f.high] for f in forecasters])
    low, middle, high = np.minimum(np.sort(np.einsum("nqi,ni->nq", quantiles, numbers), axis=1).T, most)
    came = questions["growth"].to_numpy(float)
    table = pd.DataFrame(
        {
            "seen": pd.cut(questions["seen"] / questions["at"], [0, 0.1, 0.2, 0.35, 0.5, 0.7, 1]),
            "inside": (low <= came + 1e-9) & (came <= high + 1e-9),  # a full library is met exactly
            "width": np.exp(high - low) - 1,
            "error": np.abs(np.exp(middle - came) - 1),
        }
    )
    grouped = table.groupby("seen", observed=True)
    return grouped.agg(
        n=("inside", "size"), coverage=("inside", "mean"), width=("width", "median"), error=("error", "median")
    ).reset_index()


def beyond(records: Sequence[CapacityRecord | BudgetRecord], apart: dict[int, Forecaster]) -> pd.DataFrame:
    """Ask for every later budget of trunks at a constant rate, seen up to each shorter one.

    Parameters
    ----------
    records : sequence
        Those of `cases`; only trunks of budgets are asked.
    apart : dict
        What `taught_apart` returns: of each record a forecaster that has not seen it.

    Returns
    -------
    DataFrame
        A row a curve and pair of budgets: steps ``seen`` and ``at``, the forecast ``low``, ``value`` and ``high``, and
        what ``came``. Where it is too early to say anything, there is no row.
    """
    rows = []
    for number, record in enumerate(records):
        if not isinstance(record, BudgetRecord) or number not in apart:
            continue
        for (trunk, C), at in itertools.product(curves_of(record), record.budgets):
            steps = trunk.step
            ends = {budget: int(np.searchsorted(steps, budget, side="right")) for budget in record.budgets}
            for seen in (budget for budget in record.budgets if budget < at <= steps[-1]):
                told = apart[number].forecast(steps[: ends[seen]], C[: ends[seen]], record.protocol.T, at)
                if told is not None:
                    came = last_tenth(steps[: ends[at]], C[: ends[at]])
                    rows.append({"seen": seen, "at": at, **told._asdict(), "came": came})
    return pd.DataFrame(rows, columns=["seen", "at", "value", "low", "high", "came"])


def coverage(table: pd.DataFrame) -> Estimate:
    """Average the coverage of `examine` over its bins, each as one witness."""
    return mean(table["coverage"])


def plot_examination(table: pd.DataFrame, level: float = LEVEL) -> Figure:
    """Draw coverage, width and error of the forecasts over the share of the curve that was seen (`examine`)."""
    figure, panels = new_panels(2, share_y=False)
    share = [interval.mid for interval in table["seen"]]
    panels[0].plot(share, table["coverage"], color=COLORS[0], marker="o")
    panels[0].axhline(level, color="gray", linestyle=":")
    panels[0].set(xlabel="share of the steps seen", ylabel="coverage", ylim=(0, 1))
    panels[1].plot(share, table["width"], color=COLORS[0], marker="o", label="width of the interval")
    panels[1].plot(share, table["error"], color=COLORS[1], marker="s", label="error of the value")
    panels[1].set(xlabel="share of the steps seen", ylabel="median, as a fraction", ylim=(0, None))
    panels[1].legend(fontsize="small")
    return figure


def curves_of(record: CapacityRecord | BudgetRecord) -> Sequence[tuple[Curve, list[float]]]:
    """Return the curves at a constant rate that did not diverge, each with its capacities along it."""
    if record.protocol.schedule != "constant":
        return []
    T, K = record.protocol.T, record.architecture.K
    curves = [_whole(run) for run in record.restarts if run.status != "diverged"]
    return [(curve, [guess_corrected(count, T, K) for count in curve.last_count]) for curve in curves]


def _questions(steps: Sequence[int]) -> list[tuple[int, float]]:
    """Return each number of points that are seen of a curve with each later step that is asked for, none twice."""
    cuts = [seen for seen in np.geomspace(_FROM, steps[-1] / 1.1, _SEEN).tolist() if seen >= _FROM]
    asked = {
        (int(np.searchsorted(steps, seen, side="right")), at)
        for seen in cuts
        for at in np.geomspace(1.1 * seen, steps[-1], _AHEAD).round().tolist()
        if at <= steps[-1]
    }
    return sorted(asked)


def _whole(run: Restart | BudgetRun) -> Curve:
    return run.trunk if isinstance(run, BudgetRun) else run
