"""How much is offered to each model, by our law, and how much of it is memorised: all sizes on one axis."""

from __future__ import annotations

import pandas as pd

from ecmlib.laws.points import COMPONENTS, SIZES, scored, surviving
from ecmlib.laws.scope import out_of_scope
from ecmlib.laws.signal import SignalLaw


def loads(law: SignalLaw, frame: pd.DataFrame) -> pd.DataFrame:
    """Say of each configuration how much is offered to it and which share it memorises.

    Parameters
    ----------
    law : SignalLaw
        Of the protocol by which the models were trained.
    frame : DataFrame
        Rows of `ecmlib.load_results`, those of different trainings apart. Runs that the paper's rule has ended count
        with the steps that they took.

    Returns
    -------
    DataFrame
        A row a configuration and training that is not lost in guessing: sizes and components; ``asked_over_stored``,
        A / M, the bits that can be known of its library over those that the law says are stored; ``memorised``, C / T,
        of the capacity that the law was fitted to; ``spoken``, whether it lies in the law's scope (`out_of_scope`).
    """
    runs = surviving(frame)
    if "stop" in runs:
        alike = [*SIZES, *(name for name in (*COMPONENTS, *law.same) if name in runs)]
        taken = runs.groupby(alike, dropna=False)["steps"].transform("mean")
        runs = runs.assign(max_steps=runs["max_steps"].mask(runs["stop"] == "patience", taken))
    target = law.evidence.target
    trainings = runs.groupby(["K", *(name for name in law.same if name in runs)], dropna=False)
    points = pd.concat([scored(rows, target, law.same) for _, rows in trainings])
    points = points[~points["lost"]].reset_index(drop=True)
    kept = [*SIZES, *(name for name in ("max_steps", *COMPONENTS) if name in points)]
    asked_over_stored, memorised = 1 / law.share(points), points[target] / points["T"]
    spoken = out_of_scope(points) == ""
    return points[kept].assign(asked_over_stored=asked_over_stored, memorised=memorised, spoken=spoken)
