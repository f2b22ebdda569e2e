"""What would it save to end runs as soon as a forecast is sure of their end?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ecmlib.budget_record import BudgetRecord
from ecmlib.curve import last_tenth
from ecmlib.forecast import Forecaster
from ecmlib.protocol import Protocol
from ecmlib.reproduction.forecast import curves_of
from ecmlib.restart import Restart
from ecmlib.results import CapacityRecord


def savings(
    records: Sequence[CapacityRecord | BudgetRecord],
    apart: dict[int, Forecaster],
    within: Sequence[float] = (0.03, 0.05, 0.1),
) -> pd.DataFrame:
    """Say what ``stop="forecast"`` would have saved of measured runs, what it would have cost more, and its error.

    Asked is what such a run asks (`ecmlib.training.forecast_of`): the count at ``max_steps``. No plateau ends it, so
    where its forecast does not, it goes on after the plateau rule has ended the measured one. Trunks of budgets, which
    nothing was to end, are left out.

    Returns
    -------
    DataFrame
        A row a width: ``within``; ``runs``, and ``core_hours`` they took; what would have been ``saved`` of these by
        the share of runs that would have ``ended`` before, and what the share that would have gone on for ``longer``
        costs ``more`` at most, if it goes to ``max_steps``; ``error``, the mean of ``|forecast / count - 1|`` over
        those that would have ended before and whose count at ``max_steps`` is ``known``: measured, or the whole
        library.
    """
    rows = []
    for width in within:
        ends = [
            _ending(apart.get(number), record.protocol, restart, C, width)
            for number, record in enumerate(records)
            for restart, C in curves_of(record)
            if isinstance(restart, Restart)
        ]
        runs = pd.DataFrame(ends, columns=["core_hours", "saved", "more", "error"], dtype=float)
        rows.append(
            {"within": width, "runs": len(runs)}
            | runs[["core_hours", "saved", "more"]].sum().to_dict()
            | {"ended": (runs["saved"] > 0).mean(), "longer": (runs["more"] > 0).mean()}
            | {"error": runs["error"].mean(), "known": runs["error"].count()}
        )
    return pd.DataFrame(rows)


def _ending(
    forecaster: Forecaster | None, protocol: Protocol, restart: Restart, C: list[float], width: float
) -> dict[str, float]:
    """Say what a run took, what a forecast would have saved of it or cost more, and how wrong it would have been."""
    steps, hours = restart.step, restart.provenance.core_seconds / 3600
    cut_short = restart.status not in ("complete", "max_steps")  # what it holds at max_steps is not known
    for cut in range(len(steps)):
        if forecaster is None:
            break
        told = forecaster.forecast(steps[: cut + 1], C[: cut + 1], protocol.T, protocol.max_steps)
        if told is not None and told.within <= width:
            true = C[-1] if restart.status == "complete" else last_tenth(steps, C)
            error = np.nan if cut_short or cut == len(steps) - 1 else abs(told.value / max(true, 1.0) - 1)
            return {"core_hours": hours, "saved": hours * (1 - steps[cut] / steps[-1]), "more": 0.0, "error": error}
    more = hours * (protocol.max_steps / steps[-1] - 1) if cut_short else 0.0
    return {"core_hours": hours, "saved": 0.0, "more": more, "error": np.nan}
